"""What of `openenv` needs no package: reading actions, observations and the end of an episode.

tests/bridges/test_openenv.py plays real episodes.
"""

from __future__ import annotations

import doctest
import math
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import DataSpec, PluginError, Problem, Prompt, Rollout, Verdict
from justtinker_core.testing import check_verifier, make_group, make_problem, make_rollout
from justtinker_plugins.environments import _openenv, openenv
from justtinker_plugins.environments._openenv import End, LostError, number_of, shown
from justtinker_plugins.environments.openenv import KIND, OpenEnv

PROBLEM = make_problem("Guess.", None, kind=KIND, meta={"seed": 1, "observation": "Guess."})
WON, LOST = "[5]Yes.\n[episode over: reward 1, 2 turns]", "[5]\n[episode lost: the server is gone]"


def test_documented_examples() -> None:
    assert doctest.testmod(_openenv)[:] == (0, 3)
    assert doctest.testmod(openenv)[:] == (0, 1)


@given(st.sampled_from(["over", "stopped"]), st.none() | st.floats(-1e9, 1e9), st.integers(0, 99), st.text())
def test_an_end_is_read_back(how: Any, reward: float | None, turns: int, said: str) -> None:
    found = End.of(f"{said}\n{End(how, reward, turns).line}")
    assert found is not None
    assert (found.how, found.turns) == (how, turns)
    assert found.reward == reward, "a reward just below the threshold stays below it"


@given(st.text())
def test_a_reason_is_read_back(reason: str) -> None:
    found = End.of(f"x\n{End('lost', reason=reason).line}")
    assert found is not None
    assert found.reason == " ".join(reason.split())[:300]


class Full:
    """A policy whose context has no room for another line."""

    def __init__(self, said: str, truncated: bool = False) -> None:
        self.said, self.truncated = said, truncated

    def observe(self, text: str) -> None:
        self.truncated = True

    def rollout(self) -> Rollout:
        return make_rollout(self.said, truncated=self.truncated)


@pytest.mark.parametrize(
    ("end", "outcome"),
    [(End("over", 1.0, 1), "correct"), (End("over", 0.0, 1), "incorrect"), (End("lost", reason="gone"), "unscored")],
)
def test_an_episode_whose_last_line_has_no_room_is_judged_all_the_same(end: End, outcome: str) -> None:
    rollout = openenv._ended(Full("[5]"), end)  # type: ignore[arg-type]
    [verdict] = OpenEnv().verify(PROBLEM, [rollout]) or []
    assert (verdict.outcome, rollout.truncated) == (outcome, False)
    cut = openenv._ended(Full("[5", truncated=True), end)  # type: ignore[arg-type]
    [verdict] = OpenEnv().verify(PROBLEM, [cut]) or []
    assert (verdict.outcome, cut.truncated) == ("incorrect", True)


def test_what_a_policy_writes_is_no_end() -> None:
    forged = "[episode over: reward 1, 1 turns]"
    assert End.of(f"{forged}\n[episode stopped: reward none, 0 turns]") == End("stopped", None, 0)
    assert End.of(f"{forged} and on") is None
    assert End.of("[episode over: reward 1e.-+, 1 turns]") is None
    assert OpenEnv().verify(PROBLEM, [make_rollout(forged, truncated=True)]) == [
        Verdict("incorrect", None, KIND, "the response ran out of tokens before the episode was over")
    ]


@pytest.mark.parametrize(
    ("observation", "key", "expected"),
    [
        ({"hint": "Higher.", "done": False, "metadata": {}}, "", "Higher."),
        ({"hint": "Higher.", "left": 3}, "", '{"hint": "Higher.", "left": 3}'),
        ({"hint": "Higher.", "left": 3}, "hint", "Higher."),
        ({"hint": "Higher.", "left": 3}, "left", "3"),
        ({"board": [1, 2]}, "", '{"board": [1, 2]}'),
        ({}, "", "{}"),
    ],
)
def test_what_the_policy_sees(observation: dict[str, Any], key: str, expected: str) -> None:
    assert shown(observation, key) == expected


def test_an_observation_without_the_key_is_lost() -> None:
    with pytest.raises(LostError, match="the observation has no 'hnt', but hint"):
        shown({"hint": "x", "done": True}, "hnt")


def test_rewards_are_numbers() -> None:
    assert [number_of(reward) for reward in (None, True, 2)] == [None, 1.0, 2.0]
    for wrong in (math.nan, math.inf, "1"):
        with pytest.raises(LostError, match="which is no finite number"):
            number_of(wrong)


@pytest.mark.parametrize(
    ("options", "said", "expected"),
    [
        ({"action": "n", "open": "[", "close": "]"}, "is it [ 4 ]", {"n": "4"}),
        ({"action": "n", "open": "[", "close": "]"}, "[3 or [4]", {"n": "4"}),
        ({"action": "n", "open": "[", "close": "]"}, "4]", "no action was begun"),
        ({"open": "[", "close": "]"}, '[{"n": 4}]', {"n": 4}),
        ({"action": "n"}, "<think>4?</think>5<end>", {"n": "5"}),
        ({"action": "n"}, "<think>4?", "the thinking is never closed"),
        ({}, '<think>{"n": 1}</think>{"n": 2}<end>', {"n": 2}),
        ({}, 'So\n```json\n{"n": 1}\n```\nno:\n```json\n{"n": 2}\n```', {"n": 2}),
        ({}, '<tool_call>\n{"n": 3}\n</tool_call>', {"n": 3}),
        ({}, "4", "expected an action as a JSON object"),
        ({}, "[" * 100_000, "expected an action as a JSON object"),
    ],
)
def test_how_an_action_is_read(options: dict[str, Any], said: str, expected: Any) -> None:
    assert OpenEnv(**options)._read(said, Prompt(stop=("<end>",)), first=True) == expected


def test_thinking_that_the_prompt_opened_is_read_with_the_first_turn() -> None:
    prompt = Prompt(opened="<think>\n")
    assert OpenEnv(action="n")._read("4?</think>5", prompt, first=True) == {"n": "5"}
    assert OpenEnv(action="n")._read("4?", prompt, first=True) == "the thinking is never closed"
    assert OpenEnv(action="n")._read("5", prompt, first=False) == {"n": "5"}


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (End("over", 1.0, 2), Verdict("correct", None, KIND, vote="the reward")),
        (End("stopped", 1.0, 2), Verdict("correct", None, KIND, vote="the reward")),
        (End("over", 0.5, 2), Verdict("incorrect", None, KIND, "the reward is 0.5, not 1")),
        (End("stopped", None, 4), Verdict("incorrect", None, KIND, "no reward in 4 turns")),
        (End("over", None, 4), Verdict("unscored", None, KIND, "the environment gave no reward")),
        (End("lost", reason="it is gone"), Verdict("unscored", None, KIND, "it is gone")),
    ],
)
def test_verdicts(end: End, expected: Verdict) -> None:
    assert OpenEnv().verify(PROBLEM, [make_rollout(f"[5]\n{end.line}", told=9)]) == [expected]


def test_it_is_a_verifier() -> None:
    check_verifier(OpenEnv, [(PROBLEM, WON, "correct"), (PROBLEM, LOST, "unscored")])


def test_measures() -> None:
    group = make_group([WON, LOST, "[5"], problem=PROBLEM)
    assert OpenEnv().measure(group) == {"env_reward": [1.0, None, None], "env_turns": [2.0, None, None]}
    assert OpenEnv().measure(make_group(["x"])) is None


def test_other_problems_are_passed_on() -> None:
    other = Problem("1", "?", "4")
    assert OpenEnv().verify(other, [Rollout((), (), (), WON)]) is None
    assert OpenEnv().rollout(other, Prompt(), None) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"open": "["}, r"open = '\[', close = '': expected two texts, or none"),
        ({"open": "a]", "close": "]"}, r"open = 'a\]', close = '\]': expected two texts, or none"),
        ({"question": "Guess."}, r"question = 'Guess.' never shows the {observation}; write it where it goes"),
    ],
)
def test_wrong_options(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        OpenEnv(**options)


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openenv", None)
    monkeypatch.delitem(sys.modules, "openenv.core", raising=False)
    with pytest.raises(PluginError) as error:
        list(OpenEnv().load_problems(DataSpec("train", "train", KIND, {}), 1))
    assert str(error.value) == "openenv needs a package: pip install 'justtinker[openenv]'"
