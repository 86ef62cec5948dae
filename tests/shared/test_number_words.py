from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.ladder import compare
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.number_words import in_digits


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("fourteen", "14"),
        (r"\text{Fourteen.}", "14"),
        ("sixty-one", "61"),
        ("sixty one", "61"),
        ("four hundred seven", "407"),
        ("four hundred and seven", "407"),
        ("two hundred twelve thousand and sixteen", "212016"),
        ("nine million", "9000000"),
        ("zero", "0"),
        ("minus eleven", "-11"),
        ("negative two thirds", r"-\frac{2}{3}"),
        ("one half", r"\frac{1}{2}"),
        ("a half", r"\frac{1}{2}"),
        ("three-quarters", r"\frac{3}{4}"),
        ("seven halves", r"\frac{7}{2}"),
        ("a dozen", "12"),
        ("a hundred", "100"),
    ],
)
def test_words_that_are_a_number(words: str, digits: str) -> None:
    assert in_digits(words) == digits


@pytest.mark.parametrize(
    "words",
    [
        "six one", "sixty eleven", "one sixty", "hundred", "two hundred hundred", "thousand million", "and six",
        "six and", "six thousand million", "six or seven", "not six", "less than six", "zero six", "minus", "a six",
        "minus minus six", "half", "two third", "one thirds", "sixth", "sixes", "fourteen x", r"\text{six} + 1",
        r"six\text{seven}", "",
    ],
)  # fmt: skip
def test_other_words_stay(words: str) -> None:
    assert in_digits(words) == words


ONES = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "  # noqa: SIM905
    "eighteen nineteen".split()
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905


def in_words(n: int) -> str:
    """A whole number from 1 to 999,999,999, as people say it."""
    for size, name in ((10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if n >= size:
            return (
                f"{in_words(n // size)} {name} {in_words(n % size)}".strip()
                if n % size
                else f"{in_words(n // size)} {name}"
            )
    if n < 20:
        return ONES[n - 1]
    return TENS[n // 10 - 2] + (f"-{ONES[n % 10 - 1]}" if n % 10 else "")


@given(st.integers(1, 999_999_999), st.integers(1, 999_999_999))
def test_a_number_in_words_equals_its_digits_and_no_others(one: int, other: int) -> None:
    assert in_digits(in_words(one)) == str(one)
    assert compare(str(other), in_words(one)).equal == (one == other)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (r"7 \text{ million}", r"7\cdot 10^{6}"),
        ("7 million", r"7\cdot 10^{6}"),
        ("7 thousands", r"7\cdot 10^{3}"),
        (r"\text{7 billion}", r"7\cdot 10^{9}"),
        ("7 dozen", r"7\cdot 12"),
        ("7 mil", r"7\cdot 10^{3}"),
        ("7万", r"7\cdot 10^{4}"),
        ("7亿", r"7\cdot 10^{8}"),
        ("7千克", "7千克"),
        ("7 miles", "7 miles"),
        ("7 millionths", "7 millionths"),
        ("million", "million"),
    ],
)
def test_words_that_multiply(text: str, normal: str) -> None:
    assert normalise(text).replace(" ", "") == normal.replace(" ", "")
