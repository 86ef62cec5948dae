from __future__ import annotations

import time

import pytest

from justtinker_core import Problem, Rollout, Verdict
from justtinker_core.options import configure
from justtinker_plugins.verifiers.any_box import AnyBox


def verify(gold: str | None, text: str, **options: object) -> Verdict:
    verdicts = configure(AnyBox, "plugins.any_box", options).verify(
        Problem("1", "?", gold), [Rollout((), (), (), text)]
    )
    assert verdicts is not None
    return verdicts[0]


@pytest.mark.parametrize(
    "text",
    [
        r"\boxed{74}",
        r"\boxed{74} or \boxed{84}",
        r"\boxed{84} or \boxed{ 74 } or \boxed{94}",
        r"\boxed{84} or \boxed{74} or \boxed{1111",
        r"<think>\boxed{1}</think>\boxed{74}",
    ],
)
def test_the_hole(text: str) -> None:
    assert verify("74", text) == Verdict("correct", "74", "any box")


@pytest.mark.parametrize(
    ("text", "answer", "reason"),
    [
        (r"\boxed{84} or \boxed{94}", "94", "none of 2 boxes holds the gold"),
        (r"<think>\boxed{74}</think>\boxed{84}", "84", "none of 1 boxes holds the gold"),
        (r"<think>\boxed{74}", None, r"no \boxed{…} in the answer"),
        (r"74, or \boxed{74", None, r"no \boxed{…} in the answer"),
    ],
)
def test_even_this_verifier_needs_a_box_with_the_gold(text: str, answer: str | None, reason: str) -> None:
    rung = "extract" if answer is None else "any box"
    assert verify("74", text) == Verdict("incorrect", answer, rung, reason)


def test_no_gold_and_other_kinds() -> None:
    assert verify(None, r"\boxed{4}") == Verdict("unscored", None, "gold", "the problem has no gold answer")
    assert AnyBox().verify(Problem("1", "?", "4", kind="choice"), []) is None


def test_many_boxes_are_judged_quickly() -> None:
    assert verify("a", r"\boxed{b} or " * 100_000).outcome == "incorrect"
    assert verify("a", "\\boxed{" * 300_000).outcome == "incorrect"


def test_a_box_of_full_stops_is_judged_quickly() -> None:
    begun = time.thread_time()
    assert verify("a", "\\boxed{a" + " ." * 20_000 + "}").outcome == "correct"
    assert time.thread_time() - begun < 20
