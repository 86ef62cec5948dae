from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from justtinker_core import PluginError, Scorer
from justtinker_core.options import configure
from justtinker_core.testing import make_group, make_problem
from justtinker_core.types import Outcome
from justtinker_plugins.rewards.trl_reward import TrlReward
from tests.core.conftest import cli

REWARDS = Path(__file__).parent / "trl_rewards.py"


@pytest.fixture
def make() -> Iterator[Any]:
    """Make a plugin that asks a function of the file of rewards."""
    made: list[TrlReward] = []

    def configured(name: str, **options: Any) -> TrlReward:
        table = {"function": f"{REWARDS}:{name}", "isolated": False, **options}
        made.append(configure(TrlReward, "plugins.trl_reward", table))
        return made[-1]

    yield configured
    for each in made:
        each.finish_run()


def values(plugin: TrlReward, texts: list[str], outcomes: list[Outcome] | None = None, **changes: Any) -> Any:
    return plugin.score(make_group(texts, outcomes, **changes))["trl_reward"]


@pytest.mark.parametrize("isolated", [True, False])
def test_completions_are_messages_or_texts(make: Any, isolated: bool) -> None:
    assert values(make("short", isolated=isolated), ["brief", "not brief at all"]) == [1.0, 0.0]
    assert values(make("plain", isolated=isolated, completions="text"), ["1+1=?2", "2"]) == [1.0, 0.0]


@pytest.mark.parametrize("isolated", [True, False])
def test_async_functions_and_none(make: Any, isolated: bool) -> None:
    plugin = make("equal", isolated=isolated)
    for target, expected in [("4", [1.0, 0.0]), ("skip", [None, None])]:
        problem = make_problem(meta={"target": target})
        assert values(plugin, ["4", "5"], problem=problem) == expected


def test_columns_are_what_the_problem_holds(make: Any) -> None:
    problem = make_problem(meta={"level": 3, "gold": "4"})
    assert values(make("solved"), ["2"], problem=problem) == [0.3]
    assert values(make("equal", columns={"target": "gold"}), ["4", "2"], problem=problem) == [1.0, 0.0]
    assert values(make("equal", columns={"target": "answer"}), ["4", "2"], problem=problem) == [0.0, 1.0]


def test_what_the_prompt_holds_of_a_response_belongs_to_it(make: Any) -> None:
    assert values(make("short"), ["5"], opened="<think>") == [1.0]
    assert values(make("short"), ["five"], opened="<think>") == [0.0]


def test_the_trainers_arguments_are_there(make: Any) -> None:
    assert values(make("everything"), ["a", "b"], step=4) == [0.3, 0.3]


def test_only_graded_responses_are_asked_about(make: Any) -> None:
    assert values(make("best"), ["ab", "abc", "a"], ["correct", "unscored", "incorrect"]) == [1.0, None, 0.0]
    assert values(make("best"), ["ab"], ["unscored"]) == [None]


def test_numbers_beyond_one_are_scaled_or_cut_or_refused(make: Any) -> None:
    given: Any = {"arguments": {"values": [3, -0.5, None]}}
    assert values(make("give", clip=True, **given), ["a"] * 3) == [1.0, -0.5, None]
    assert values(make("give", scale=0.25, **given), ["a"] * 3) == [0.75, -0.125, None]
    with pytest.raises(PluginError) as error:
        values(make("give", **given), ["a"] * 3)
    assert str(error.value).endswith(
        ":give gave 3, but rewards lie in [-1, 1]: set `scale` so that the largest fits, or `clip = true` to "
        "cut off what is outside"
    )


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("give", {"arguments": {"values": [1.0]}}, "trl_rewards.py:give: expected 2 numbers, one a completion, got 1"),
        ("give", {"arguments": {"values": 1.0}}, "give: expected a list of 2 numbers, one a completion, got 1.0"),
        ("give", {"arguments": {"values": ["x", 1]}}, "trl_rewards.py:give: expected a number or None, got 'x'"),
        ("give", {"arguments": {"value": 1}}, "trl_rewards.py:give cannot be called with {'value': 1} (TypeError: "),
        ("make_penalty", {}, ":make_penalty: it takes no completions: it seems to make the reward function; give its "
         "arguments in `arguments`"),
        ("number", {}, "trl_rewards.py:number: expected a function, got 5"),
        ("shrot", {}, "trl_rewards.py has no 'shrot'; did you mean 'short'?"),
        (
            "equal", {},
            ":equal: it wants the column 'target' (`columns = {target = ...}` gives it another by that name), "
            "which problem 'p' does not have; did you mean 'targets'?",
        ),
        ("equal", {"columns": {"target": "targts"}}, "no 'targts' for 'target'; did you mean 'targets'?"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_function_is_said(make: Any, name: str, options: dict[str, Any], error: str) -> None:
    with pytest.raises(PluginError) as raised:
        values(make(name, **options), ["a", "b"], problem=make_problem(id="p", meta={"targets": "x"}))
    assert error in str(raised.value)
    is_answer = "expected 2 numbers" in error or "expected a list" in error or "expected a number" in error
    assert str(raised.value).startswith("[plugins.trl_reward] ") != is_answer


def test_nan_is_no_reward(make: Any) -> None:
    with pytest.raises(PluginError, match="gave NaN: expected a number, or None where it does not apply"):
        values(make("give", arguments={"values": [float("nan")]}), ["a"])


def test_a_response_that_fails_alone_is_left_out_and_others_are_not(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    plugin = make("fragile", isolated=True, limit=0.2)
    assert values(plugin, ["a", "loop", "b"], problem=make_problem(id="p")) == [0.5, None, 0.5]
    assert values(plugin, ["boom", "a"]) == [None, 0.5]
    (record,) = caplog.records
    assert "trl_rewards.py:fragile gives no number for a response to problem 'p' (cpu_limit: " in record.getMessage()
    assert record.getMessage().endswith("): its 'trl_reward' is None. Said once")
    assert values(make("fragile", isolated=True, limit=0.2, per_group=True), ["a", "loop"]) == [None, None]


@pytest.mark.parametrize("isolated", [True, False])
def test_a_function_that_always_fails_is_an_error(make: Any, isolated: bool) -> None:
    with pytest.raises(
        PluginError, match=r"trl_rewards.py:fragile failed for problem 'p': RuntimeError: boom!"
    ) as error:
        values(make("fragile", isolated=isolated), ["boom", "boom"], problem=make_problem(id="p"))
    assert str(error.value).endswith('; completions are lists of messages: `completions = "text"` passes texts')


def stack(name: str, **options: Any) -> dict[str, Any]:
    table = {"function": f"{REWARDS}:{name}", "isolated": False, **options}
    return {"plugins": {"enable": ["math_verify", "correct", "trl_reward"], "trl_reward": table}}


def test_tokens_that_nobody_knows_are_not_made_up(make: Any) -> None:
    asked: Any = {"question": "1+1", "answer": "2", "responses": [r"\boxed{2}", r"\boxed{3}"]}
    with Scorer(stack("tokens")) as scorer:
        assert [r.terms["trl_reward"] for r in scorer.score(**asked, tokens=[5, 7]).rewards] == [0.05, 0.07]
        with pytest.raises(PluginError, match="it wants completion_ids, but of these responses only the text is known"):
            scorer.score(**asked)
    with Scorer(stack("first_token")) as scorer, pytest.raises(PluginError) as error:
        scorer.score(**asked, tokens=[5, 7])
    assert str(error.value).endswith(
        ":first_token: it looks into completion_ids, but of these responses only the text is known, not the "
        "tokens: it can judge in a run, not outside"
    )
    assert values(make("first_token"), ["a", "b"]) == [0.097, 0.098]


def test_whoever_compares_says_so() -> None:
    for per_group in (False, True):
        with Scorer(stack("best", per_group=per_group)) as scorer:
            assert scorer.per_group == ("trl_reward",) * per_group


def test_preflight_looks_at_each_data_set(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    have, lack = make_problem(meta={"target": "2"}), make_problem(id="p")
    run: Any = SimpleNamespace(train_problems=(have,), eval_problems={"a": (lack,), "b": ()})
    (complaint,) = make("equal", scale=0.5, clip=True).preflight(run)
    assert "it wants the column 'target' (" in complaint
    assert "which problem 'p' does not have" in complaint
    (record,) = caplog.records
    assert record.getMessage().endswith("trl_rewards.py:equal gives is multiplied by 0.5 and cut off at -1 and 1")
    assert record.levelno == logging.WARNING
    assert make("short").preflight(run) == []
    assert "there is no file" in make("short", function="gone.py:short").preflight(run)[0]


CONFIG = """
[run]
name = "mine"
model = "tiny"
steps = 1
[sampling]
max_tokens = 8
[data.train]
use = "arithmetic"
[plugins]
enable = ["local", "chatml_think", "grpo", "math_verify", "correct", "trl_reward", "group_mean"]
[plugins.trl_reward]
function = "mine.py:short"
weight = 0.1
"""


def test_audit_asks_a_file_beside_the_config(tmp_path: Path) -> None:
    shutil.copy(REWARDS, tmp_path / "mine.py")
    (tmp_path / "mine.toml").write_text(CONFIG)
    audited = cli("audit", tmp_path / "mine.toml", "--problems", "2", "--no-built-in")
    assert audited.exit_code == 1  # it pays wrong answers for being short
    assert "trl_reward" in audited.output
