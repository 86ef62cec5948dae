from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError
from justtinker_core.options import configure
from justtinker_plugins.rewards.repetition import Repetition
from tests.plugins.reward_groups import scored

words = st.lists(st.sampled_from(["a", "A", "b", "\u00e9", "\u00c9", "\ud800", "\x00", "\u3000"]), max_size=40)


def plain(text: str, n: int) -> float:
    """Open R1's function, as it stands there."""
    split = text.lower().split()
    grams = list(zip(*(split[i:] for i in range(n)), strict=False))
    return (1 - len(set(grams)) / len(grams)) * -1.0 if grams else 0.0


def test_repeated_trigrams() -> None:
    assert scored(Repetition(), ["a b c a B C", "a b c d", "a b", "", "a a a a"]) == [-0.25, 0.0, 0.0, 0.0, -0.5]


@given(st.lists(words.map(" ".join), max_size=5), st.integers(1, 6))
def test_as_in_open_r1(texts: list[str], n: int) -> None:
    assert scored(Repetition(n=n), texts) == [plain(text, n) for text in texts]


def test_every_rollout_unless_told() -> None:
    outcomes = ["correct", "incorrect", "unscored"]
    assert scored(Repetition(n=1), ["a a"] * 3, outcomes) == [-0.5, -0.5, -0.5]
    assert scored(Repetition(n=1, only_correct=True), ["a a"] * 3, outcomes) == [-0.5, None, None]


def test_n_has_a_limit() -> None:
    with pytest.raises(PluginError, match=re.escape("[plugins.repetition] n = 65: input should be less than or equal")):
        configure(Repetition, "plugins.repetition", {"n": 65})
