"""The environment `verifiers_env`, as far as it goes without the package; the rest is in tests/bridges."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError, Problem, Scorer
from justtinker_core.options import configure
from justtinker_core.testing import make_problem, make_rollout
from justtinker_core.types import DataSpec
from justtinker_plugins.environments._verifiers_tasks import reply_of
from justtinker_plugins.environments.verifiers_env import VerifiersEnv, is_short
from justtinker_plugins.shared.pool.pool import Result


def load(**options: Any) -> list[Problem]:
    spec = DataSpec("train", "train", "verifiers_env", options)
    return list(configure(VerifiersEnv, spec.table, options).load_problems(spec))


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "verifiers"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "verifiers", None)
    with pytest.raises(PluginError) as error:
        load(taskset="sums.py:Sums")
    assert str(error.value) == "verifiers_env needs a package: pip install 'verifiers'"


@pytest.mark.parametrize("taskset", ["sums.py:Sums", "package.module:Sums", "gsm8k"])
def test_a_file_begins_at_the_configs_folder(tmp_path: Path, taskset: str) -> None:
    table = f'[plugins]\nenable = ["verifiers_env", "correct"]\n[plugins.verifiers_env]\ntaskset = "{taskset}"\n'
    (tmp_path / "rewards.toml").write_text(table)
    with Scorer(tmp_path / "rewards.toml") as scorer:
        found = scorer.plugins.active["verifiers_env"].instance
    assert isinstance(found, VerifiersEnv)
    assert found.taskset == (f"{tmp_path}/{taskset}" if ".py" in taskset else taskset)


def test_a_taskset_is_required() -> None:
    with pytest.raises(PluginError) as error:
        load()
    assert str(error.value) == "[data.train] use = 'verifiers_env' needs taskset = 'package.module:Class'"


def test_options_of_judging_in_a_data_table_are_named() -> None:
    def run_of(**options: Any) -> Any:
        spec = DataSpec("held_out", "eval", "verifiers_env", options)
        others = DataSpec("train", "train", "files", {"threshold": 3.0})
        config = SimpleNamespace(data=(others, spec))
        return SimpleNamespace(config=config, train_problems=(), eval_problems={})

    plugin = VerifiersEnv()
    assert plugin.preflight(run_of(threshold=1.0, taskset="a:B")) == []
    assert plugin.preflight(run_of(threshold=0.5)) == [
        "[data.eval.held_out] threshold = 0.5: responses are judged as [plugins.verifiers_env] says, where it is 1.0; "
        "set it there"
    ]


def test_tasks_that_training_and_evaluation_share_are_counted() -> None:
    def problem(digest: str) -> Problem:
        return make_problem(meta={"verifiers": {"digest": digest}})

    other = make_problem()
    run: Any = SimpleNamespace(
        config=SimpleNamespace(data=()),
        train_problems=(problem("a"), problem("b"), other),
        eval_problems={"held_out": (problem("b"), problem("c")), "others": (other,)},
    )
    assert VerifiersEnv().preflight(run) == [
        "[data.eval.held_out] asks 1 tasks that [data.train] trains on; select other tasks, such as select = "
        "{skip = 100} here and {limit = 100} there"
    ]


@pytest.mark.parametrize(
    "meta", [{}, {"verifiers": None}, {"verifiers": {"taskset": "a:B"}}, {"verifiers": "a:B"}, {"verifiers": []}]
)
def test_problems_of_others_are_passed_on_and_lost_ones_unscored(meta: dict[str, Any]) -> None:
    plugin, rollouts = VerifiersEnv(), [make_rollout("2"), make_rollout("3")]
    assert plugin.verify(make_problem(meta=meta), rollouts) is None
    verdicts = plugin.verify(make_problem(kind="verifiers", meta=meta), rollouts)
    assert verdicts is not None
    assert [(v.outcome, v.reason) for v in verdicts] == [("unscored", "the problem's metadata names no task")] * 2


@pytest.mark.parametrize(
    ("text", "content", "reasoning"),
    [
        ("yes", "yes", ""),
        ("<think>hm</think>yes", "yes", "hm"),
        ("\n<think>\nhm\n</think>\n\nyes", "\n\nyes", "hm"),
        ("<think>hm, yes", "", "hm, yes"),
        ("<think>a</think>b</think>c", "c", "a</think>b"),
        ("", "", ""),
    ],
)
def test_a_reply_is_what_follows_the_thinking(text: str, content: str, reasoning: str) -> None:
    reply = reply_of(make_rollout(text))
    assert (reply.content, reply.reasoning) == (content, reasoning)


def test_a_prompt_may_have_opened_the_thinking() -> None:
    reply = reply_of(make_rollout("hm</think>yes", opened="<think>", truncated=True))
    assert reply == ("yes", "hm", True, len("hm</think>yes"))


@given(st.text(alphabet="ab<>/think ", max_size=30))
def test_thinking_never_reaches_the_content(text: str) -> None:
    assert reply_of(make_rollout(f"<think>{text}")).content in ("", text.rpartition("</think>")[2])


@pytest.mark.parametrize(
    ("rewards", "threshold", "outcome"),
    [
        ({"a": (0.7, 1.0), "b": (0.2, 1.0), "c": (0.1, 1.0)}, 1.0, "correct"),  # 0.9999999999999999, if added in turn
        ({"a": (1.0, 0.5), "b": (1.0, 0.5)}, 1.0, "correct"),
        ({"a": (1.0, 0.5)}, 1.0, "incorrect"),
        ({"a": (1.0, 0.5)}, 0.5, "correct"),
        ({"a": (1.0, 1.0), "b": (-0.5, 1.0)}, 1.0, "incorrect"),
        ({"a": (1.0, 1.0), "b": None}, 1.0, "unscored"),
        ({"a": (float("nan"), 1.0)}, 0.0, "unscored"),
        ({"a": (float("inf"), 1.0)}, 0.0, "unscored"),
        ({}, 0.0, "unscored"),
    ],
)
def test_the_sum_is_compared_with_the_threshold(rewards: Any, threshold: float, outcome: str) -> None:
    assert VerifiersEnv(threshold=threshold)._verdict("yes", Result("ok", rewards)).outcome == outcome


@pytest.mark.parametrize("status", ["error", "cpu_limit", "wall_limit", "memory", "died"])
def test_whatever_ends_a_score_leaves_a_response_unscored(status: Any) -> None:
    verdict = VerifiersEnv()._verdict("yes", Result(status, None, "why"))
    assert (verdict.outcome, verdict.reason.endswith(": why")) == ("unscored", True)


def test_metadata_is_numbers_and_short_texts() -> None:
    assert [is_short(value) for value in (3, 0.5, True, "hard", "x" * 101, float("nan"), None, [1], {})] == [
        True, True, True, True, False, False, False, False, False,
    ]  # fmt: skip
