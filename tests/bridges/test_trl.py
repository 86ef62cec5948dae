"""Reward functions for TRL: called as TRL calls them here, and by TRL itself in the tests that are marked."""

from __future__ import annotations

import asyncio
import importlib
import logging
import pickle
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tomli_w

from justtinker_core import PluginError, Scorer
from justtinker_core.options import configure
from justtinker_core.testing import check_reward, make_group, make_problem
from justtinker_core.types import Reward
from justtinker_plugins.advantages.gdpo import Gdpo
from justtinker_plugins.advantages.group_mean import GroupMean
from justtinker_plugins.advantages.leave_one_out import LeaveOneOut
from justtinker_plugins.bridges import trl
from justtinker_plugins.bridges._trl import scoring
from justtinker_plugins.bridges._trl.batches import Request
from justtinker_plugins.bridges.trl import reward_function, reward_functions, reward_weights
from justtinker_plugins.commands._audit.bombs import ANSWERS
from justtinker_plugins.rewards.trl_reward import TrlReward
from tests.bridges.pages import write_examples
from tests.core.conftest import cli

STACK = {"plugins": {"enable": ["math_verify", "correct", "format", "length"]}}
RIGHT = r"<think>one and one makes two</think>\boxed{2}"
BARE = r"\boxed{2}"
WRONG = r"<think>one and one makes three</think>\boxed{3}"
QUESTION = "What is 1+1?"


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered, and nobody was warned."""
    monkeypatch.setattr(scoring, "_batches", type(scoring._batches)())
    monkeypatch.setattr(trl, "_warned", set())


def batch(*groups: tuple[str, str | None, list[str]], chat: bool = True, **columns: Any) -> dict[str, Any]:
    """The arguments of a call by TRL: flat lists, of which a group's members stand together."""
    rows = [(question, answer, text) for question, answer, texts in groups for text in texts]
    prompts = [
        [{"role": "system", "content": "Think."}, {"role": "user", "content": q}] if chat else q for q, _, _ in rows
    ]
    completions = [[{"role": "assistant", "content": text}] if chat else text for *_, text in rows]
    ids = [list(range(len(text))) for *_, text in rows]
    answers = [answer for _, answer, _ in rows]
    return {"prompts": prompts, "completions": completions, "completion_ids": ids, "answer": answers, **columns}


class Log:
    """What TRL keeps of `log_metric` and `log_extra`."""

    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}
        self.columns: dict[str, list[Any]] = {}

    def given(self, step: int = 0) -> dict[str, Any]:
        return {
            "trainer_state": SimpleNamespace(global_step=step),
            "log_metric": self.metrics.__setitem__,
            "log_extra": lambda column, values: self.columns.setdefault(column, []).extend(values),
        }


@pytest.mark.parametrize("chat", [True, False])
def test_one_function_a_reward_gives_what_a_scorer_gives(chat: bool) -> None:
    functions = reward_functions(STACK)
    assert [f.__name__ for f in functions] == ["correct", "format", "length"]
    assert reward_weights(STACK) == [1.0, 0.1, 0.1]
    asked = batch((QUESTION, "2", [RIGHT, WRONG, BARE]), ("What is 4+4?", "8", [RIGHT, r"\boxed{8}"]), chat=chat)
    got = [function(**asked) for function in functions]
    with Scorer(STACK) as scorer:
        groups = [
            scorer.score(question=q, answer=a, responses=texts, tokens=[len(text) for text in texts])
            for q, a, texts in [(QUESTION, "2", [RIGHT, WRONG, BARE]), ("What is 4+4?", "8", [RIGHT, r"\boxed{8}"])]
        ]
    rewards = [reward for group in groups for reward in group.rewards]
    assert got == [[reward.terms[name] for reward in rewards] for name in ("correct", "format", "length")]
    assert reward_function(STACK)(**asked) == [reward.total for reward in rewards]


def test_a_batch_is_scored_once_group_by_group(monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[str] = []
    score = scoring.score_group

    def count(scorer: Scorer, request: Request) -> list[scoring.Row]:
        scored.append(request.question)
        return score(scorer, request)

    monkeypatch.setattr(scoring, "score_group", count)
    asked = batch((QUESTION, "2", [RIGHT, WRONG]), ("What is 4+4?", "8", [RIGHT]))
    functions = reward_functions(STACK)
    with ThreadPoolExecutor(8) as pool:  # as AsyncGRPOTrainer asks
        both = [[f.result() for f in [pool.submit(function, **asked) for function in functions]] for _ in range(2)]
    assert both[0] == both[1]
    assert sorted(scored) == [QUESTION, "What is 4+4?"]
    functions[0](**batch((QUESTION, "2", [RIGHT, BARE])))
    assert len(scored) == 3


def test_an_error_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    function, asked = reward_function(STACK), batch((QUESTION, "2", [RIGHT]))
    with monkeypatch.context() as broken:
        broken.setattr(Scorer, "score", lambda *a, **k: (_ for _ in ()).throw(PluginError("disk full")))
        with pytest.raises(PluginError, match="disk full"):
            function(**asked)
    assert function(**asked) == [pytest.approx(1.0)]


def test_what_nobody_could_grade_is_none_everywhere(caplog: pytest.LogCaptureFixture) -> None:
    log = Log()
    asked = batch((QUESTION, None, [RIGHT, WRONG]), (QUESTION, "2", [RIGHT, WRONG]))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            got = [function(**asked, **log.given()) for function in reward_functions(STACK)]
    assert [column[:2] for column in got] == [[None, None]] * 3
    assert got[0][2:] == [1.0, 0.0]
    assert reward_function(STACK)(**asked)[:2] == [None, None]
    assert log.metrics == {"unscored": 0.5}
    assert log.columns["verdict"] == ["unscored", "unscored", "correct", "incorrect"] * 2
    assert [record.getMessage() for record in caplog.records] == [
        "2 of 4 responses were not graded (the problem has no gold): their rewards are None, and TRL gives them no "
        "advantage; the metric 'unscored' is their share"
    ]


def test_a_graded_response_is_never_without_a_number() -> None:
    config = {"plugins": {"enable": ["math_verify", "format", "redundancy"]}}
    asked = batch((QUESTION, "2", [RIGHT, WRONG]))
    assert [function(**asked) for function in reward_functions(config)] == [[0.0, 0.0], [0.0, None]]
    assert reward_function(config)(**asked) == [0.0, 0.0]


def test_the_sum_logs_every_reward() -> None:
    log = Log()
    reward_function(STACK, name="mine")(**batch((QUESTION, "2", [RIGHT, WRONG, BARE])), **log.given())
    assert log.metrics == {
        "unscored": 0.0,
        "rewards/correct/mean": pytest.approx(2 / 3),
        "rewards/format/mean": -0.5,
        "rewards/length/mean": pytest.approx(0.0, abs=0.2),
    }
    assert log.columns["format"] == [0.0, None, -1.0]
    assert log.columns["correct"] == [1.0, 0.0, 1.0]


def test_a_scheduled_weight_is_applied_by_the_function() -> None:
    options: Any = {"sets": ["plugins.length.weight={from=0.0, to=0.2, steps=4}"]}
    *_, length = reward_functions(STACK, **options)
    assert reward_weights(STACK, **options) == [1.0, 0.1, 1.0]
    asked = batch((QUESTION, "2", [RIGHT, BARE]))
    assert length(**asked, **Log().given(step=1)) == [-0.05, 0.05]
    assert length(**asked, **Log().given(step=3)) == [-0.1, 0.1]
    with pytest.raises(PluginError) as error:
        length(**asked)
    assert str(error.value) == (
        "this trainer does not tell its step, but the rewards depend on it (the weight schedule of length)"
    )


def test_a_trainer_without_weights_gets_weighted_numbers() -> None:
    *_, length = reward_functions(STACK, weighted=True)
    assert length(**batch((QUESTION, "2", [RIGHT, BARE]))) == [-0.05, 0.05]


def test_columns_have_names_of_their_own() -> None:
    config = {"plugins": {"enable": ["math_verify", "exact", "correct"]}}
    asked = batch(
        ("Colour?", None, [r"\boxed{green}", BARE]), topic=["Say green."] * 2, sort=["text"] * 2, gold=["green"] * 2
    )
    function = reward_function(config, answer="gold", question="topic", kind="sort")
    assert function(**asked) == [1.0, 0.0]
    assert reward_function(STACK, sets=["plugins.format.weight=0.5"], plugins=["no:length"])(
        **batch((QUESTION, "2", [BARE]))
    ) == [0.5]


def test_a_number_is_a_gold_and_other_things_are_not() -> None:
    asked = batch((QUESTION, "2", [RIGHT]))
    assert reward_functions(STACK)[0](**{**asked, "answer": [2]}) == [1.0]
    with pytest.raises(PluginError, match=r"TRL's batch, 'answer', row 0: expected a text or a number, got \['2'\]"):
        reward_functions(STACK)[0](**{**asked, "answer": [["2"]]})


def test_other_columns_are_the_problems_metadata(tmp_path: Path) -> None:
    (tmp_path / "level.py").write_text(
        "from justtinker_core import hookimpl, plugin\n@plugin\nclass Level:\n    'd'\n    @hookimpl\n"
        "    def score(self, group):\n"
        "        return {'level': [group.problem.meta['level'] / 10 for _ in group.rollouts]}"
    )
    config = {
        "plugins": {"enable": ["math_verify", "level"]},
        "local_plugins": {"level": f"{tmp_path}/level.py:Level"},
    }
    asked = batch((QUESTION, "2", [RIGHT]), ("What is 4+4?", "8", [RIGHT]), level=[3, 5])
    assert reward_functions(config)[0](**asked) == [0.3, 0.5]
    assert reward_functions(config)[0](**{**asked, "level": [4, 5]}) == [0.4, 0.5]


@pytest.mark.parametrize(
    ("columns", "options", "error"),
    [
        (
            {"answers": ["2"]}, {},
            "the data set has no column 'answer'; did you mean 'answers'?",
        ),
        ({"answer": ["2"]}, {"kind": "sort"}, "the data set has no column 'sort'; known: answer"),
        ({"answer": ["2", "3"]}, {}, "TRL's batch: expected 1 entries of 'answer', one a prompt, got 2"),
        (
            {"answer": ["2"], "completions": []}, {},
            "TRL's batch: expected 1 entries of 'completions', one a prompt, got 0",
        ),
        ({}, {"answers": "gold"}, "TRL's reward functions have no option 'answers'; did you mean 'answer'?"),
        (
            {"answer": ["2"]}, {"num_generations": 2},
            "TRL's batch: expected groups of 2 responses (num_generations), got 1 to one prompt; choose a "
            "per_device_train_batch_size that no group is split between processes",
        ),
        (
            {"answer": ["2"], "prompts": [[{"role": "system", "content": "x"}]]}, {},
            "TRL's batch: expected a prompt with a user message of text, got [{'role': 'system', 'content': 'x'}]",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(columns: dict[str, Any], options: dict[str, Any], error: str) -> None:
    asked = {**batch((QUESTION, "2", [RIGHT])), **columns}
    if "answer" not in columns:
        del asked["answer"]
    with pytest.raises(PluginError) as raised:
        reward_function(STACK, **options)(**asked)
    assert str(raised.value) == error


def test_equal_problems_side_by_side_are_told_apart_by_the_size_of_a_group() -> None:
    asked = batch((QUESTION, "2", [RIGHT, BARE, BARE, WRONG]))
    assert reward_functions(STACK)[2](**asked)[:2] == [pytest.approx(-0.4, abs=0.1), 0.5]
    assert reward_functions(STACK, num_generations=2)[2](**asked)[:2] == [-0.5, 0.5]


def test_thinking_that_trl_took_apart_counts() -> None:
    thought = {"role": "assistant", "reasoning_content": "one and one makes two", "content": BARE}
    asked = {**batch((QUESTION, "2", [BARE, BARE])), "completions": [[thought], [{**thought, "reasoning_content": ""}]]}
    plain = {"plugins": {"enable": ["math_verify", "correct", "format"]}}
    assert reward_functions(plain)[1](**asked) == [0.0, -1.0]
    assert reward_functions(plain, opened="<think>\n")[1](**asked) == [0.0, None]


def test_a_response_without_an_end_token_is_truncated(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def see(_: Scorer, request: Request) -> list[scoring.Row]:
        seen.append(request.truncated)
        return []

    monkeypatch.setattr(scoring, "score_group", see)
    asked = batch((QUESTION, "2", [RIGHT, WRONG]), completion_ids=[[5, 2], [5, 7]])
    for ends in ([2, 3], []):
        reward_function(STACK, end_tokens=ends)(**asked)
    assert seen == [(False, True), None]


def test_no_prompt_no_reward() -> None:
    assert reward_function(STACK)(prompts=[], completions=[], completion_ids=[], answer=[]) == []


@pytest.mark.parametrize(("version", "warned"), [("1.5.1", True), ("1.6.0", False), ("2.0", False), ("strange", False)])
def test_old_versions_of_trl_are_warned_of(version: str, warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    trl.warn_of_version(version)
    assert [record.getMessage() for record in caplog.records] == warned * [
        "TRL 1.5.1 scores a response that nobody could grade 0: pip install 'trl>=1.6'"
    ]


@pytest.mark.parametrize(
    ("processes", "term", "size", "warned"),
    [
        ("2", "length", None, True),
        ("2", "length", 2, False),
        ("1", "length", None, False),
        ("2", "format", None, False),
    ],
)
def test_groups_that_processes_may_split_are_warned_of(
    processes: str, term: str, size: int | None, warned: bool, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("WORLD_SIZE", processes)
    options: trl.Options = {} if size is None else {"num_generations": size}
    reward_function({"plugins": {"enable": ["math_verify", "correct", term]}}, **options)
    assert [record.getMessage() for record in caplog.records if "processes" in record.getMessage()] == warned * [
        "each of 2 processes scores its own responses: if a group were split, 'length' would compare its parts. With "
        "num_generations = the trainer's, that is an error"
    ]


CHILD = """
import multiprocessing, pickle, sys

def ask(payload, results):
    functions, asked = pickle.loads(payload)
    results.put([function(**asked) for function in functions])

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    payload = sys.stdin.buffer.read()
    child = context.Process(target=ask, args=(payload, results), daemon=True)  # as AsyncGRPOTrainer starts its worker
    child.start()
    print(results.get(timeout=120))
    child.terminate()
"""


def test_functions_work_in_another_process_and_directory(tmp_path: Path) -> None:
    (tmp_path / "rewards.toml").write_text('[plugins]\nenable = ["math_verify", "correct", "format"]')
    (tmp_path / "child.py").write_text(CHILD)
    functions = reward_functions(tmp_path / "rewards.toml")
    asked = batch((QUESTION, "2", [RIGHT, r"\boxed{\frac{4}{2}}", WRONG]))
    payload = pickle.dumps((functions, asked))
    done = subprocess.run([sys.executable, tmp_path / "child.py"], input=payload, capture_output=True, check=True)
    assert done.stdout.decode().strip() == str([function(**asked) for function in functions])


def test_bombs_are_judged_as_by_a_scorer() -> None:
    config = {"plugins": {"enable": ["math_verify", "correct"], "math_verify": {"limit": 0.2}}}
    texts = [rf"\boxed{{{bomb}}}" for bomb in ANSWERS[:12]] + [BARE]
    got = reward_function(config)(**batch((QUESTION, "2", texts)))
    assert got == [0.0] * 12 + [1.0]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with a chat template, as a directory."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from justtinker_plugins.backends._local.model import tiny_tokenizer

    path = tmp_path_factory.mktemp("trl") / "model"
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        head_dim=16, intermediate_size=32, max_position_embeddings=256, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture
def make_trainer(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Make the trainer of the page's example, in a folder of its own, with some of its text replaced."""
    write_examples("TRL", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train_trl.py", str(model)])
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def make(changes: Mapping[str, str] = MappingProxyType({})) -> Any:
        text = Path("train_trl.py").read_text()
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        Path("changed.py").write_text(text)
        return runpy.run_path("changed.py", run_name="example")["trainer"]

    return make


@pytest.mark.integration
def test_the_example_trains(make_trainer: Callable[..., Any]) -> None:
    trainer = make_trainer()
    trainer.train()
    steps = [entry for entry in trainer.state.log_history if "reward" in entry]
    assert len(steps) == 2
    for step in steps:  # random weights know no sums
        assert step["rewards/correct/mean"] == step["reward"] == step["unscored"] == 0.0


PICKY = """
from justtinker_core import Verdict, hookimpl, plugin

@plugin
class Picky:
    "Grades nothing that has a question mark."

    @hookimpl
    def verify(self, problem, rollouts):
        right = ["correct" if f"boxed{{{problem.answer}}}" in r.text else "incorrect" for r in rollouts]
        return [Verdict("unscored" if "?" in r.text else found) for r, found in zip(rollouts, right)]
"""
MIXED = {
    "plugins": {"enable": ["picky", "correct", "format", "length"], "length": {"weight": 0.3}},
    "local_plugins": {"picky": "picky.py:Picky"},
}
SUM = {
    "reward_functions, reward_weights": "reward_function",
    'reward_functions("rewards.toml")': 'reward_function("rewards.toml")',
    'reward_weights=reward_weights("rewards.toml"),': "",
}
THOUGHT = "<think>so I add them both</think>"


def chosen(a: int, b: int) -> list[str]:
    """The responses of a group: right, wrong, not to be graded, right without thinking."""
    return [rf"{THOUGHT}\boxed{{{a + b}}}", rf"{THOUGHT}\boxed{{1}}", "what?", rf"\boxed{{{a + b}}}"]


@pytest.mark.integration
@pytest.mark.parametrize("changes", [{}, SUM], ids=["functions", "sum"])
def test_trl_computes_with_what_a_scorer_gives(make_trainer: Callable[..., Any], changes: dict[str, str]) -> None:
    Path("rewards.toml").write_text(tomli_w.dumps(MIXED))
    Path("picky.py").write_text(PICKY)
    trainer = make_trainer(changes)
    tokenizer = trainer.processing_class
    sums: list[tuple[int, int]] = []

    def generate(prompt_ids: list[list[int]], *_: Any, **__: Any) -> tuple[list[list[int]], None]:
        found = [re.search(r"(\d+)\+(\d+)\?", tokenizer.decode(ids)) for ids in prompt_ids]
        sums[:] = [(int(match[1]), int(match[2])) for match in found if match]
        texts = [chosen(a, b)[place % 4] for place, (a, b) in enumerate(sums)]
        return [[*tokenizer(text)["input_ids"], tokenizer.eos_token_id] for text in texts], None

    trainer._generate_single_turn = generate
    trainer.train()
    logs, rows = trainer._logs, range(0, len(sums), 4)
    with Scorer("rewards.toml") as scorer:
        for start in rows:
            a, b = sums[start]
            texts = chosen(a, b)
            counts = [len(tokenizer(text)["input_ids"]) + 1 for text in texts]
            group = scorer.score(question=f"What is {a}+{b}?", answer=str(a + b), responses=texts, tokens=counts)
            totals = np.array([reward.total for i, reward in enumerate(group.rewards) if i != 2])
            expected = np.insert((totals - totals.mean()) / (totals.std(ddof=1) + 1e-4), 2, 0.0)
            assert np.allclose(list(logs["advantages"])[start : start + 4], expected, atol=1e-4)
            for name, values in logs["rewards" if not changes else "extra"].items():
                if name != "verdict":
                    raw = [reward.terms[name] for reward in group.rewards] if name in scorer.plugins.terms else None
                    got = [None if v is None or v != v else v for v in list(values)[start : start + 4]]
                    assert got == pytest.approx(raw)
    assert list(logs["extra"]["verdict"])[:4] == ["correct", "incorrect", "unscored", "correct"]
    last = next(entry for entry in reversed(trainer.state.log_history) if "reward" in entry)
    assert last["unscored"] == 0.25
    assert last["rewards/correct/mean"] == pytest.approx(2 / 3)
    assert last["rewards/format/mean"] == -0.5


@pytest.mark.integration
@pytest.mark.parametrize(
    ("trainer", "settings", "plugin"),
    [
        ("GRPO", {"scale_rewards": "group"}, GroupMean(divide_by_std=True, std="sample")),
        ("GRPO", {"scale_rewards": "none"}, GroupMean()),
        ("GRPO", {"multi_objective_aggregation": "normalize_then_sum"}, Gdpo()),
        ("RLOO", {}, LeaveOneOut()),
    ],
    ids=["grpo", "dr_grpo", "gdpo", "rloo"],
)
def test_our_advantages_are_those_of_trl(
    trainer: str, settings: Mapping[str, Any], plugin: Any, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real step of TRL's trainer, on random rewards, some of which are None."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    trl_module, datasets = importlib.import_module("trl"), importlib.import_module("datasets")
    rng, weights = np.random.default_rng(0), [1.0, 0.3]
    raw: dict[str, list[float | None]] = {"first": [], "second": []}

    def reward(name: str, missing: float) -> Callable[..., list[float | None]]:
        def give(completions: list[Any], **_: Any) -> list[float | None]:
            values = [None if rng.random() < missing else float(rng.uniform(-1, 1)) for _ in completions]
            raw[name] += values
            return values

        give.__name__ = name
        return give

    config = getattr(trl_module, f"{trainer}Config")(
        str(tmp_path), reward_weights=weights, num_generations=4, per_device_train_batch_size=16, max_steps=1,
        max_completion_length=4, beta=0.0, report_to=[], use_cpu=True, **settings,
    )  # fmt: skip
    made = getattr(trl_module, f"{trainer}Trainer")(
        model=str(model), args=config, reward_funcs=[reward("first", 0.0), reward("second", 0.3)],
        train_dataset=datasets.Dataset.from_list([{"prompt": f"{n}+1"} for n in range(8)]),
    )  # fmt: skip
    made.train()
    by_name = dict(zip(raw, weights, strict=True))
    rewards = [Reward(dict(zip(raw, row, strict=True)), by_name) for row in zip(*raw.values(), strict=True)]
    groups = [replace(make_group(["x"] * 4), rewards=tuple(rewards[i : i + 4])) for i in range(0, 16, 4)]
    ours = np.array([a for group in groups for a in plugin.advantages(group)])
    if isinstance(plugin, Gdpo):  # then TRL normalises over the batch
        ours = (ours - ours.mean()) / (ours.std(ddof=1) + 1e-4)
    assert len(ours) == 16
    assert np.ptp(ours) > 1
    assert list(made._logs["advantages"]) == pytest.approx(ours, rel=1e-3, abs=1e-4)


@pytest.mark.integration
def test_asynchronous_grpo_asks_all_functions_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its own code scores a group; the whole trainer needs a GPU."""
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    worker: Any = importlib.import_module("trl.experimental.async_grpo.async_rollout_worker")
    functions = pickle.loads(pickle.dumps(reward_functions(STACK, weighted=True)))
    asked = batch((QUESTION, "2", [RIGHT, BARE, WRONG]))
    group = worker.RolloutGroup(
        prompts=asked["prompts"],
        reward_kwargs={"answer": asked["answer"]},
        completions=asked["completions"],
        completions_ids=asked["completion_ids"],
        completions_sequences=[[SimpleNamespace(input_ids=[1], completion_mask=[1], old_log_probs=[0.0])]] * 3,
        tool_call_counts=[0] * 3,
        tool_failure_counts=[0] * 3,
        model_version=0,
        group_id=0,
        env_rewards=[],
        rollout_rewards=[],
    )
    names = [worker.get_callable_name(function) for function in functions]
    loop = SimpleNamespace(
        reward_funcs=functions, reward_func_names=names, _env_reward_types=[], _provides_rollout_reward=False
    )
    samples = asyncio.run(worker._AsyncRolloutLoop._score_group(loop, group))
    totals = reward_function(STACK)(**asked)
    assert [sample.metrics["reward"] for sample in samples] == pytest.approx(totals)
    assert names == ["correct", "format", "length"]


def trl_plugin(name: str, **options: Any) -> TrlReward:
    return configure(TrlReward, "plugins.trl_reward", {"function": f"trl.rewards:{name}", **options})


@pytest.mark.integration
@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("accuracy_reward", {}, [1.0, 0.0]),
        ("think_format_reward", {}, [1.0, 1.0]),
        ("get_soft_overlong_punishment", {"max_completion_len": 50, "soft_punish_cache": 50}, [-0.8, -0.9]),
    ],
)
def test_functions_of_trl_are_rewards(name: str, options: dict[str, Any], expected: list[float]) -> None:
    plugin = trl_plugin(name, arguments=options or None, limit=1.0)
    group = make_group([RIGHT, WRONG], problem=make_problem(QUESTION, "2"), tokens=[40, 45])
    assert plugin.score(group)["trl_reward"] == pytest.approx(expected)
    unread = make_group([RIGHT], problem=make_problem(QUESTION, ""), tokens=[40])
    assert name != "accuracy_reward" or plugin.score(unread)["trl_reward"] == [None]
    plugin.finish_run()


@pytest.mark.integration
def test_a_function_of_trl_passes_the_battery() -> None:
    """`accuracy_reward` passes it too, but its bombs take half a minute."""
    check_reward(trl_plugin("think_format_reward"))


@pytest.mark.integration
def test_bombs_do_not_hang_a_run(caplog: pytest.LogCaptureFixture) -> None:
    plugin = trl_plugin("accuracy_reward", limit=0.5)
    texts = [RIGHT, r"\boxed{9^{9^{9^{9}}}}", WRONG]
    assert plugin.score(make_group(texts, problem=make_problem(QUESTION, "2")))["trl_reward"] == [1.0, None, 0.0]
    plugin.finish_run()
    assert "cpu_limit" in caplog.text


RUN = """
[run]
name = "mine"
model = "tiny"
steps = 1
[sampling]
max_tokens = 48
[data.train]
use = "arithmetic"
"""


@pytest.mark.integration
def test_the_config_of_the_page_passes_check_and_audit(tmp_path: Path) -> None:
    (page,) = [file for file in write_examples("TRL", tmp_path) if file.name == "run.toml"]
    text = page.read_text().replace('"trl_reward"]', '"trl_reward", "local", "chatml_think", "grpo", "group_mean"]')
    page.write_text(RUN + text)
    for command in (("check", page), ("audit", page, "--problems", "2", "--no-built-in")):
        done = cli(*command)
        assert done.exit_code == 0, done.output
