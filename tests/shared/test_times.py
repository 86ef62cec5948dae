"""Times of day: twelve hours with a.m. or p.m., and what of 24 hours is certain."""

# ruff: noqa: E501 (a table)
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.ladder import compare
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.times import compare_times


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        (r"2:45 \text{ p.m.}", [r"2{:}45\text{ PM}", r"\text{2:45 pm}", "14:45", r"\text{at 2:45 p.m.}"],
         [r"2:45\text{ a.m.}", "2:45", r"2:46 \text{ PM}", r"2\text{ p.m.}", "2:45:00", r"45:2 \text{ pm}", "26:45", "165"]),
        (r"9 \text{ a.m.}", [r"9:00 \text{ AM}", r"\text{9 A.M.}"], ["9", "9:00", r"9:30 \text{ AM}", r"9\text{ m}", "21:00"]),
        (r"12 \text{ p.m.}", [r"\text{noon}", r"12:00 \text{ noon}"], [r"12 \text{ a.m.}", r"\text{midnight}", "0:00"]),
        (r"12:30 \text{ AM}", ["0:30"], ["12:30", r"12:30 \text{ PM}"]),
        (r"\text{midnight}", [r"12 \text{ a.m.}", "0:00"], [r"12 \text{ p.m.}", r"\text{noon}"]),
    ],
)  # fmt: skip
def test_times(gold: str, right: list[str], wrong: list[str]) -> None:
    assert [answer for answer in [gold, *right] if compare(gold, answer).equal is not True] == []
    assert [(answer, compare(gold, answer)) for answer in wrong if compare(gold, answer).equal is not False] == []


@pytest.mark.parametrize("gold", ["2:45", "14:45", "5", r"13 \text{ p.m.}", r"2:75 \text{ p.m.}", r"5\text{ pm}"])
def test_other_golds_are_no_times(gold: str) -> None:
    assert compare_times(normalise(gold), "5") is None


@pytest.mark.parametrize("answer", [r"\text{6:20}", "6{:}20", "6∶20", "6：20"])  # noqa: RUF001
def test_a_time_may_be_typeset_as_text(answer: str) -> None:
    assert compare("6:20", answer).equal is True
    assert compare("6:21", answer).equal is False


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 23), st.integers(0, 59))
def test_times_are_equal_if_their_minutes_are(hour: int, minute: int, other: int, minutes: int) -> None:
    gold, answer = (
        f"{h % 12 or 12}:{m:02}" + r"\text{ " + sign + "}"
        for h, m, sign in (
            (hour, minute, "am" if hour < 12 else "pm"),
            (other, minutes, "A.M." if other < 12 else "P.M."),
        )
    )
    assert compare(gold, answer).equal is ((hour, minute) == (other, minutes))
