"""A training step of the backend `local` beside TRL's GRPOTrainer: the same model, prompts, batch and lengths.

Three sizes of model with random weights, on one thread, in float32: 8 rollouts a problem of at most 48 new tokens, a
reward that about half of the rollouts earn. "positive" is our default recipe, which trains on the rollouts that did
better than their group, "all" trains every rollout as TRL does. Both are timed in turn, in processor seconds a step,
after one to warm up. Where a goal asks for more than the ratio of the operations that each side needs, 80 % of that
ratio will do.

``pytest -s benchmarks/test_bench_local.py`` prints a table; it takes several minutes, and TRL: ``pip install trl``.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from justtinker_core import DataSpec, Datum, Group, RunContext, hookimpl, plugin
from justtinker_plugins.datasets.arithmetic import Arithmetic
from justtinker_plugins.prompts.chatml_think import ChatmlThink
from tests.plugins.tinker_fixtures import run_loop

pytest.importorskip("torch", reason="install the extra 'local'")
pytest.importorskip("trl", reason="the peer to compare with is not installed: pip install trl")

GROUP, NEW = 8, 48
ROUNDS, STEPS = 2, 3
"""How often each side has its turn, and steps of a turn; the first one of a turn is not counted."""


@dataclass(frozen=True)
class Size:
    """A model's size, and the work of a step."""

    name: str
    problems: int
    updates: int
    shape: dict[str, int]
    goals: tuple[float, float]
    """How many times as fast as TRL we want to be, with "positive" and "all"."""


def shape(width: int, layers: int, heads: int, key_heads: int, head_size: int) -> dict[str, int]:
    """The options of a Qwen3 model."""
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": key_heads,
        "head_dim": head_size,
        "intermediate_size": 3 * width,
    }


SIZES = (
    Size("112 k", 128, 4, shape(64, 2, 4, 2, 16), (6, 4)),
    Size("10 M", 16, 1, shape(320, 8, 5, 1, 64), (4, 2)),
    Size("107 M", 4, 1, shape(576, 30, 9, 3, 64), (4, 2)),
)

CONFIG = """
[run]
name = "bench"
model = "{model}"
steps = {steps}
[optimizer]
learning_rate = 1e-5
[sampling]
max_tokens = {new}
[checkpoints]
every = 1000
[data.train]
use = "arithmetic"
[plugins]
enable = ["local", "chatml_think", "grpo", "even", "exact", "clock", "group_mean"]
[plugins.local]
threads = 1
[plugins.grpo]
problems_per_step = {problems}
rollouts_per_problem = {group}
updates_per_step = {updates}
train_on = "{train_on}"
[local_plugins]
even = "{file}:Even"
clock = "{file}:Clock"
"""


def is_even(text: str) -> float:
    """A reward for about every other text, whatever the model."""
    return float(sum(map(ord, text)) % 2 == 0)


@plugin
class Even:
    """Pays for an even text."""

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """Return `even`."""
        return {"even": [is_even(rollout.text) for rollout in group.rollouts]}


@plugin
class Clock:
    """Notes the processor's time at each step."""

    @hookimpl
    def report_step(self, run: RunContext) -> None:
        """Note the time."""
        with Path(run.dir, "clock.jsonl").open("a") as file:
            file.write(f"{time.process_time()}\n")


def make_model(size: Size, directory: Path) -> str:
    """Write a model with random weights and the tiny tokenizer."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from justtinker_plugins.backends._local.model import tiny_tokenizer

    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    config = Qwen3Config(
        vocab_size=len(tokenizer), max_position_embeddings=1024, tie_word_embeddings=False, bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, **size.shape,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return str(directory)


def our_seconds(size: Size, model: str, folder: Path, train_on: str) -> list[float]:
    """Processor seconds of each of our steps but the first."""
    folder.mkdir()
    values = {"new": NEW, "problems": size.problems, "updates": size.updates, "group": GROUP, "file": __file__}
    (folder / "config.toml").write_text(CONFIG.format(model=model, steps=STEPS, train_on=train_on, **values))
    assert run_loop(folder) == "finished"
    times = [float(line) for line in (folder / "clock.jsonl").read_text().split()]
    return [after - before for before, after in pairwise(times)]


def trl_seconds(size: Size, model: str, folder: Path, prompts: list[str]) -> list[float]:
    """Processor seconds of each of TRL's steps but the first."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    times: list[float] = []

    class Note(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *args: Any, **more: Any) -> None:
            times.append(time.process_time())

    torch.set_num_threads(1)
    rollouts = size.problems * GROUP
    config = GRPOConfig(
        output_dir=str(folder), per_device_train_batch_size=rollouts // size.updates, num_generations=GROUP,
        steps_per_generation=size.updates, max_completion_length=NEW, max_steps=STEPS * size.updates, beta=0.0,
        learning_rate=1e-5, temperature=1.0, report_to=[], save_strategy="no", logging_steps=size.updates,
        use_cpu=True, bf16=False, disable_tqdm=True, loss_type="dapo", epsilon=0.2, epsilon_high=0.28,
        dataloader_pin_memory=False, gradient_checkpointing=False,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32),
        processing_class=AutoTokenizer.from_pretrained(model),
        reward_funcs=[lambda completions, **_: [is_even(text) for text in completions]],
        train_dataset=Dataset.from_dict({"prompt": prompts}), args=config, callbacks=[Note()],
    )  # fmt: skip
    trainer.train()
    ends = times[size.updates - 1 :: size.updates]
    return [after - before for before, after in pairwise(ends)]


def operations(size: Size, prompt: int, new: float, trained: float) -> tuple[float, float]:
    """Operations of a step, TRL's and ours, in multiples of the model's parameters, with `new` tokens a rollout.

    A token takes 2 to be read or written and 6 to be trained. TRL reads the prompt of every rollout, trains all of
    them, prompts included, and reads them once more if several updates share them. Of ours, `trained` are trained.
    """
    rollouts = size.problems * GROUP
    theirs = rollouts * (prompt + new) * (8 if size.updates == 1 else 10)
    ours = 2 * (size.problems * prompt + rollouts * new) + 6 * (size.problems * prompt + trained * new)
    return theirs, ours


def check_equal(model: str, prompts: list[str]) -> None:
    """Both must see the same probabilities: transformers' own, which TRL takes, and ours for a group's rollouts."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from justtinker_plugins.backends._local.logprobs import target_logprobs
    from justtinker_plugins.backends._local.model import open_policy

    policy = open_policy(model, seed=0, device="cpu", dtype="float32", lora=None)
    prompt = tuple(AutoTokenizer.from_pretrained(model)(prompts[0])["input_ids"])
    rows = [(*prompt, *range(10, 10 + length)) for length in (3, 20, 48)]
    data = [
        Datum(row[:-1], row[1:], weights=(0.0,) * (len(prompt) - 1) + (1.0,) * (len(row) - len(prompt))) for row in rows
    ]
    with torch.no_grad():
        ((order, found),) = target_logprobs(policy, data, 4096, None)
        plain = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
        for i, part in zip(order, torch.split(found, [len(data[i].inputs) for i in order]), strict=True):
            logits = plain(torch.tensor([data[i].inputs])).logits[0]
            expected = logits.log_softmax(-1).gather(1, torch.tensor(data[i].targets)[:, None])[:, 0]
            torch.testing.assert_close(part, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_a_step_beside_trl(size: Size, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    model = make_model(size, tmp_path / "model")
    problems = Arithmetic().load_problems(DataSpec("train", "train", "arithmetic", {}), 0)
    prompts = [ChatmlThink().build_prompt(problem).text for problem in islice(problems, size.problems * STEPS)]
    length = len(AutoTokenizer.from_pretrained(model)(prompts[0])["input_ids"])
    check_equal(model, prompts)
    seconds: dict[str, list[float]] = {"TRL": [], "positive": [], "all": []}
    for turn in range(ROUNDS):
        for side in seconds:
            folder = tmp_path / f"{side}{turn}"
            if side == "TRL":
                seconds[side] += trl_seconds(size, model, folder, prompts)
            else:
                seconds[side] += our_seconds(size, model, folder, side)
    print(f"\n{size.name} parameters, {size.problems * GROUP} rollouts: TRL {median(seconds['TRL']):.2f} s a step")
    for side, goal in zip(("positive", "all"), size.goals, strict=True):
        records = [json.loads(line) for line in (tmp_path / f"{side}0" / "steps.jsonl").read_text().splitlines()]
        new = sum(record["tokens"]["sampled"] for record in records) / len(records) / (size.problems * GROUP)
        assert new > NEW / 2
        trained = sum(record["metrics"]["trained"] for record in records) / len(records)
        theirs, ours = operations(size, length, new, trained)
        ratio = median(seconds["TRL"]) / median(seconds[side])
        print(
            f"{side:>9} {median(seconds[side]):6.2f} s, {ratio:4.1f} times as fast; wanted {goal:g}, "
            f"operations {theirs / ours:.1f} times as few ({trained:.0f} rollouts trained)"
        )
        assert ratio >= min(goal, 0.8 * theirs / ours)
