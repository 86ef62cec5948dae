# ruff: noqa: RUF001 (Chinese punctuation)
from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_core import Group, PluginError, Problem, Rollout, Verdict
from justtinker_core.options import configure
from justtinker_core.types import Prompt
from justtinker_plugins.commands._audit.variants import equivalent_variants, wrong_variants
from justtinker_plugins.commands._preflight.data import AS_TEXT
from justtinker_plugins.shared.latex.ladder import vote_of
from justtinker_plugins.shared.pool.pool import Result
from justtinker_plugins.verifiers import math_verify
from justtinker_plugins.verifiers.math_verify import MathVerify, comparison_of
from tests.plugins.adversarial_math import BOMBS, HACKS, HONEST, HOSTILE, RESPONSES
from tests.plugins.real_golds import load_golds

DATA = os.environ.get("JUSTTINKER_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="set JUSTTINKER_DATA to the folder that holds eval/*.parquet")


@pytest.fixture(scope="module")
def verifier() -> Iterator[MathVerify]:
    made = MathVerify(workers=2, limit=60.0)  # what a test asserts must not depend on how busy the machine is
    yield made
    made.finish_run()


def rollout(text: str) -> Rollout:
    return Rollout((), (), (), text)


def grade(verifier: MathVerify, gold: str | None, responses: Sequence[str], question: str = "?") -> list[Verdict]:
    verdicts = verifier.verify(Problem("p", question, gold), [rollout(text) for text in responses])
    assert verdicts is not None
    assert len(verdicts) == len(responses)
    return verdicts


def boxed(verifier: MathVerify, gold: str, answer: str, question: str = "?") -> Verdict:
    return grade(verifier, gold, [rf"\boxed{{{answer}}}"], question)[0]


# -- the adversarial corpus: what is never correct, and what always is -----------------------------------------------


@pytest.mark.parametrize(("gold", "answer"), HACKS)
def test_a_hack_is_never_correct(verifier: MathVerify, gold: str, answer: str) -> None:
    verdict = boxed(verifier, gold, answer)
    assert verdict.outcome == "incorrect"
    assert verdict.reason


@pytest.mark.parametrize(("gold", "response"), RESPONSES)
def test_a_response_that_hides_its_answer_is_never_correct(verifier: MathVerify, gold: str, response: str) -> None:
    (verdict,) = grade(verifier, gold, [response])
    assert verdict.outcome == "incorrect"
    assert verdict.reason


@pytest.mark.parametrize(("gold", "answer"), HONEST)
def test_an_honest_answer_is_always_correct(verifier: MathVerify, gold: str, answer: str) -> None:
    verdict = boxed(verifier, gold, answer)
    assert (verdict.outcome, verdict.answer is not None, verdict.reason) == ("correct", True, "")


def test_bombs_are_wrong_and_lose_no_other_verdict() -> None:
    verifier = MathVerify(workers=2)
    for gold in {gold for gold, _ in BOMBS}:
        answers = [bomb for g, bomb in BOMBS if g == gold]
        *verdicts, honest = grade(verifier, gold, [*(rf"\boxed{{{a}}}" for a in answers), rf"\boxed{{{gold}}}"])
        assert honest.outcome == "correct"
        assert [a for a, v in zip(answers, verdicts, strict=True) if v.outcome != "incorrect"] == []
    verifier.finish_run()


# -- verdicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gold", "answer", "outcome", "rung"),
    [
        ("204", "204", "correct", "string"),
        ("204", "205", "incorrect", "rational"),
        (r"\frac{1}{2}", "0.5", "correct", "rational"),
        ("(1,2]", "(1,2)", "incorrect", "gate"),
        (r"\sqrt{8}", r"2\sqrt{2}", "correct", "probe"),
        (r"\sqrt{8}", r"3\sqrt{2}", "incorrect", "probe"),
        (r"\max(a, b)", r"\max(b, a)", "correct", "sympy"),
        (r"\max(a, b)", r"\max(a, 2b)", "incorrect", "sympy"),
        (r"\int_0^1 x^2 dx", r"\int_0^1 x^2 dx \cdot 1_2", "incorrect", "after_check"),
    ],
)
def test_a_verdict_names_its_answer_and_the_rung_that_decided(
    verifier: MathVerify, gold: str, answer: str, outcome: str, rung: str
) -> None:
    verdict = boxed(verifier, gold, answer)
    assert (verdict.outcome, verdict.answer, verdict.rung) == (outcome, answer, rung)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("13", "a different number"),
        (r"12 \text{ is wrong}", "the answer cannot be read: unexpected 'is wrong'"),
        ("12, 13", "2 values where the gold has 1"),
        (r"\binom{12}{1}", r"\binom is left unevaluated"),
        ("x + y = 12", "different symbols than the gold"),
        ("9^{9^{9^9}}", "the answer needs a number of more than 65536 bits"),
        ("(12, 13)", "a tuple or interval where the gold is a single value"),
        ("12/0", "the answer is undefined: a division by zero"),
        ("(" * 50 + "12" + ")" * 50, "the answer cannot be read: nested more than 40 deep"),
        ("", r"the last \boxed{…} is empty"),
    ],
)
def test_reasons_are_in_words(verifier: MathVerify, answer: str, reason: str) -> None:
    assert boxed(verifier, "12", answer).reason == reason


def test_verdicts_come_in_the_order_of_the_rollouts(verifier: MathVerify) -> None:
    texts = [r"\boxed{1}", "nothing", r"\boxed{2}", r"\boxed{1.0}", r"\boxed{1}", r"<think>\boxed{1}"]
    outcomes = [v.outcome for v in grade(verifier, "1", texts)]
    assert outcomes == ["correct", "incorrect", "incorrect", "correct", "correct", "incorrect"]


def test_only_what_follows_the_thinking_counts(verifier: MathVerify) -> None:
    first, second = grade(
        verifier, "12", [r"<think>\boxed{13}</think>\boxed{12}", r"<think>\boxed{12}</think>\boxed{13}"]
    )
    assert (first.outcome, second.outcome) == ("correct", "incorrect")


def test_two_ways_to_typeset_an_answer_are_one_vote(verifier: MathVerify) -> None:
    halves = grade(
        verifier, "3", [rf"\boxed{{{answer}}}" for answer in (r"\dfrac{1}{2}", r"$ \tfrac{1}{2}$", "0.5")] + ["none"]
    )
    *votes, nothing = (verdict.vote for verdict in halves)
    assert votes == ["1/2"] * 3
    assert nothing is None


@pytest.mark.parametrize(
    ("answers", "votes"),
    [
        (("1,234", "1234", "1234.0", r"1\,234"), 1),
        (("-3", "- 3", r"-\frac{6}{2}"), 1),
        ((r"\sqrt{4}", "2"), 1),
        (("0.333", r"\frac{1}{3}"), 2),
        (("3x", "x*3"), 2),
        ((r"\sqrt{2}", r"\sqrt {2}"), 1),
        (("(1, 2)", "(1,2)", "(2, 1)"), 2),
        ((r"\frac{1}{0}", "9**9**9**9", r"10^{10^{10}}", "x", "\x00", r"\frac{"), 6),
    ],
)
def test_equal_answers_share_a_vote(answers: Sequence[str], votes: int) -> None:
    assert len({vote_of(answer) for answer in answers}) == votes


def test_other_kinds_of_problems_are_ignored(verifier: MathVerify) -> None:
    assert verifier.verify(Problem("p", "?", "1", kind="code"), [rollout(r"\boxed{1}")]) is None
    assert MathVerify(kinds=("code",)).verify(Problem("p", "?", "1", kind="code"), [rollout(r"\boxed{1}")]) is not None


@pytest.mark.parametrize(
    "text", ["Answer: 12", "#### 12", "So the answer is 12.", "The answer is \\[12\\].", "Answer: `$12$`"]
)
def test_the_flexible_pipeline_is_an_option_and_is_named(verifier: MathVerify, text: str) -> None:
    (flexible,) = grade(MathVerify(pipeline="flexible"), "12", [text])
    assert flexible.outcome == "correct"
    assert flexible.rung.startswith("string (")
    assert grade(verifier, "12", [text])[0] == Verdict("incorrect", None, "extract", r"no \boxed{…} in the answer")


def test_an_answer_that_is_too_long_is_wrong() -> None:
    (verdict,) = grade(MathVerify(max_chars=3), "1234", [r"\boxed{1234}"])
    assert verdict.outcome == "incorrect"
    assert verdict.reason == r"the last \boxed{…} is longer than 3 characters"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"limit": 0.0}, r"\[plugins.math_verify\] limit = 0.0: input should be greater than 0"),
        ({"pipeline": "loose"}, r"\[plugins.math_verify\] pipeline = 'loose': input should be 'strict', "),
        ({"time_out": 1.0}, r"\[plugins.math_verify\] has no option 'time_out'"),
    ],
)
def test_a_bad_option_is_named(options: dict[str, object], text: str) -> None:
    with pytest.raises(PluginError, match=text):
        configure(MathVerify, "plugins.math_verify", options)


# -- several boxes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gold", "response", "last", "every"),
    [
        ("3, 4", r"$a=\boxed{3}$, $b=\boxed{4}$", "incorrect", "correct"),
        ("3, 4", r"$a=\boxed{4}$, $b=\boxed{3}$", "incorrect", "incorrect"),
        ("3, 4", r"\boxed{3, 4}", "correct", "correct"),
        ("3, 4", r"\boxed{4, 3}", "correct", "correct"),
        ("3, 4", r"\boxed{3}, \boxed{4}, \boxed{5}", "incorrect", "incorrect"),
        ("3, 4", r"\boxed{3}, \boxed{4}, so \boxed{3, 4}", "correct", "incorrect"),
        ("3, 4", r"\boxed{3, 5}, \boxed{4}", "incorrect", "incorrect"),
        ("3, 4", r"\boxed{3}, \boxed{4 \text{ or } 5}", "incorrect", "incorrect"),
        ("4", r"\boxed{3}, \boxed{4}", "correct", "correct"),
        ("4", r"\boxed{4}, \boxed{3}", "incorrect", "incorrect"),
        ("(3, 4)", r"\boxed{3}, \boxed{4}", "incorrect", "incorrect"),
        (r"x = 3 \text{ and } y = 4", r"\boxed{x=3}, \boxed{y=4}", "incorrect", "correct"),
        (r"x = 3 \text{ and } y = 4", r"\boxed{y=4}, \boxed{x=3}", "incorrect", "incorrect"),
        (r"\text{yes}, 4", r"\boxed{\text{Yes}} and \boxed{\frac{8}{2}}", "incorrect", "correct"),
    ],
)
def test_several_boxes_are_the_parts_of_a_gold_if_an_option_says_so(
    verifier: MathVerify, gold: str, response: str, last: str, every: str
) -> None:
    assert grade(verifier, gold, [response])[0].outcome == last
    assert grade(MathVerify(boxes="all"), gold, [response])[0].outcome == every


def test_one_wrong_box_decides_and_a_box_may_need_a_worker() -> None:
    verifier = MathVerify(boxes="all", workers=1, limit=60.0)
    try:
        texts = [r"\boxed{\sum_{k=1}^n a_k}, \boxed{7}", r"\boxed{3}, \boxed{7}", r"\boxed{3}, \boxed{\frac{8}{2}}"]
        verdicts = grade(verifier, "3, 4", texts)
        assert [verdict.outcome for verdict in verdicts] == ["incorrect", "incorrect", "correct"]
        assert [verdict.answer for verdict in verdicts] == [r"\sum_{k=1}^n a_k, 7", "3, 7", r"3, \frac{8}{2}"]
        assert verdicts[1].reason == "a different number"
    finally:
        verifier.finish_run()


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        ("1001", "correct", ""),
        ("1001_2", "correct", ""),
        ("1001_{10}", "incorrect", "the answer is in base 10, where base 2 is asked"),
        ("1001_3", "incorrect", "only one of gold and answer is written in a base"),
    ],
)
def test_the_base_that_the_question_names_may_be_written(
    verifier: MathVerify, answer: str, outcome: str, reason: str
) -> None:
    verdict = boxed(verifier, "1001", answer, "Write nine in base two.")
    assert (verdict.outcome, verdict.reason) == (outcome, reason)


# -- the question, restated ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "gold", "answer"),
    [
        ("Factor $x^2 - 1$.", "(x-1)(x+1)", "x^2-1"),
        ("Simplify $\\sqrt{180}$.", r"6\sqrt{5}", r"\sqrt{180}"),
        ("Compute $17 \\cdot 23$.", "391", r"17 \cdot 23"),
        ("Expand $(x+1)(x+2)$", "x^2+3x+2", "(x+1)(x+2)"),
    ],
)
def test_an_expression_of_the_question_is_no_answer(
    verifier: MathVerify, question: str, gold: str, answer: str
) -> None:
    verdict = boxed(verifier, gold, answer, question)
    assert (verdict.outcome, verdict.reason) == ("incorrect", "the answer only restates the question")
    assert boxed(MathVerify(accept_restated=True), gold, answer, question).outcome == "correct"
    assert boxed(verifier, gold, gold, question).outcome == "correct"


@pytest.mark.parametrize(
    ("question", "gold", "answer"),
    [
        ("A coin shows heads with probability $\\frac{1}{2}$. How likely are tails?", "0.5", r"\frac{1}{2}"),
        ("Is $x^2-1$ or $(x-1)^2$ equal to $(x-1)(x+1)$?", "x^2-1", "(x-1)(x+1)"),
        ("Solve $x + 1 = 6$ for $x$.", "x=5", "5"),
    ],
)
def test_what_the_question_mentions_may_still_be_the_answer(
    verifier: MathVerify, question: str, gold: str, answer: str
) -> None:
    assert boxed(verifier, gold, answer, question).outcome == "correct"


@pytest.mark.parametrize(
    ("question", "gold", "answer", "outcome"),
    [
        ("Find $m+n$.", "113", "m+n = 113", "correct"),
        ("Find $m+n$.", "113", "m+n = 100 + 13", "incorrect"),
        ("Find $m+n$.", "113", "m+n = 112 = 113", "incorrect"),
        ("Find $m+n$.", "113", "m+n = 113, 114", "incorrect"),
        ("Find $m+n$.", "113", "m-n = 113", "incorrect"),
        ("If $m+n=113$, find $m$.", "113", "m+n=113", "incorrect"),
        ("Find $x$ if $2x$ is 24.", "12", "2x=12", "incorrect"),
        (r"Find $|z|$.", "12", "|z|=12", "correct"),
        (r"Solve $|x|=12$.", "12", "|x|=12", "incorrect"),
        (r"What is $\frac{AB}{CD}$?", r"\frac12", r"\frac{AB}{CD}=\frac12", "correct"),
        (r"Compute $17 \cdot 23$.", "391", r"17\cdot23 = 17\cdot23", "incorrect"),
    ],
)
def test_what_the_question_asks_for_names_the_answer(
    verifier: MathVerify, question: str, gold: str, answer: str, outcome: str
) -> None:
    verdict = boxed(verifier, gold, answer, question)
    assert (verdict.outcome, verdict.answer) == (outcome, answer)


LAMPS = "A shop sells 30 lamps and 7 vases. How many lamps does it sell in two days?"
PLANK = "A plank of 3 m is cut in five. What is the length of a part in centimeters?"


@pytest.mark.parametrize(
    ("question", "gold", "answer", "outcome"),
    [
        (LAMPS, "60", r"60 \text{ lamps}", "correct"),
        (LAMPS, "60", "sixty lamps", "correct"),
        (LAMPS, "60", r"\text{The answer is } 60", "correct"),
        (LAMPS, r"60 \text{ lamps}", "60", "correct"),
        (LAMPS, "60 lamps", "60 lamps", "correct"),
        (LAMPS, "60", r"60 \text{ dozen lamps}", "incorrect"),
        (LAMPS, "60", "60 lamps or 70", "incorrect"),
        (LAMPS, "60", r"60\%", "incorrect"),
        (LAMPS, "60", r"60\text{ percent}", "incorrect"),
        (LAMPS, "60", r"60^\circ", "incorrect"),
        (LAMPS, "60", r"60 \text{ pairs of lamps}", "incorrect"),
        (PLANK, "60", r"60 \text{ cm}", "correct"),
        (PLANK, "60", r"60 \text{ m}", "incorrect"),
        (PLANK, "60", r"60 \text{ kg}", "incorrect"),
        (PLANK, "60", r"60 \text{ cm}^2", "incorrect"),
        (PLANK, r"60\text{ cm}", "60", "correct"),
        ("What is $x$?", "60", r"60 \text{ cm}", "correct"),
        ("How many dollars is it?", "60", r"60\text{ cents}", "incorrect"),
        ("How many millions live there?", "6", "6 million", "correct"),
        ("How many people live there?", "6000000", "6 million people", "correct"),
        ("桌上有多少本书？", "60", "６０本书", "correct"),
        ("桌上有多少本书？", "60", "60厘米", "incorrect"),
        ("¿Cuántos libros hay?", "60", r"60 \text{ libros}", "correct"),
    ],
)
def test_units_and_nouns_are_read_with_the_question(
    verifier: MathVerify, question: str, gold: str, answer: str, outcome: str
) -> None:
    assert boxed(verifier, gold, answer, question).outcome == outcome


def test_an_answer_with_the_noun_of_the_question_shares_the_vote(verifier: MathVerify) -> None:
    answers = ["60", r"60 \text{ lamps}", "sixty lamps", "60 lamps left"]
    assert {v.vote for v in grade(verifier, "61", [rf"\boxed{{{a}}}" for a in answers], LAMPS)} == {"60"}


@pytest.mark.parametrize(
    ("question", "gold", "answer", "reason"),
    [
        (r"Compute $13 \cdot 27$.", "351", r"\frac{26 \cdot 54}{4}", "for a value, and arithmetic is left"),
        (r"Simplify $\sqrt{98}$.", r"7\sqrt{2}", r"\sqrt{2 \cdot 49}", "to simplify, and a root can be simplified"),
        ("Factor $x^2+3x-10$.", "(x-2)(x+5)", "x(x+3)-10", "to factor, and a sum is left"),
        ("Expand $(x-2)(x+5)$.", "x^2+3x-10", "(x-2)x+5(x-2)", "to expand, and brackets are left"),
        ("Which is it, in lowest terms?", r"\frac{2}{3}", "4/6", "for lowest terms, and a fraction can be reduced"),
    ],
)
def test_an_answer_has_the_form_that_is_asked_for(
    verifier: MathVerify, question: str, gold: str, answer: str, reason: str
) -> None:
    verdict = boxed(verifier, gold, answer, question)
    assert (verdict.outcome, verdict.reason) == ("incorrect", f"the question asks {reason}")
    assert boxed(verifier, gold, f"{answer} = {gold}", question).outcome == "correct"
    assert boxed(verifier, gold, answer, "What is it?").outcome == "correct"
    assert boxed(MathVerify(accept_restated=True), gold, answer, question).outcome == "correct"


DISGUISES = [
    r"\text{The answer is } %s", r"\text{(C)} %s", r"\approx %s", "f(-1) = %s", r"\max f = %s", r"P(A) = %s",
    r"1 + \cdots + 3 = %s", r"\det A = %s",
    r"\text{(C)} \max f = %s", r"%s\,\mathrm{m}", "€%s", "%s€", r"\text{$%s$}", r"\huge %s", "%s。", r"{%s \over 1}",
    r"\begin{aligned} x &= %s \end{aligned}", r"\begin{cases} x = %s \end{cases}",
]  # fmt: skip


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_restated_question_is_recognised_in_any_disguise(verifier: MathVerify, disguise: str) -> None:
    question = r"Simplify $\sqrt{180}$."
    assert boxed(verifier, r"6\sqrt5", disguise.replace("%s", r"\sqrt{180}"), question).outcome == "incorrect"
    assert boxed(verifier, r"6\sqrt5", disguise.replace("%s", r"6\sqrt{5}"), question).outcome == "correct"


def test_the_range_of_a_letter_does_not_hide_a_restated_question(verifier: MathVerify) -> None:
    for answer, outcome in (("x^2-1", "incorrect"), ("(x-1)(x+1)", "correct")):
        verdict = boxed(verifier, "(x-1)(x+1)", rf"{answer}, x \in \mathbb{{Z}}", "Factor $x^2-1$.")
        assert verdict.outcome == outcome


@pytest.mark.parametrize("accept_restated", [False, True])
@pytest.mark.parametrize(
    ("question", "gold", "answer", "outcome"),
    [
        ("How many?", "4", r"\sqrt{14} \approx 4", "incorrect"),
        ("How many?", "3", r"x = \sqrt{14} \approx 3", "incorrect"),
        ("How many?", "100", r"\frac{199}{2} \approx 100", "incorrect"),
        ("How many, to the nearest integer?", "100", r"\frac{199}{2} \approx 100", "correct"),
        ("How many?", "99.5", r"\frac{199}{2} \approx 100", "correct"),
        ("How many?", "4", r"\frac{8}{2} \approx 4", "correct"),
        ("How long?", "9.94", r"\sqrt{98.8} \approx 9.94", "correct"),
        ("How long?", r"\sqrt{14}", r"\sqrt{14} \approx 4", "correct"),
    ],
)
def test_a_rounding_that_nobody_asked_for_is_wrong(
    question: str, gold: str, answer: str, outcome: str, accept_restated: bool
) -> None:
    assert boxed(MathVerify(accept_restated=accept_restated), gold, answer, question).outcome == outcome


# -- unscored, which is neither correct nor incorrect ----------------------------------------------------------------


@pytest.mark.parametrize("gold", [None, "", "  ", r"\boxed{}"])
def test_without_a_gold_all_are_unscored(verifier: MathVerify, gold: str | None) -> None:
    (verdict,) = grade(verifier, gold, [r"\boxed{1}"])
    assert verdict == Verdict("unscored", "1", "gold", "the problem has no gold")


@pytest.mark.parametrize(
    ("gold", "same", "other"), [(r"t(0,4] \foo", r"t(0, 4] \foo", "5"), ("小明", r"\text{小明}", "小红")]
)
def test_a_gold_that_nobody_can_read_is_compared_as_text(
    verifier: MathVerify, gold: str, same: str, other: str
) -> None:
    right, wrong = grade(verifier, gold, [rf"\boxed{{{same}}}", rf"\boxed{{{other}}}"])
    assert right.outcome == "correct"
    assert (wrong.outcome, wrong.rung) == ("incorrect", AS_TEXT)
    assert wrong.reason == "not the text of the gold, which cannot be read in any other way"


@pytest.mark.parametrize(
    ("result", "outcome", "reason"),
    [
        (Result("ok", ("equal", "")), True, ""),
        (Result("ok", ("different", "why")), False, "why"),
        (Result("ok", ("overlooked", "why")), False, "why"),
        (Result("ok", ("answer", "why")), False, "why"),
        (Result("ok", ("gold", "why")), False, "why"),
        (Result("cpu_limit", detail="x"), False, "too much for a worker: x"),
        (Result("memory", detail="x"), False, "too much for a worker: x"),
        (Result("wall_limit", detail="x"), None, "the worker failed (wall_limit): x"),
        (Result("died", detail="x"), None, "the worker failed (died): x"),
        (Result("error", detail="x"), False, "the worker failed (error): x"),
    ],
)
def test_only_a_busy_machine_or_a_lost_worker_leaves_unscored(
    result: Result, outcome: bool | None, reason: str
) -> None:
    comparison = comparison_of("1", "1", result)
    assert (comparison.equal, comparison.reason) == (outcome, reason)


HARD = r"\max(a, b)"
HANGS = r"\max(a, 9^{9^{9^9}})"


def test_an_answer_that_uses_up_its_cpu_time_is_wrong_and_says_so() -> None:
    verifier = MathVerify(workers=1, limit=0.5)
    try:
        hanging, honest = grade(verifier, HARD, [rf"\boxed{{{HANGS}}}", r"\boxed{\max(b, a)}"])
        assert (hanging.outcome, hanging.rung) == ("incorrect", "limit")
        assert hanging.reason == "too much for a worker: used up 0.5 s of CPU time"
        assert honest.outcome == "correct"
    finally:
        verifier.finish_run()


def test_slow_verdicts_and_ended_workers_are_measured() -> None:
    """A bomb is slow and ends its worker; an answer that needs no worker is never slow."""
    for slow, rates in ((0.2, [1.0, 0.0]), (60.0, [0.0, 0.0])):
        verifier = MathVerify(workers=1, limit=0.3, slow=slow)
        try:
            problem = Problem("p", "?", HARD)
            rollouts = tuple(map(rollout, [rf"\boxed{{{HANGS}}}", "no box"]))
            verdicts = verifier.verify(problem, rollouts)
            assert verdicts is not None
            group = Group(1, 0, problem, Prompt(), rollouts, tuple(verdicts))
            assert verifier.measure(group) == {"slow_verdict_rate": rates, "worker_ended_rate": [1.0, 0.0]}
            again = verifier.verify(problem, rollouts)  # from memory, with the same rates
            assert again == verdicts
            assert verifier.measure(group) == {"slow_verdict_rate": rates, "worker_ended_rate": [1.0, 0.0]}
            assert verifier.measure(replace(group, problem=replace(problem, kind="code"))) is None
        finally:
            verifier.finish_run()


def test_an_answer_is_not_blamed_for_a_gold_that_hangs() -> None:
    verifier = MathVerify(workers=1, limit=0.3)
    try:
        (verdict,) = grade(verifier, HANGS, [r"\boxed{\max(a, 9)}"])
        assert (verdict.outcome, verdict.reason) == (
            "unscored",
            "the gold cannot be graded: too much for a worker: used up 0.3 s of CPU time",
        )
    finally:
        verifier.finish_run()


def test_a_bug_of_the_verifier_is_unscored_and_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = MathVerify()

    def broken(gold: str, answer: str) -> None:
        raise RuntimeError("oops")

    with monkeypatch.context() as patch:
        patch.setattr(math_verify, "compare", broken)
        assert boxed(verifier, "1", "2") == Verdict(
            "unscored", "2", "failed", "the verifier failed: RuntimeError('oops')"
        )
    assert boxed(verifier, "1", "2").outcome == "incorrect"


def test_a_bug_in_the_gate_for_restating_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(question: str, gold: str, answer: str) -> bool:
        raise RuntimeError("oops")

    monkeypatch.setattr(math_verify, "restates", broken)
    assert boxed(MathVerify(), "12", r"\frac{24}{2}", "How much is 7+5?").reason == (
        "the verifier failed: RuntimeError('oops')"
    )


def test_a_bug_in_a_reading_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(question: str, gold: str, answer: str) -> str:
        raise RuntimeError("oops")

    monkeypatch.setattr(math_verify, "READINGS", (broken,))
    verdict = boxed(MathVerify(), "12", "12")
    assert (verdict.outcome, verdict.reason) == ("unscored", "the verifier failed: RuntimeError('oops')")


@pytest.mark.parametrize("place", ["READINGS", "GATES", "compare"])
def test_an_answer_that_alone_provokes_a_bug_is_wrong(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    real = math_verify.compare

    def broken(*texts: str) -> object:
        if texts[-1] == r"\frac{24}{2}":
            raise RuntimeError("oops")
        return {"READINGS": texts[-1], "GATES": ""}.get(place) if place != "compare" else real(*texts)

    monkeypatch.setattr(math_verify, place, broken if place == "compare" else (broken,))
    wrong, right = grade(MathVerify(), "12", [r"\boxed{\frac{24}{2}}", r"\boxed{12.0}"])
    assert (wrong.outcome, wrong.rung, right.outcome) == ("incorrect", "failed", "correct")
    assert wrong.reason == "the verifier failed: RuntimeError('oops')"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the workers in /proc")
def test_killed_workers_cost_no_verdict() -> None:
    verifier = MathVerify(workers=2)
    stop = threading.Event()
    try:
        boxed(verifier, HARD, r"\max(a, 3b)")  # starts the workers
        killer = threading.Thread(target=_kill_a_worker_now_and_then, args=(stop,))
        killer.start()
        answers = [rf"\boxed{{\max(b, a) + {k} - {k}}}" for k in range(12)]
        verdicts = grade(verifier, HARD, answers)
        stop.set()
        killer.join()
        assert {v.outcome for v in verdicts} <= {"correct", "unscored"}
        assert all(v.outcome == "correct" for v in grade(verifier, HARD, answers))
    finally:
        stop.set()
        verifier.finish_run()


def _children(pid: int) -> list[int]:
    return [int(p) for t in Path(f"/proc/{pid}/task").glob("*/children") for p in t.read_text().split()]


def _kill_a_worker_now_and_then(stop: threading.Event) -> None:
    """Workers are grandchildren of this process: the zygote forks them."""
    while not stop.is_set():
        workers = [worker for zygote in _children(os.getpid()) for worker in _children(zygote)]
        for worker in workers[:1]:
            os.kill(worker, signal.SIGKILL)
        time.sleep(0.3)


HUGE = [
    *("1998^{3996}", "7^{9000}", r"\binom{1998}{999}", "1998!", r"\frac{1}{1998!}", "e^{-3000}", r"\pi^{3000}"),
    *("2^{2^{2^{2^{100}}}}", "5^{2^{900}}-1", r"\sqrt{2}(2^{9000}-1)", "x^{3000}", "x^{2^{2^{100}}}", "1-e^{-200}"),
]


@pytest.mark.parametrize("gold", HUGE)
def test_a_gold_outside_the_range_of_floats_is_told_from_other_numbers(verifier: MathVerify, gold: str) -> None:
    others = [r"\pi", "0", "1", "x", r"\frac{1}{0}", f"{gold}+1", f"-({gold})", f"2({gold})", f"({gold})+10^{{-9999}}"]
    same, *different = grade(verifier, gold, [rf"\boxed{{{answer}}}" for answer in [f"({gold})", *others]])
    assert same.outcome == "correct"
    assert [verdict.answer for verdict in different if verdict.outcome != "incorrect"] == []


def test_a_worker_that_cannot_read_a_gold_leaves_no_answer_unscored(verifier: MathVerify) -> None:
    """Our reader knows the gold, math-verify does not, and only math-verify knows the answer."""
    verdict = boxed(verifier, r"\langle 1, 2 \rangle", r"\overset{x}{y}")
    assert (verdict.outcome, verdict.rung) == ("incorrect", "gold")


# -- threads, memory, processes --------------------------------------------------------------------------------------


def test_many_threads_at_once(verifier: MathVerify) -> None:
    def one(k: int) -> list[str]:
        return [
            v.outcome
            for v in grade(verifier, str(k), [rf"\boxed{{{k}}}", rf"\boxed{{{k + 1}}}", rf"\boxed{{{2 * k}/2}}"])
        ]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(one, range(1, 200))) == [["correct", "incorrect", "correct"]] * 199


def test_equal_answers_of_a_group_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str]] = []
    real = math_verify.compare
    monkeypatch.setattr(
        math_verify, "compare", lambda gold, answer: (seen.append((gold, answer)), real(gold, answer))[1]
    )
    verifier = MathVerify()
    for _ in range(2):
        grade(verifier, "7", [r"\boxed{7}", r"so \boxed{7}", r"\boxed{8}", r"\boxed{7}"])
    assert sorted(seen) == [("7", "7"), ("7", "8")]


def test_the_memory_of_verdicts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(math_verify, "MEMORY_OF_VERDICTS", 10)
    verifier = MathVerify()
    grade(verifier, "7", [rf"\boxed{{{k}}}" for k in range(50)])
    assert len(verifier._memo) == 10


def test_nothing_is_started_for_answers_that_need_no_worker() -> None:
    verifier = MathVerify()
    boxed(verifier, "12", "13")
    assert verifier._pool is None
    verifier.finish_run()
    verifier.finish_run()


def test_it_can_be_used_again_after_a_run() -> None:
    verifier = MathVerify(workers=1)
    for _ in range(2):
        assert boxed(verifier, HARD, r"\max(a, 3b)").outcome == "incorrect"
        verifier.finish_run()
        verifier._memo.clear()


@settings(max_examples=300)
@given(st.text(st.characters(codec=None), max_size=300))  # any Unicode, lone surrogates and NUL included
def test_any_text_gets_a_verdict(text: str) -> None:
    (verdict,) = grade(MathVerify(), "12", [text])
    assert verdict.outcome == "incorrect"


def test_ten_megabytes_get_a_verdict(verifier: MathVerify) -> None:
    texts = ["x" * 10_000_000 + r"\boxed{12}", r"\boxed{12}" + "{" * 1_000_000, r"\boxed{" * 100_000]
    assert [v.outcome for v in grade(verifier, "12", texts)] == ["correct", "correct", "incorrect"]


# -- real golds ------------------------------------------------------------------------------------------------------


_PIECES = st.sampled_from(HOSTILE) | st.sampled_from(["{gold}", "0", "x", r"\pi", "10^{-300}"]) | st.text(max_size=9)
_ANSWERS = st.recursive(
    _PIECES,
    lambda sub: (
        st.tuples(sub, st.sampled_from(["+", "-", r"\cdot ", "/", "^", ",", "=", " "]), sub).map("".join)
        | st.tuples(
            st.sampled_from([r"\frac{1}{", r"\sqrt[3]{", r"\max(1,", r"\int_0^1 ", r"\sin(", "(", "-", "2^{"]),
            sub,
            st.sampled_from(["}", ")", "!", r"\%", "^{1/3}", " dx", r"\text{ m}"]),
        ).map("".join)
    ),
    max_leaves=4,
)


@needs_data
@pytest.mark.slow
def test_no_answer_leaves_itself_unscored() -> None:
    golds = sorted({gold for _, gold in load_golds(Path(str(DATA)) / "eval")})
    verifier = MathVerify(workers=2, limit=0.5)

    @settings(max_examples=250, deadline=None)
    @given(st.sampled_from([*golds, *HUGE]), st.lists(_ANSWERS, min_size=3, max_size=3))
    def judge(gold: str, answers: list[str]) -> None:
        verdicts = grade(verifier, gold, [rf"\boxed{{{answer.replace('{gold}', gold)}}}" for answer in answers])
        assert [verdict for verdict in verdicts if verdict.outcome == "unscored"] == []

    try:
        judge()
    finally:
        verifier.finish_run()


@needs_data
@pytest.mark.slow
def test_every_real_gold_accepts_itself(verifier: MathVerify) -> None:
    golds = load_golds(Path(str(DATA)) / "eval")
    assert len(golds) == 1646
    assert [g for _, g in golds if boxed(verifier, g, g.strip().strip("$")).outcome != "correct"] == []


@needs_data
@pytest.mark.slow
def test_equivalent_answers_to_real_golds_are_accepted(verifier: MathVerify) -> None:
    golds = dict.fromkeys(gold for _, gold in load_golds(Path(str(DATA)) / "eval"))
    pairs = [(gold, text) for gold in golds for _, text in equivalent_variants(gold)]
    refused = [(gold, text) for gold, text in pairs if boxed(verifier, gold, text).outcome != "correct"]
    assert len(pairs) > 30_000
    assert len(refused) <= 0.005 * len(pairs), refused[:20]


@needs_data
@pytest.mark.slow
def test_near_misses_of_real_golds_are_refused(verifier: MathVerify) -> None:
    golds = [gold for _, gold in load_golds(Path(str(DATA)) / "eval")]
    accepted, count = [], 0
    for before, gold, after in zip(golds, golds[1:], golds[2:], strict=False):
        for kind, text in wrong_variants(gold, [before, after]):
            count += 1
            if boxed(verifier, gold, text).outcome == "correct":
                accepted.append((kind, gold, text))
    assert count > 15_000
    assert accepted == []
