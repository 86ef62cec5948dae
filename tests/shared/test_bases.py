"""The base that a question asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.bases import asked_base, other_base, with_asked_base


@pytest.mark.parametrize(
    ("question", "base"),
    [
        ("Write nine in base two.", "2"),
        ("Convert $57$ to base $7$.", "7"),
        ("What is $12_{3} + 21_3$ in base 3?", "3"),
        ("Add $12_3$ and $21_3$, and express your answer in base three.", "3"),
        ("Express the number 21 in binary.", "2"),
        ("Write $1011$ in base two as a decimal number.", ""),
        ("Write $1011$, which is in base 2, in base 8.", ""),
        ("How many n below 30 have no digit 2 in base 3?", ""),
        ("Find the number of digits of 99 in base two.", ""),
        ("The base of a triangle is 2. Find its height.", ""),
        ("Find the length of the base AB.", ""),
        ("Compute 2+2.", ""),
    ],
)
def test_the_asked_base(question: str, base: str) -> None:
    assert asked_base(question) == base


@pytest.mark.parametrize(
    ("gold", "answer", "read"),
    [
        ("1001", "1001_2", "1001"),
        ("1001", "1001_{2}", "1001"),
        ("1001", r"1001_{\text{two}}", "1001"),
        ("1001", "(1001)_2", "1001"),
        ("1001", "-1001_2", "-1001"),
        ("1001_2", "1001", "1001_{2}"),
        ("1001", "1001_3", None),
        ("1001", "1001_{10}", None),
        ("1001_3", "1001", None),
        ("1001_2", "1001_2", None),
        ("12", "12_2", None),
        ("x", "x_2", None),
        ("1001", "1001", None),
        ("1001", "1001_2, 1", None),
        ("", "", None),
    ],
)
def test_the_asked_base_may_be_written_or_not(gold: str, answer: str, read: str | None) -> None:
    question = "Write nine in base two."
    assert with_asked_base(question, gold, answer) == (read or answer)
    assert with_asked_base("How much is it?", gold, answer) == answer


@pytest.mark.parametrize(
    ("gold", "answer", "reason"),
    [
        ("1001", "1001_{10}", "the answer is in base 10, where base 2 is asked"),
        ("1001", "1001_3", "the answer is in base 3, where base 2 is asked"),
        ("1001", "1001_2", ""),
        ("1001", "1001", ""),
        ("1001_2", "9_{10}", ""),
    ],
)
def test_another_base_is_refused(gold: str, answer: str, reason: str) -> None:
    assert other_base("Write nine in base two.", gold, answer) == reason
    assert other_base("How much is it?", gold, answer) == ""


@given(st.text(max_size=80), st.text(max_size=30), st.text(max_size=30))
def test_any_texts_are_read(question: str, gold: str, answer: str) -> None:
    with_asked_base(f"Write it in base {question}", gold, answer)
    other_base(f"to base {question}", f"{gold}_2", f"1_{answer}")
