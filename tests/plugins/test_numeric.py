from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError, Problem, Rollout, Verdict
from justtinker_core.options import configure
from justtinker_plugins.verifiers.numeric import Numeric, read_number


def verify(gold: str | None, text: str, **options: object) -> Verdict:
    verifier = configure(Numeric, "plugins.numeric", options)
    verdicts = verifier.verify(Problem("1", "?", gold), [Rollout((), (), (), text)])
    assert verdicts is not None
    return verdicts[0]


def outcome(gold: str | None, answer: str, **options: object) -> str:
    return verify(gold, f"<think>so</think>\\boxed{{{answer}}}", **options).outcome


@pytest.mark.parametrize(
    ("gold", "answers"),
    [
        ("42", ["42", "42.", "42.0", "+42", " 42 ", "$42", r"\$42", "$42$", "042", r"\frac{84}{2}", "84/2", "4.2e1"]),
        ("42", ["€42", "£ 42", r"\left42\right", "42e0"]),
        ("-7", ["-7", "\u22127", "- 7", "-$7", "$-7", r"\frac{-14}{2}", r"-\frac{14}{2}", r"\frac{14}{-2}", "-7.00"]),
        ("3159", ["3,159", r"3\,159", "3{,}159", r"3,\!159", "3159.0", "3.159e3", "3.159*10^3"]),
        ("3159", [r"3.159 \times 10^{3}", "3.159\u00d710^3", r"3.159 \cdot 10 ^ { 3 }"]),
        ("1/2", ["0.5", ".5", r"\frac12", r"\dfrac{1}{2}", r"\frac{ 2 }{ 4 }", "1 / 2", "50%", r"50\%", "5e-1"]),
        ("3/2", ["1 1/2", r"1\frac{1}{2}", r"1 \frac12", "1.5"]),
        (r"1.24e-8", ["1.24e-8", r"1.24 \times 10^{-8}", r"1.24\cdot10^{-8}", "1.24E-08", "0.0000000124"]),
        ("5\\%", ["5%", r"5 \%", "0.05", "1/20"]),
        ("#### 1,000", ["1000", "1,000"]),
        ("so 3 + 4 = 7\n#### 7", ["7"]),
        (r"\boxed{7}", ["7"]),
        ("0", ["0", "-0", "0.0", "0e1000"]),
    ],
)  # fmt: skip
def test_equal_numbers(gold: str, answers: list[str]) -> None:
    assert {answer: outcome(gold, answer) for answer in answers} == dict.fromkeys(answers, "correct")


@pytest.mark.parametrize(
    ("gold", "answers"),
    [
        ("4", ["4 or 5", "5 or 4", "4, 5", "4,5", "4;4", "x = 4", "2 + 2", "2^2", "4x", "4!", r"\sqrt{16}", "--4"]),
        ("12", [r"12 \text{ is wrong}", "12 not", "1 2", r"1\,2", "1,2", "12/0", "0/0", r"\frac{12}{0}", "12e"]),
        ("12", ["\uff11\uff12", "\u0661\u0662", "1\u00b2", "0x0c", "1_2", "12j", "inf", "nan", "-12", "13", "1.2.0"]),
        ("1/3", ["0.333333333333333", "3/1", "1/3/1", r"\frac{1}{3}\frac{1}{3}"]),
        ("123", ["0,123", "12,3", "1,23", ",123"]),
        ("50", ["50%", "0.5"]),
        ("0.0", ["1.6e-19", "1e-1000"]),
        ("3.5", ["2 3/2", r"3\frac{-1}{2}", "31/2", r"3 \cdot \frac{7}{6}"]),
    ],
)  # fmt: skip
def test_different_numbers_and_other_answers(gold: str, answers: list[str]) -> None:
    assert {answer: outcome(gold, answer) for answer in answers} == dict.fromkeys(answers, "incorrect")


@pytest.mark.parametrize(
    "gold", [None, "", "x", "4 or 5", "####", "1/0", "1e999999999", "9" * 201, "\ud800", "#### 5 apples"]
)
def test_an_unusable_gold_leaves_answers_unscored(gold: str | None) -> None:
    verdict = verify(gold, r"\boxed{4}")
    shown = "" if gold in (None, "####") else str(gold).removeprefix("#### ")[:50]
    assert verdict == Verdict("unscored", None, "gold", f"the gold {shown!r} is not one number")


def test_verdicts_name_the_marker_and_the_reason() -> None:
    assert verify("4", r"\boxed{4}") == Verdict("correct", "4", "boxed", vote="4")
    assert verify("4", r"\boxed{5}") == Verdict("incorrect", "5", "boxed", "not the gold's number", "5")
    assert verify("4", r"\boxed{4 or 5}") == Verdict("incorrect", "4 or 5", "boxed", "not one number")
    assert verify("4", r"\boxed{4}\boxed{}") == Verdict(
        "incorrect", None, "extract boxed", "the last \\boxed{…} is empty"
    )
    assert verify("4", "4") == Verdict("incorrect", None, "extract", "no \\boxed{…} in the answer")
    assert verify("4", "#### 4", pipeline="gsm8k") == Verdict("correct", "4", "####", vote="4")
    assert verify("4", "Answer: 4.", pipeline="flexible") == Verdict("correct", "4", "Answer:", vote="4")


def test_percentages() -> None:
    table = {
        mode: [
            outcome(gold, answer, percent=mode) for gold, answer in [("0.5", "50%"), ("50", "50%"), ("50%", r"50\%")]
        ]
        for mode in ("hundredth", "ignore", "refuse")
    }
    assert table == {
        "hundredth": ["correct", "incorrect", "correct"],
        "ignore": ["incorrect", "correct", "correct"],
        "refuse": ["incorrect", "incorrect", "correct"],
    }


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("3.14159", "3.14", "correct"),
        ("1/3", "0.333", "correct"),
        ("3.14159", "3.1", "incorrect"),
        ("1000", "1001", "incorrect"),  # both exact
        ("1000/7", "1001/7", "incorrect"),
        ("1000", "1001.0", "correct"),
        ("1000", "1e3", "correct"),
        ("0", "0.0001", "incorrect"),
        ("1.6e-19", "0.0", "incorrect"),
        ("1.6e-19", "1.601e-19", "correct"),
        ("2.0", "-2.0", "incorrect"),
        ("1.00", "0.999", "correct"),  # the boundary
    ],
)
def test_tolerance_is_relative_and_for_decimals_only(gold: str, answer: str, expected: str) -> None:
    assert outcome(gold, answer, tolerance=0.001) == expected


def test_other_kinds_are_ignored() -> None:
    problem = Problem("1", "?", "4", kind="choice")
    assert Numeric().verify(problem, [Rollout((), (), (), r"\boxed{4}")]) is None
    assert Numeric(kinds=("choice",)).verify(problem, []) == []


def test_wrong_options_are_named() -> None:
    with pytest.raises(PluginError, match=r"\[plugins.numeric\] tolerance = -1: input should be greater than or equal"):
        configure(Numeric, "plugins.numeric", {"tolerance": -1})
    with pytest.raises(
        PluginError, match=r"\[plugins.numeric\] percent = 'maybe': input should be 'hundredth', 'ignore'"
    ):
        configure(Numeric, "plugins.numeric", {"percent": "maybe"})


TEXTS = st.text(st.characters(exclude_categories=()) | st.sampled_from("0123456789.,/%$\\{}frac eE+-^ \x00\ud800"))


@given(TEXTS, TEXTS)
def test_any_answer_has_a_verdict_and_order_does_not_matter(a: str, b: str) -> None:
    assert outcome("7", a) in ("correct", "incorrect")
    if read_number(a) and read_number(b):
        for options in ({}, {"tolerance": 0.1}, {"percent": "ignore"}, {"percent": "refuse"}):
            assert outcome(a, b, **options) == outcome(b, a, **options)


@given(st.fractions(), st.fractions())
def test_fractions_are_exact(a: Fraction, b: Fraction) -> None:
    assert outcome(str(a), rf"\frac{{{b.numerator}}}{{{b.denominator}}}") == ("correct" if a == b else "incorrect")
    assert outcome(str(a), f"{a.numerator * 3}/{a.denominator * 3}") == "correct"


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_ways_to_write_an_integer(value: int, off: int) -> None:
    for text in (
        f"{value:,}",
        f"{value}.00",
        f"{value:,}".replace(",", "{,}"),
        f"{value:,}".replace(",", r"\,"),
        f"{value}e0",
    ):
        assert outcome(str(value), text) == "correct"
        assert outcome(str(value + off), text) == "incorrect"


@pytest.mark.parametrize(
    "answer",
    [
        "1e999999999", "1e-999999999", "10^{999999999}", r"1 \times 10^{999999999}", "9" * 5000, "9" * 10_000_000,
        "1/" + "9" * 5000, "1," * 100_000, " " * 10_000_000, "1e" + "9" * 190, "{,}" * 60, r"\frac" * 40, "+-" * 90,
    ],
)  # fmt: skip
def test_huge_answers_are_wrong_and_cost_nothing(answer: str) -> None:
    assert outcome("1", answer) == "incorrect"


def test_equal_answers_share_a_vote() -> None:
    def votes(*answers: str, **options: object) -> set[str | None]:
        return {verify("7", f"\\boxed{{{answer}}}", **options).vote for answer in answers}

    assert votes("0.5", "1/2", r"\frac{1}{2}", "50%") == {"1/2"}
    assert votes("1/2", "50%", percent="refuse") == {"1/2", "50%"}
    assert votes("50", "50%", percent="ignore") == {"50"}
    assert votes("fifty") == {None}
