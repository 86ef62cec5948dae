"""Our rewards in verl: alone and in groups. What needs verl itself is marked integration."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import re
import shlex
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from justtinker_core import PluginError, Scorer
from justtinker_core.testing import check_reward, check_verifier, make_group
from justtinker_plugins.bridges import verl as bridge
from justtinker_plugins.bridges._verl import groups, scoring
from justtinker_plugins.bridges._verl.scoring import Options, Sample
from justtinker_plugins.commands._audit import bombs
from justtinker_plugins.rewards import correct
from justtinker_plugins.rewards.verl_reward import VerlReward
from justtinker_plugins.verifiers.verl_verifier import VerlVerifier
from tests.bridges.groups import GROUPED as REAL
from tests.bridges.groups import Case, assert_conforms, needs_data, real_groups, said_by_verl, with_responses
from tests.bridges.pages import PAGE, write_examples

ALONE = {"plugins": {"enable": ["math_verify", "correct", "format", "redundancy"]}}
GROUPED = {"plugins": {"enable": ["math_verify", "correct", "format", "length"]}}
RIGHT, BARE, WRONG = r"<think>one and one</think>\boxed{2}", r"\boxed{2}", r"<think>hm, one</think>\boxed{3}"
INFO = {"question": "1+1=?"}
CARELESS = '''
from justtinker_core import Verdict, hookimpl, plugin

@plugin
class Careless:
    """Loses a worker now and then."""

    @hookimpl
    def verify(self, problem, rollouts):
        outcomes = {"2": "correct", "3": "incorrect"}
        return [Verdict(outcomes.get(rollout.text, "unscored"), rung="worker") for rollout in rollouts]
'''
BOMBS = [f"\\boxed{{{text}}}" for text in bombs.ANSWERS if text.isprintable()]
"""Those that a tokenizer gives back as they were."""


def alone(text: str, truth: Any = "2", config: Any = ALONE, **options: Any) -> dict[str, float | None]:
    return bridge.compute_score("sums", text, truth, INFO, config=config, **options)


def expected(
    texts: Sequence[str], truth: str | None = "2", config: Any = ALONE, **more: Any
) -> list[dict[str, float | None]]:
    """What the scorer says, for responses that can be graded."""
    with Scorer(config) as scorer:
        group = scorer.score(question="1+1=?", answer=truth, responses=texts, **more)
    return [
        {"score": reward.total, "acc": float(verdict.outcome == "correct"), "unscored": 0.0, **reward.terms}
        for verdict, reward in zip(group.verdicts, group.rewards, strict=True)
    ]


@pytest.fixture(autouse=True)
def unwarned() -> None:
    scoring._warned.clear()


# -- one response at a time


def test_a_response_gets_what_the_scorer_gives() -> None:
    assert [alone(text) for text in (RIGHT, BARE, WRONG)] == expected([RIGHT, BARE, WRONG])
    assert alone(WRONG) == {
        "score": 0.0,
        "acc": 0.0,
        "unscored": 0.0,
        "correct": 0.0,
        "format": None,
        "redundancy": None,
    }
    assert alone(RIGHT, 2) == alone(RIGHT)


def test_an_unscored_response_is_flagged_and_the_log_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    nothing = {"acc": None, "unscored": 1.0, "correct": None, "format": None, "redundancy": None}
    with caplog.at_level(logging.WARNING):
        assert [alone(text, None) for text in (RIGHT, BARE)] == [{"score": 0.0, **nothing}] * 2
    assert [record.getMessage() for record in caplog.records] == [
        "a response could not be graded (gold: the problem has no gold). verl needs a number: its score is 0, and "
        "`unscored` is 1. Said once a process."
    ]
    assert alone(RIGHT, None, unscored=-0.25) == {"score": -0.25, **nothing}
    with pytest.raises(PluginError, match=r"could not be graded \(gold: the problem has no gold\)$"):
        alone(RIGHT, None, unscored="raise")


def test_threads_agree() -> None:
    texts = [f"<think>I count</think>\\boxed{{{n}}}" for n in range(40)]
    with ThreadPoolExecutor(8) as threads:
        assert [found["score"] for found in threads.map(alone, texts)] == [float(n == 2) for n in range(40)]


def test_its_file_alone_is_enough() -> None:
    """verl runs a file as a module that has no package and is not in sys.modules."""
    spec = importlib.util.spec_from_file_location("custom_module_1", bridge.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.compute_score("sums", RIGHT, "2", INFO, config=ALONE) == alone(RIGHT)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"config": GROUPED}, "verl's compute_score sees one response at a time, but 'length' compares the responses"),
        (
            {"config": ALONE, "sets": ["plugins.format.weight={from=0.0, to=0.3, steps=10}"]},
            r"knows no step, but the rewards depend on it \(the weight schedule of format\)",
        ),
        ({"confg": "rewards.toml"}, "reward_kwargs: there is no option 'confg'; did you mean 'config'"),
        ({"unscored": "zero"}, "reward_kwargs.unscored: expected a number or 'raise', got 'zero'"),
        ({"unscored": float("nan")}, "expected a number or 'raise', got nan"),
        (
            {"question": "questoin"},
            "extra_info: there is no column 'questoin'; did you mean 'question'.*judge without one with question=''",
        ),
        ({"ground_truth": ["2", "two"]}, r"ground_truth: expected a text or a number, got \['2', 'two'\]"),
        (
            {"config": {**ALONE, "plugins": {"enable": ["math_verify", "acc"]},
                        "local_plugins": {"acc": f"{correct.__file__}:Correct"}}},
            "the name of the reward 'acc' means something else to verl",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(given: dict[str, Any], words: str) -> None:
    sample = {"data_source": "sums", "solution_str": RIGHT, "ground_truth": "2", "extra_info": INFO}
    with pytest.raises(PluginError, match=words):
        bridge.compute_score(**{**sample, **given})


def test_without_a_question_and_with_a_reward_model() -> None:
    found = bridge.compute_score(
        "sums", RIGHT, "2", config=ALONE, question="", reward_router_address="", reward_model_tokenizer=None
    )
    assert found["acc"] == 1.0


# -- groups


def sample(text: str, answer: str | None = "2", tokens: int = 5, step: int | None = None) -> Sample:
    return Sample(text, answer, INFO, "sums", tokens, False, step)


def together(*calls: tuple[str, int, Sample], **options: Any) -> list[dict[str, float | None] | BaseException]:
    async def run() -> list[Any]:
        found = groups.Groups(Options(**{"config": GROUPED, **options}))
        return await asyncio.gather(*(found.score(*call) for call in calls), return_exceptions=True)

    return asyncio.run(run())


def test_responses_of_a_group_are_scored_together_however_they_come() -> None:
    texts, sizes = [RIGHT, WRONG, BARE], [9, 3, 7]
    calls = [(uid, 3, sample(text, tokens=size)) for text, size in zip(texts, sizes, strict=True) for uid in "ab"]
    found = together(*calls)
    assert found[::2] == found[1::2] == expected(texts, config=GROUPED, tokens=sizes)


def test_an_unscored_response_gets_the_mean_of_its_group(tmp_path: Path) -> None:
    (tmp_path / "careless.py").write_text(CARELESS)
    config = {
        "plugins": {"enable": ["careless", "correct"]},
        "local_plugins": {"careless": f"{tmp_path}/careless.py:Careless"},
    }
    texts = ["2", "lost", "3", "2"]
    found = together(*(("a", 4, sample(text)) for text in texts), config=config)
    assert [[numbers[key] for key in ("score", "acc", "unscored", "correct")] for numbers in found] == [  # type: ignore[index,call-overload]
        [1.0, 1.0, 0.0, 1.0],
        [2 / 3, None, 1.0, None],
        [0.0, 0.0, 0.0, 0.0],
        [1.0, 1.0, 0.0, 1.0],
    ]
    found = together(*(("a", 4, sample(text)) for text in texts), config=config, unscored="raise")
    assert [isinstance(numbers, PluginError) for numbers in found] == [False, True, False, False]


def test_a_latecomer_is_scored_with_its_group() -> None:
    async def run() -> list[Any]:
        found = groups.Groups(Options(config=GROUPED))
        first = await asyncio.gather(*(found.score("a", 2, sample(RIGHT, tokens=size)) for size in (2, 4)))
        return [*first, await found.score("a", 2, sample(RIGHT, tokens=6))]

    assert [numbers["length"] for numbers in asyncio.run(run())] == [0.5, -0.5, -0.5]


def test_a_group_that_stays_incomplete_is_scored_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    assert together(("a", 3, sample(RIGHT)), ("a", 3, sample(WRONG)), wait=0.01) == expected(
        [RIGHT, WRONG], config=GROUPED, tokens=[5, 5]
    )
    assert "2 of 3 responses of a group came, and none for 0.01 s" in caplog.text


def test_every_response_of_a_group_that_cannot_be_scored_fails() -> None:
    found = together(("a", 2, sample(RIGHT)), ("a", 2, sample(WRONG)), config={"plugins": {"enable": ["correct"]}})
    assert [str(error) for error in found] == [str(found[0])] * 2
    assert str(found[0]).startswith("no active plugin implements verify, which scoring needs")
    (raised,) = together(("a", 1, sample(RIGHT, None)), unscored="raise")
    assert isinstance(raised, PluginError)


def test_a_weight_schedule_follows_verls_step() -> None:
    ramp = {"sets": ["plugins.format.weight={from=0.0, to=1.0, steps=10}"]}
    (found,) = together(("a", 1, sample(BARE, step=5)), **ramp)
    assert found["score"] == 0.5  # type: ignore[index,call-overload]


class Table(SimpleNamespace):
    def get(self, name: str, default: Any = None) -> Any:
        return getattr(self, name, default)


def verl_config(n: int = 8, val_n: int = 8, batch: int = 64, workers: int = 8, **trainer: Any) -> Any:
    rollout = Table(n=n, val_kwargs=Table(n=val_n), response_length=32)
    return Table(
        actor_rollout_ref=Table(rollout=rollout),
        trainer=Table(**{"test_freq": -1, **trainer}),
        data=Table(train_batch_size=batch),
        reward=Table(num_workers=workers),
    )


def test_verls_config_must_let_groups_be_found() -> None:
    assert groups.group_size(verl_config()) == 8
    assert groups.group_size(verl_config(val_n=1, val_before_train=False)) == 8
    with pytest.raises(PluginError, match=r"val_kwargs\.n: expected 8, as rollout\.n, got 1: verl does not tell"):
        groups.group_size(verl_config(val_n=1))
    with pytest.raises(PluginError, match=r"num_workers: expected at least 11, got 8: up to 8192 responses of a batch"):
        groups.group_size(verl_config(batch=1024))


@pytest.mark.skipif(importlib.util.find_spec("verl") is not None, reason="verl is installed")
def test_the_manager_says_what_it_needs() -> None:
    with pytest.raises(PluginError, match="GroupRewardManager needs a package: pip install 'verl'"):
        bridge.GroupRewardManager  # noqa: B018
    with pytest.raises(AttributeError):
        bridge.no_such_name  # noqa: B018


# -- with verl itself


def command_lines() -> list[list[str]]:
    """The overrides of the page's command lines."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## verl\n")[2].partition("\n## ")[0]
    blocks = [
        shlex.split(block.replace("\\\n", " "))
        for block in re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    ]
    assert all(words[:3] == ["python", "-m", "verl.trainer.main_ppo"] for words in blocks)
    return [words[3:] for words in blocks]


def composed(overrides: Sequence[str], rewards: Path, model: str = "") -> Any:
    """verl's own config with overrides, as its command line reads it."""
    from hydra import compose, initialize_config_dir

    verl = importlib.util.find_spec("verl")
    assert verl is not None
    assert verl.submodule_search_locations is not None
    with initialize_config_dir(f"{verl.submodule_search_locations[0]}/trainer/config", version_base=None):
        given = [word.replace("$PWD/rewards.toml", str(rewards)) for word in overrides]
        return compose("ppo_trainer", [*given, f"actor_rollout_ref.model.path={model}"])


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A byte-level tokenizer in a directory, as verl wants it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({"<end>": 0, **{letter: n for n, letter in enumerate(letters, 1)}}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    found = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<end>", pad_token="<end>")
    folder = tmp_path_factory.mktemp("tokenizer")
    found.save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


@pytest.fixture
def rewards(tmp_path: Path) -> Path:
    write_examples("verl", tmp_path)
    return tmp_path / "rewards.toml"


def batch_of(tokenizer: Any, rows: Sequence[tuple[str, str, str | None]]) -> Any:
    """verl's batch of (uid, response, ground truth), with the columns that its agent loop hands to a reward worker."""
    import numpy as np
    import torch
    from verl import DataProto

    ids = [[*tokenizer.encode(text), tokenizer.eos_token_id] for _, text, _ in rows]
    longest = max(map(len, ids))
    prompts = torch.ones(len(ids), 2, dtype=torch.long)
    responses = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
    mask = torch.tensor([[1] * (2 + len(row)) + [0] * (longest - len(row)) for row in ids])
    columns: dict[str, list[Any]] = {
        "uid": [uid for uid, _, _ in rows],
        "data_source": ["sums"] * len(rows),
        "reward_model": [{"style": "rule", "ground_truth": truth} for _, _, truth in rows],
        "extra_info": [dict(INFO) for _ in rows],
        "global_steps": [1] * len(rows),
    }
    arrays = {}
    for name, values in columns.items():
        arrays[name] = np.empty(len(values), dtype=object)
        arrays[name][:] = values
    return DataProto.from_dict({"prompts": prompts, "responses": responses, "attention_mask": mask}, arrays)


def infos(found: Sequence[Mapping[str, Any]]) -> list[Any]:
    assert all(answer["reward_score"] == answer["reward_extra_info"]["score"] for answer in found)
    return [answer["reward_extra_info"] for answer in found]


@pytest.mark.integration
@pytest.mark.parametrize("form", ["pkg", "file"])
def test_verls_manager_loads_and_asks_it(form: str, tokenizer: Any, rewards: Path) -> None:
    from verl.trainer.ppo.metric_utils import process_validation_metrics
    from verl.trainer.ppo.reward import load_reward_manager

    config = composed(command_lines()[0], rewards)
    if form == "file":
        config.reward.custom_reward_function.path = bridge.__file__
    texts = [RIGHT, BARE, WRONG, *BOMBS]
    batch = batch_of(tokenizer, [("a", text, "2") for text in texts] + [("b", RIGHT, None)])

    async def run() -> Any:
        manager = load_reward_manager(config, tokenizer)
        return await asyncio.gather(*(manager.run_single(batch[i : i + 1]) for i in range(len(batch))))

    *found, lost = infos(asyncio.run(run()))
    assert found == expected(texts)
    assert (lost["score"], lost["acc"], lost["unscored"]) == (0.0, None, 1.0)
    assert all(list(numbers) == list(lost) for numbers in found)
    keep = [found[0], found[1], lost]
    metrics = process_validation_metrics(
        ["sums"] * 3, ["a", "a", "b"], {key: [numbers[key] for numbers in keep] for key in lost}
    )["sums"]
    assert metrics["acc"] == {"mean@2": 1.0, "std@2": 0.0, **{k: v for k, v in metrics["acc"].items() if "/" in k}}
    assert metrics["format"]["mean@2"] == 0.5 * sum(numbers["format"] for numbers in found[:2])
    assert metrics["unscored"]["mean@1"] == 1.0


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A small Ray; the processes that it leaves behind, and theirs, are looked for at the end."""
    mark = uuid.uuid4().hex
    for name, value in {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "BRIDGE_TEST": mark}.items():
        monkeypatch.setenv(name, value)
    import ray

    ray.init(num_cpus=4, include_dashboard=False)
    yield ray
    ray.shutdown()
    deadline = time.monotonic() + 60
    while (left := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not left


def marked(mark: str) -> list[str]:
    """The command lines of other processes with a mark in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) != os.getpid() and mark.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it is gone, or not ours
            continue
    return found


@pytest.mark.integration
def test_groups_in_verls_reward_loop(ray: Any, tokenizer: Any, rewards: Path) -> None:
    """verl's own workers, drawn by lot for each response, as its agent loop draws them."""
    import random

    from verl.experimental.reward_loop import RewardLoopManager

    lines = [*command_lines()[1], "actor_rollout_ref.rollout.n=4", "actor_rollout_ref.rollout.val_kwargs.n=4"]
    config = composed([*lines, "reward.num_workers=2"], rewards, tokenizer.name_or_path)
    rewards.write_text('[plugins]\nenable = ["math_verify", "correct", "format", "length"]\n')
    groups = {
        "a": ([RIGHT, BARE, WRONG, "no box"], "2"),
        "b": ([RIGHT, WRONG, *BOMBS[:2]], "3"),
        "c": (BOMBS[:4], None),
    }
    rows = [(uid, text, truth) for uid, (texts, truth) in groups.items() for text in texts]
    batch = batch_of(tokenizer, rows)
    workers = RewardLoopManager(config).reward_loop_worker_handles
    order = random.Random(1).sample(range(len(rows)), len(rows))
    asked = {i: random.Random(i).choice(workers).compute_score.remote(batch[i : i + 1]) for i in order}
    found = infos([ray.get(asked[i]) for i in range(len(rows))])
    for start, (uid, (texts, truth)) in enumerate(groups.items()):
        got = found[4 * start : 4 * start + 4]
        sizes = [len(tokenizer.encode(text)) + 1 for text in texts]
        if uid == "c":
            assert [(numbers["score"], numbers["acc"], numbers["unscored"]) for numbers in got] == [
                (0.0, None, 1.0)
            ] * 4
        else:
            assert got == expected(texts, truth, GROUPED, tokens=sizes)


@needs_data
@pytest.mark.integration
def test_real_groups_in_verls_reward_loop(ray: Any, tokenizer: Any, rewards: Path) -> None:
    """All groups of one size, as verl has them; a byte-level tokenizer spells whatever can be encoded."""
    import tomli_w
    from verl.experimental.reward_loop import RewardLoopManager

    def cut_to_four(case: Case) -> Case:
        case = with_responses(case, lambda text: "\ud800" not in text)
        sizes = tuple(len(tokenizer.encode(text)) + 1 for text in case.responses[:4])
        return replace(case, **INFO, responses=case.responses[:4], tokens=sizes, truncated=(False,) * len(sizes))

    cases = [case for case in map(cut_to_four, real_groups(200)) if len(case.responses) == 4][:100]
    lines = [*command_lines()[1], "actor_rollout_ref.rollout.n=4", "actor_rollout_ref.rollout.val_kwargs.n=4"]
    config = composed([*lines, "reward.num_workers=2"], rewards, tokenizer.name_or_path)
    rewards.write_text(tomli_w.dumps(REAL))
    rows = [(str(number), text, case.answer) for number, case in enumerate(cases) for text in case.responses]
    batch = batch_of(tokenizer, rows)
    workers = RewardLoopManager(config).reward_loop_worker_handles
    asked = [workers[i % 2].compute_score.remote(batch[i : i + 1]) for i in range(len(rows))]
    found = [said_by_verl(numbers) for numbers in infos(ray.get(asked))]
    assert_conforms(cases, [found[i : i + 4] for i in range(0, len(found), 4)], grouped=True)


@pytest.mark.integration
def test_the_group_mean_has_no_advantage(tmp_path: Path) -> None:
    import numpy as np
    import torch
    from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage

    (tmp_path / "careless.py").write_text(CARELESS)
    config = {
        "plugins": {"enable": ["careless", "correct"]},
        "local_plugins": {"careless": f"{tmp_path}/careless.py:Careless"},
    }
    found = together(*(("a", 4, sample(text)) for text in ["2", "lost", "3", "3"]), config=config)
    scores = torch.tensor([[numbers["score"]] for numbers in found])  # type: ignore[index,call-overload]
    advantages, _ = compute_grpo_outcome_advantage(scores, torch.ones(4, 1), np.array(["a"] * 4))
    assert advantages[:, 0].tolist()[1] == pytest.approx(0.0, abs=1e-6)
    assert advantages[0, 0] > 0.5


@pytest.mark.integration
def test_verls_own_functions_judge_our_responses(rewards: Path) -> None:
    with Scorer(rewards.parent / "with_verl.toml") as scorer:
        group = scorer.score(question="2+2", answer="4", responses=["so #### 4", "so #### 5", "four"])
    assert [(verdict.outcome, reward.terms) for verdict, reward in zip(group.verdicts, group.rewards, strict=True)] == [
        ("correct", {"correct": 1.0, "verl_reward": 1.0}),
        ("incorrect", {"correct": 0.0, "verl_reward": 0.0}),
        ("incorrect", {"correct": 0.0, "verl_reward": 0.0}),
    ]
    unknown = VerlVerifier(function="verl.utils.reward_score:default_compute_score", data_source="sums")
    (verdict,) = unknown.verify(make_group(["4"]).problem, make_group(["4"]).rollouts) or []
    assert (verdict.outcome, "NotImplementedError" in verdict.reason) == ("unscored", True)
    unknown.finish_run()
    narrow = VerlVerifier(function="verl.utils.reward_score.math_reward:compute_score", data_source="sums")
    with pytest.raises(PluginError, match="cannot be called as verl does"):
        narrow.verify(make_group(["4"]).problem, make_group(["4"]).rollouts)
    narrow.finish_run()


@pytest.mark.integration
def test_they_pass_the_batteries() -> None:
    options = {"function": "verl.utils.reward_score:default_compute_score", "data_source": "HuggingFaceH4/MATH-500"}
    verifier, reward = VerlVerifier(**options), VerlReward(**options)
    check_verifier(verifier, [("4", "\\boxed{4}", "correct"), ("4", "\\boxed{5}", "incorrect")], patience=300)
    check_reward(reward, patience=300)
    verifier.finish_run()
    reward.finish_run()
