from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError, Problem, Rollout, Verdict
from justtinker_core.options import configure
from justtinker_plugins.verifiers.choice import Choice, read_letter


def verify(gold: str | None, text: str, **options: object) -> Verdict:
    return replace(voting(gold, text, **options), vote=None)


def voting(gold: str | None, text: str, **options: object) -> Verdict:
    verifier = configure(Choice, "plugins.choice", options)
    verdicts = verifier.verify(Problem("1", "?", gold, kind="choice"), [Rollout((), (), (), text)])
    assert verdicts is not None
    return verdicts[0]


@pytest.mark.parametrize(
    "answer",
    ["B", "b", "(B)", "B)", "B.", "(B).", "[B]", "{B}", r"\text{(B)}", r"\textbf{(B)}", r"\mathrm{B}", "$B$", "**B**",
     "option B", "Choice (B)", r"\textbf{\text{B}}", r"\,B\,", r"\left(B\right)", r"\bigl[B\bigr]", r"\texttt{B}",
     r"\mathsf{B}", r"\(B\)", r"(\text{B})", r"\left(\mathrm{B}\right).", r"\textbf{(B)}\quad", r"{\bf B}",
     r"\boldsymbol{B}", "( B )", r"\quad B~", r"\text{option }B", "B\u200b", r"\emph{B}:"],
)  # fmt: skip
@pytest.mark.parametrize("gold", ["B", "(B)", r"\textbf{(B)}", "#### B", r"\boxed{B}"])
def test_ways_to_write_a_letter(gold: str, answer: str) -> None:
    assert verify(gold, f"\\boxed{{{answer}}}") == Verdict("correct", answer, "boxed")


@pytest.mark.parametrize(
    "answer",
    ["A or B", "A, B", "AB", "BB", "(B) 42", "not B", "B?", "B or B", "(B", "\u0392", "\u212c", "B'", "bB", "F", "7",
     r"\beta", "A/B", r"\text{A}\text{B}", "A B", "A\nB", "(A)(B)", r"\left(A\right)\left(B\right)", r"\,A\,B\,",
     "A\u200bB", r"A\phantom{x}B", r"\texttt{A}/\texttt{B}", r"A\quad B", r"\text{not }B", "A; B", "A|B", "A{B}",
     r"\\B\\C", "(A B)", "option A B", "[B)", "(B]", r"\{B\}", "optionalB", "B=B"],
)  # fmt: skip
def test_more_than_a_letter_is_wrong(answer: str) -> None:
    assert verify("B", f"\\boxed{{{answer}}}") == Verdict("incorrect", answer, "boxed", "not one of the letters ABCDE")


CAPITAL = "What is the capital of France?\n(A) Rome (B) Paris (C) Berlin"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("B. Paris", "correct"),
        ("(B) Paris", "correct"),
        (r"\text{(B) Paris}", "correct"),
        (r"\textbf{(B)}\ \text{Paris}", "correct"),
        ("(A) Rome", "incorrect"),
        ("(A) Paris", "incorrect"),
        ("(B) Rome", "incorrect"),
        ("(B) Paris (C) Berlin", "incorrect"),
        ("Paris", "incorrect"),
    ],
)
def test_a_letter_with_the_questions_own_text(answer: str, outcome: str) -> None:
    problem = Problem("1", CAPITAL, "B", kind="choice")
    [verdict] = Choice().verify(problem, [Rollout((), (), (), f"\\boxed{{{answer}}}")]) or []
    assert verdict.outcome == outcome
    assert verdict.vote == ("B" if outcome == "correct" else "A" if answer == "(A) Rome" else None)


def test_other_letters() -> None:
    assert verify("B", r"\boxed{C}") == Verdict("incorrect", "C", "boxed", "not the gold's letter")
    assert verify("B", r"\boxed{B}, no, \boxed{C}").outcome == "incorrect"
    assert verify("B", r"\boxed{B} or \boxed{A, B}").outcome == "incorrect"


def test_options() -> None:
    assert verify("B", r"\boxed{b}", case_sensitive=True).reason == "not one of the letters ABCDE"
    assert verify("B", r"\boxed{B}", case_sensitive=True).outcome == "correct"
    assert verify("H", r"\boxed{H}", choices="ABCDEFGHIJ").outcome == "correct"
    assert verify("B", "The answer is (B).", pipeline="flexible") == Verdict("correct", "(B)", "answer is")
    assert Choice().verify(Problem("1", "?", "B"), []) is None
    with pytest.raises(PluginError, match=r"\[plugins.choice\] choices = 'a-e': string should match pattern"):
        configure(Choice, "plugins.choice", {"choices": "a-e"})


@pytest.mark.parametrize("gold", [None, "", "F", "A or B", "42", "\ud800"])
def test_an_unusable_gold_leaves_answers_unscored(gold: str | None) -> None:
    reason = f"the gold {gold or ''!r} is not one of the letters ABCDE"
    assert verify(gold, r"\boxed{B}") == Verdict("unscored", None, "gold", reason)


@given(st.text(st.characters(exclude_categories=()) | st.sampled_from("ABab()[]{}\\text.: \x00\ud800"), max_size=30))
def test_any_text_is_one_ascii_letter_or_none(text: str) -> None:
    found = read_letter(text)
    assert found is None or (len(found.text) == 1 and "A" <= found.text <= "Z" and found.text in text.upper())
    assert verify("B", f"\\boxed{{{text}}}").outcome in ("correct", "incorrect")


def test_ten_megabytes_are_judged() -> None:
    assert verify("B", "\\boxed{" + "B" * 10_000_000 + "}").outcome == "incorrect"


def test_equal_answers_share_a_vote() -> None:
    assert {voting("A", f"\\boxed{{{answer}}}").vote for answer in ("b", "(B)", r"\text{B}")} == {"B"}
    assert voting("A", r"\boxed{neither}").vote is None
