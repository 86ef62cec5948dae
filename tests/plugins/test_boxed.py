from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.rewards.boxed import Boxed
from tests.plugins.reward_groups import scored
from tests.plugins.test_text import NOTHING


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("\\boxed{2}", 1.0),
        ("<think>a</think>so \\boxed{\\frac{1}{2}}.", 1.0),
        ("<think>\\boxed{2}</think>so 2", 0.0),
        ("<think>\\boxed{2}", 0.0),
        ("\\boxed{}", 0.0),
        ("\\boxed{ \n}", 0.0),
        *[(f"\\boxed{{{blank}}}", 0.0) for blank in NOTHING],
        *[(f"\\boxed{{{sign}}}", 1.0) for sign in ("\u221e", "\u2205", "\\{\\}", "\\text{no}", "\\,5", "<")],
        ("\\boxed{.}", 0.0),
        ("\\boxed{\\boxed{}}", 0.0),
        ("\\boxed{5}, no: \\boxed{\\,}", 0.0),
        ("\\boxed{1} or \\boxed{2", 0.0),
        ("\\boxed 2", 0.0),
        ("", 0.0),
    ],
)
def test_a_box_after_the_thinking(text: str, raw: float) -> None:
    assert scored(Boxed(), [text]) == [raw]


def test_every_rollout_unless_told() -> None:
    outcomes = ["correct", "incorrect", "unscored"]
    assert scored(Boxed(), ["\\boxed{2}"] * 3, outcomes) == [1.0, 1.0, 1.0]
    assert scored(Boxed(only_correct=True), ["\\boxed{2}"] * 3, outcomes) == [1.0, None, None]


@given(st.lists(st.text(alphabet="\\boxed{}<think>/ 1\ud800\x00")))
def test_any_text(texts: list[str]) -> None:
    assert all(raw in (0.0, 1.0) for raw in scored(Boxed(), texts))
