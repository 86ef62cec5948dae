from __future__ import annotations

import re

import pytest

from justtinker_core import Group, Problem, Prompt, Rollout
from justtinker_plugins.metrics.thinking import Thinking


def measure(*rollouts: Rollout) -> dict[str, list[float | None]]:
    group = Group(1, 0, Problem("1", "1+1=?", "2"), Prompt(), tuple(rollouts))
    return {name: list(values) for name, values in Thinking().measure(group).items()}


def respond(text: str, *, told: int = 0, opened: str = "") -> Rollout:
    """A rollout with one token a tag and a character, `told` tokens more that a tool wrote."""
    mask = (True,) * len(re.sub("</?think>", "t", text)) + (False,) * told
    return Rollout((0,) * len(mask), (0.0,) * len(mask), mask, text, opened=opened)


@pytest.mark.parametrize(
    ("text", "thinking", "boxed", "tokens"),
    [
        ("<think>1+1=2</think>\\boxed{2}", 1.0, 1.0, 5.0),
        ("<think></think>\\boxed{2}", 1.0, 1.0, 0.0),
        ("<think>1+1=2 \\boxed{2}", 0.0, 1.0, None),
        ("It is 2.", 0.0, 0.0, None),
        ("Well, <think>1+1=2</think>\\boxed{2}", 0.0, 1.0, None),
        ("<think>1+1=2</think>\\boxed{2", 1.0, 0.0, 5.0),
        ("", 0.0, 0.0, None),
    ],
)
def test_one_response(text: str, thinking: float, boxed: float, tokens: float | None) -> None:
    assert measure(respond(text)) == {
        "thinking_rate": [thinking],
        "boxed_rate": [boxed],
        "thinking_tokens": [pytest.approx(tokens)],
    }


def test_one_number_a_rollout_in_order() -> None:
    measured = measure(respond("2"), respond("<think>ab</think>2"))
    assert measured["thinking_rate"] == [0.0, 1.0]
    assert measured["thinking_tokens"] == [None, pytest.approx(2.0)]


def test_tokens_are_the_share_of_what_the_policy_wrote() -> None:
    words = Rollout((0,) * 12, (0.0,) * 12, (True,) * 12, "<think>" + "a" * 50 + "</think>" + "b" * 50)
    assert measure(words)["thinking_tokens"] == [5.0]
    assert measure(respond("<think>ab</think>2", told=18))["thinking_tokens"] == [pytest.approx(2.0)]


@pytest.mark.parametrize(
    ("opened", "text", "thinking", "tokens"),
    [
        ("<think>\n", "1+1=2</think>\\boxed{2}", 1.0, 6.0),  # the line break of the prompt counts as a character
        ("<think>", "1+1=2</think>\\boxed{2}", 1.0, 5.0),
        ("<think>", "1+1=2 \\boxed{2}", 0.0, None),
        ("<think>", "</think>2", 1.0, 0.0),
        ("<think>\n\n</think>\n\n", "\\boxed{2}", 0.0, None),
        ("</think>", "\\boxed{2}", 0.0, None),
    ],
)
def test_thinking_that_the_prompt_has_opened_or_closed(
    opened: str, text: str, thinking: float, tokens: float | None
) -> None:
    found = measure(respond(text, opened=opened))
    assert found["thinking_rate"] == [thinking]
    assert found["thinking_tokens"] == [pytest.approx(tokens)]
