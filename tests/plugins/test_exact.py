from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Problem, Rollout, Verdict
from justtinker_core.options import configure
from justtinker_plugins.verifiers.exact import Exact, normal_form


def verify(gold: str | None, text: str, **options: object) -> Verdict:
    return replace(voting(gold, text, **options), vote=None)


def voting(gold: str | None, text: str, **options: object) -> Verdict:
    verdicts = configure(Exact, "plugins.exact", options).verify(Problem("1", "?", gold), [Rollout((), (), (), text)])
    assert verdicts is not None
    return verdicts[0]


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("Evelyn", "Evelyn"),
        ("Evelyn", r"\text{Evelyn.}"),
        ("Evelyn", r"$\textbf{ Evelyn }$."),
        ("two  words", r"two\ words"),
        ("two words", "two~\n words"),
        ("caf\u00e9", "cafe\u0301"),
        (r"\boxed{yes}", "yes"),
        ("because\n#### yes", "yes"),
        (r"\text{a} + \text{b}", r"\text{a} + \text{b}"),
    ],
)
def test_equal_texts(gold: str, answer: str) -> None:
    assert verify(gold, f"\\boxed{{{answer}}}") == Verdict("correct", answer.strip(), "boxed")


@pytest.mark.parametrize(
    ("gold", "answer"),
    [("yes", "Yes"), ("1/2", "0.5"), ("yes", "yes or no"), ("ab", "a b"), (".5", "5"), ("ff", "\ufb00")],
)
def test_other_texts(gold: str, answer: str) -> None:
    assert verify(gold, f"\\boxed{{{answer}}}") == Verdict("incorrect", answer, "boxed", "not the gold's text")


def test_options() -> None:
    assert verify("Yes", r"\boxed{yEs}", case_sensitive=False).outcome == "correct"
    assert verify("Yes", "Answer: Yes") == Verdict("incorrect", None, "extract", "no \\boxed{…} in the answer")
    assert verify("Yes", "Answer: Yes", pipeline="flexible") == Verdict("correct", "Yes", "Answer:")
    assert verify("Yes", r"\boxed{Yes}", max_chars=2).outcome == "incorrect"
    assert Exact().verify(Problem("1", "?", "Yes", kind="choice"), []) is None


@pytest.mark.parametrize("gold", [None, "", "  ", "$$", "####", r"\boxed{}"])
def test_an_empty_gold_leaves_answers_unscored(gold: str | None) -> None:
    assert verify(gold, r"\boxed{4}") == Verdict("unscored", None, "gold", "the problem has no gold answer")


TEXTS = st.text(st.characters(exclude_categories=()) | st.sampled_from("$\\text{} .~\x00\ud800"))


@given(TEXTS, st.booleans())
def test_normal_form_is_idempotent(text: str, case: bool) -> None:
    assert normal_form(normal_form(text, case), case) == normal_form(text, case)


@given(st.text(st.characters(exclude_characters="{}\\<#", exclude_categories=()), min_size=1))
def test_every_gold_accepts_itself(gold: str) -> None:
    boxed = verify(gold, f"\\boxed{{{gold}}}")
    assert boxed.outcome == "correct" or not normal_form(gold) or boxed.reason == r"the last \boxed{…} is empty"


@pytest.mark.parametrize("unit", ["$", ".", "\\,", " ", "\\text{", "a", "e\u0301"])
def test_long_answers(unit: str) -> None:
    assert verify("a", "\\boxed{" + unit * (2_000_000 // len(unit)) + "}").outcome == "incorrect"


def test_equal_answers_share_a_vote() -> None:
    assert {voting("x", f"\\boxed{{{answer}}}").vote for answer in ("New  York", "New York.")} == {"New York"}
