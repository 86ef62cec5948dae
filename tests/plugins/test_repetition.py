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


HAN = "".join(map(chr, range(0x4E00, 0x4E00 + 60)))


@pytest.mark.parametrize(
    "sentence",
    [
        HAN[:12] + "\u3002",
        "\u6240\u4ee5\u7b54\u6848\u662f12\uff0c",  # Chinese with a number in it
        "\u3067\u3059\u304b\u3089\u7b54\u3048\u306f\u6b63\u3057\u3044",  # Japanese
        "\u0e04\u0e33\u0e15\u0e2d\u0e1a\u0e04\u0e37\u0e2d",  # Thai
        "\U00020000\U00020001\U00020002\U00020003\U00020004",
    ],
)
def test_scripts_without_spaces_count_by_character(sentence: str) -> None:
    once, loop = scored(Repetition(), [sentence, sentence * 40])
    assert once == 0.0
    assert loop is not None
    assert loop < -0.9


@given(st.lists(st.sampled_from(HAN[:9]), max_size=40), st.integers(1, 6))
def test_chinese_is_counted_as_if_it_were_spaced(characters: list[str], n: int) -> None:
    assert scored(Repetition(n=n), ["".join(characters)]) == [plain(" ".join(characters), n)]


def test_chinese_that_says_ever_new_things_is_not_fined() -> None:
    assert scored(Repetition(), [HAN, HAN + HAN]) == [0.0, pytest.approx(-58 / 118)]


def test_scripts_with_spaces_are_counted_by_word() -> None:
    korean = "\uc815\ub2f5\uc740 \uc5f4\ub458 \uc785\ub2c8\ub2e4 "
    texts = [
        korean,
        korean * 2,
        "\u03b1\u03b2\u03b1\u03b2\u03b1\u03b2\u03b1\u03b2",
        "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9",
    ]
    assert scored(Repetition(), texts) == [plain(text, 3) for text in texts] == [0.0, -0.25, 0.0, 0.0]


def test_every_rollout_unless_told() -> None:
    outcomes = ["correct", "incorrect", "unscored"]
    assert scored(Repetition(n=1), ["a a"] * 3, outcomes) == [-0.5, -0.5, -0.5]
    assert scored(Repetition(n=1, only_correct=True), ["a a"] * 3, outcomes) == [-0.5, None, None]


def test_n_has_a_limit() -> None:
    with pytest.raises(PluginError, match=re.escape("[plugins.repetition] n = 65: input should be less than or equal")):
        configure(Repetition, "plugins.repetition", {"n": 65})
