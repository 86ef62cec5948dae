from __future__ import annotations

import doctest
import random
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import permutations, product
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from justtinker_core import PluginError, Problem, Rollout, Verdict, config
from justtinker_core.options import configure
from justtinker_core.plugins import Plugins
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.types import DataSpec
from justtinker_plugins.environments import _arithmetic, countdown
from justtinker_plugins.environments._arithmetic import MOST_CHARS, compute
from justtinker_plugins.environments.countdown import Countdown

TINY = {"numbers": 3, "largest": 19, "operations": "+-", "reorder": False, "question": "{numbers} = {target}?"}


def load(purpose: Literal["train", "eval"], seed: int = 0, **options: Any) -> list[Problem]:
    spec = DataSpec("train" if purpose == "train" else "held_out", purpose, "countdown", options)
    return list(configure(Countdown, spec.table, options).load_problems(spec, seed))


def tiny(purpose: Literal["train", "eval"], seed: int = 0, **options: Any) -> list[Problem]:
    return load(purpose, seed, **{**TINY, "count": 500, **options})


def judged(solution: str, *answers: str, **options: Any) -> list[Verdict]:
    rollouts = [Rollout((), (), (), answer) for answer in answers]
    verdicts = Countdown(**options).verify(Problem("p", "q", solution, "countdown"), rollouts)
    assert verdicts is not None
    return verdicts


def reason(solution: str, answer: str, **options: Any) -> str:
    [verdict] = judged(solution, f"<think>x</think>\\boxed{{{answer}}}", **options)
    assert (verdict.outcome == "correct") == (verdict.reason == "")
    return verdict.reason


# Exact arithmetic


def test_documented_examples() -> None:
    assert doctest.testmod(_arithmetic)[:] == (0, 2)
    assert doctest.testmod(countdown)[:] == (0, 5)


def joined(parts: tuple[tuple[str, Fraction], str, tuple[str, Fraction]]) -> tuple[str, Fraction] | None:
    (left, a), sign, (right, b) = parts
    if sign == "/" and b == 0:
        return None
    value = {"+": a + b, "-": a - b, "*": a * b}.get(sign)
    return f"({left}) {sign} ({right})", a / b if value is None else value


TREES = st.recursive(
    st.integers(0, 99).map(lambda n: (str(n), Fraction(n))),
    lambda some: st.tuples(some, st.sampled_from("+-*/"), some).map(joined).filter(lambda tree: tree is not None),
    max_leaves=8,
)


@given(TREES.filter(lambda tree: tree is not None and len(tree[0]) <= MOST_CHARS))
def test_any_expression_has_its_exact_value(tree: tuple[str, Fraction]) -> None:
    text, value = tree
    assert compute(text).value == value


PIECES = st.sampled_from(["+", "-", "*", "/", "(", ")", "0", "7", "12", "3.5", "2*3", "(8-5)", "6/4"])


@given(st.lists(PIECES, max_size=12).map("".join))
@example("2+3*4-6/3*2")
@example("2*(3)4")
@example("8-5-2/4/2")
@example("-(7-12)--3.5")
@example("07")
def test_what_binds_tighter_is_as_in_python(text: str) -> None:
    unlike = re.search(r"\*\*|//|\(\)|[0-9)]\(|(^|[-+*/(])\+|(?<![0-9.])0[0-9]", text)  # what only Python reads
    exact = re.sub(r"[0-9.]+", r"F('\g<0>')", text)
    try:
        expected = None if unlike else eval(exact, {"F": Fraction})
    except (SyntaxError, TypeError, ZeroDivisionError, ValueError):
        expected = None
    try:
        found = compute(text).value
    except ValueError:
        found = None
    assert found == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1/3+1/3+1/3", 1), ("0.1+0.2", Fraction(3, 10)), ("2 - -3", 5), ("-2*3", -6), ("8\u00d72\u22121", 15),
        ("9\u00f73\u00b72", 6),
        (r"\left(8 - 5\right) \times 3", 9), (r"8 \cdot 3 \div 4", 6), (r"\frac{8}{2} + \dfrac{\frac{6}{3}}{1}", 6),
        ("$7$", 7), (".5*8", 4), ("0.5*8.", 4),
        ("8\u22c53+2", 26), ("8\u22173", 24), (r"8 \ast 3", 24), (r"8 \* 3", 24),
        ("14\u20137+4", 11), ("14\u20117\uff0d4", 3), ("8\u22152", 4), ("8\u20442", 4),
        (r"\frac82+3", 7), (r"\frac {8}{2}", 4), (r"\frac 8 2", 4), (r"\tfrac{8}2", 4), (r"\cfrac{8}{\frac42}", 4),
        (r"\(14-7+4\)", 11), (r"\[14-7+4\]", 11), (r"\bigl(8-5\bigr)\times 3", 9), (r"\Bigg(8-5\Bigg)*3", 9),
        ("14-7+4.", 11), (r"\(14-7+4\).", 11), ("{14}-{7}", 7), ("[14-(7-4)]*2", 22), ("14\u00a0-\u20097", 7),
        (r"14~-\>7\quad + \displaystyle 4", 11), ("1,000*2", 2000), ("1,234,567.5+1", Fraction(2469137, 2)),
        ("1{,}000-1", 999),
        ("12345678901234567890123+1", 12345678901234567890124),
    ],
)  # fmt: skip
def test_what_is_read(text: str, value: Fraction) -> None:
    assert compute(text).value == value


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("9**9**9", "not a whole expression"),
        ("9//2", "not a whole expression"),
        ("3(4)", "not a whole expression"),
        ("+3", "not a whole expression"),
        ("9^9", "not an expression of numbers, + - * / and parentheses"),
        ("__import__('os')", "not an expression of numbers, + - * / and parentheses"),
        ("1e9", "not an expression of numbers, + - * / and parentheses"),
        ("1_0", "not an expression of numbers, + - * / and parentheses"),
        ("\u0663+1", "not an expression of numbers, + - * / and parentheses"),
        (".", "not a whole expression"), ("1..", "not an expression of numbers, + - * / and parentheses"),
        ("1.5.5", "not a whole expression"), ("1 .5", "not a whole expression"),
        *[(text, "not an expression of numbers, + - * / and parentheses") for text in (
            "14,7", "1, 000", "1,00", "1,0000", "0,500", "1,000,00", "0.1,000", "1,000,", ",", "14;7", "14 or 7",
            "14,7+4", "8:2", r"\\(1+1", r"\frac8", r"\sqrt4", r"\bigx(1)", "3!", "5%", "1\u20142", r"\boxed{1}",
        )],
        (r"\frac123", "not a whole expression"), (r"\frac{1}{4}7", "not a whole expression"),
        ("{14}{7}", "not a whole expression"),
        ("1{4}-7", "not a whole expression"), ("{14}7", "not a whole expression"), ("1 000", "not a whole expression"),
        (r"1\,000", "not a whole expression"), ("{}", "not a whole expression"), ("2[3]", "not a whole expression"),
        ("(" + "[" * 198 + "1", "not a whole expression"), (r"\frac11" * 28, "not a whole expression"),
        ("1\n+1", "not an expression of numbers, + - * / and parentheses"),
        ("", "not a whole expression"), ("1 2", "not a whole expression"), ("(1", "not a whole expression"),
        ("05+1", "not a whole expression"), ("(" * 199, "not a whole expression"),
        ("-" * 199, "not a whole expression"),
        ("1/(2-2)", "division by zero"), ("0/0", "division by zero"),
        ("1+" * 100 + "1", "longer than 200 characters"),
    ],
)  # fmt: skip
def test_what_is_not_read(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)) as error:
        compute(text)
    assert str(error.value) == complaint


@pytest.mark.parametrize(
    "unit", ["1", "12 ", "1.", ".1", "1,000", "1,", "((", "{", "\\frac", "\\frac1", "\\frac{1}", "[", "- ", "\\"]
)
@pytest.mark.parametrize("end", ["x", "", ")"])
def test_nonsense_is_judged_at_once(unit: str, end: str) -> None:
    start = time.process_time()
    with suppress(ValueError):
        compute((unit * MOST_CHARS)[: MOST_CHARS - 1] + end)
    assert time.process_time() - start < 20


def test_a_number_with_thousands_is_one_number() -> None:
    assert compute("1,000+2").numbers == [1000, 2]
    assert reason("1000+2", "1,000+2") == ""
    assert reason("1+0+2", "1,000+2").endswith("is not given")
    assert reason("100+200", "100,200") == "100200 is not given"


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=210), st.text("0123456789+-*/(). ", max_size=200), st.text("()-1", max_size=200)))
def test_any_text_has_a_bounded_value_or_a_reason(text: str) -> None:
    with suppress(ValueError):
        assert max(map(abs, compute(text).value.as_integer_ratio())) < 10**MOST_CHARS


# The verdict


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("14-7+4", ""), ("4 + (14 - 7)", ""), (r"14 - 7 + 4 = 11", ""), ("-7+4+14", ""), ("14-(7-4)", ""),
        ("11", "11 is not given"),
        ("14-7+4+0", "0 is not given"),
        ("7+4", "14 is not used"),
        ("14-7+4+7-7", "7 is used too often"),
        ("147-4", "147 is not given"),
        ("14+7-4", "it makes 17, not 11"),
        ("14-7+4 = 12", "what follows '=' is not the target"),
        ("11 = 14-7+4", "11 is not given"),
        ("14-7+x", "not an expression of numbers, + - * / and parentheses"),
        ("14*7/4", "* is not allowed"),
        ("14/(7-4)", "/ is not allowed"),
        ("14 7 4", "not a whole expression"),
        (r"14-7+4\ =\ 11", ""), ("14-7+4 = 11.", ""), ("14-7+4=7+4=11", ""), ("14-7+4 =", ""), (r"\(14-7+4 = 11\)", ""),
        ("{14}-{7}+{4}", ""), ("14\u20137+4.", ""), ("$14-7+4=$11", ""), ("14.0-7+4", ""), ("14-7+4 = 11.0", ""),
        ("14+7-4 = 14-7+4 = 11", "it makes 17, not 11"),
        ("7+4 = 14-7+4 = 11", "14 is not used"),
        ("11 = 11", "11 is not given"),
        ("14-7+4 = 14+7-4 = 11", "what follows '=' is not the target"),
        ("14-7+4 = 11 = 12", "what follows '=' is not the target"),
        ("14-7+4 = 11 or 12", "what follows '=' is not the target"),
        ("14-7+4 == 11", "what follows '=' is not the target"),
        ("14-7+4 = x", "what follows '=' is not the target"),
        ("14-7+4, 14+7-4", "not an expression of numbers, + - * / and parentheses"),
        ("1{4}-7+4", "not a whole expression"),
        ("14-{7}{4}", "not a whole expression"),
        ("9**9**9", "not a whole expression"),
    ],
)  # fmt: skip
def test_one_answer(answer: str, complaint: str) -> None:
    assert reason("14-7+4", answer, operations="+-") == complaint


def test_given_twice_is_used_twice() -> None:
    assert reason("5+5+3", "5+3+5") == ""
    assert reason("5+5+3", "5+3") == "5 is not used as often as given"
    assert reason("5+5+3", "5+5+5-2") == "5 is used too often"


def test_a_minus_in_front_is_a_minus() -> None:
    assert reason("5+3", "3 - -5", operations="+") == "- is not allowed"
    assert reason("8*3", "-8*-3", operations="*") == "- is not allowed"


def test_fractions_on_the_way() -> None:
    assert reason("8/(3-8/3)", "8/(3 - 8/3) = 24") == ""
    assert reason("8/(3-8/3)", r"\frac{8}{3 - \frac{8}{3}}") == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<think>14-7+4=11</think>", r"no \boxed{…} in the answer"),
        (r"<think>\boxed{14-7+4}", "a <think> is never closed"),
        (r"<think>\boxed{14-7+4}</think>", r"no \boxed{…} in the answer"),
        (r"\boxed{14-7+4} or \boxed{14+7-4}", "it makes 17, not 11"),
        (r"\boxed{14-7+4, 14+7-4}", "not an expression of numbers, + - * / and parentheses"),
        (r"\boxed{14-7+4", r"the last \boxed{…} is never closed"),
        (r"\boxed{" + "14-7+4" + "+4-4" * 60 + "}", r"the last \boxed{…} is longer than 200 characters"),
    ],
)
def test_no_hack_is_paid(text: str, why: str) -> None:
    [verdict] = judged("14-7+4", text)
    assert (verdict.outcome, verdict.reason) == ("incorrect", why)


def test_other_kinds_are_passed_on_and_a_bad_gold_is_unscored() -> None:
    assert Countdown().verify(Problem("p", "q", "1", "math"), []) is None
    for gold in (None, "", "eleven"):
        [verdict] = Countdown().verify(Problem("p", "q", gold, "countdown"), [Rollout((), (), (), "\\boxed{1}")]) or []
        assert (verdict.outcome, verdict.rung) == ("unscored", "gold")
        assert verdict.reason.startswith("the gold is not a solution: not a")


def test_right_answers_vote_together() -> None:
    votes = [v.vote for v in judged("5+3", r"\boxed{5+3}", r"\boxed{3+5}", r"\boxed{5-3}")]
    assert votes[0] == votes[1] is not None
    assert votes[2] is None


def solutions(numbers: Sequence[int], target: int, operations: str) -> set[str]:
    """Every solution from the left, as Python computes it."""
    ways = set()
    for order, signs in product(permutations(numbers), product(operations, repeat=len(numbers) - 1)):
        text = str(order[0])
        for sign, number in zip(signs, order[1:], strict=True):
            text = f"({text}{sign}{number})"
        ways.add(text)
    return {way for way in ways if exact(way) == target}


def exact(way: str) -> Fraction | None:
    try:
        return Fraction(eval(re.sub(r"(\d+)", r"Fraction(\1)", way), {"Fraction": Fraction}))
    except ZeroDivisionError:
        return None


@settings(max_examples=60)
@given(st.randoms(use_true_random=False), st.sampled_from(["+-", "+-*/", "*-"]), st.integers(2, 3), st.integers(1, 3))
def test_the_verdict_agrees_with_brute_force(rng: random.Random, operations: str, count: int, shift: int) -> None:
    plugin = Countdown(numbers=count, operations=operations, count=1, held_out=1)
    [problem] = plugin.load_problems(DataSpec("train", "train", "countdown", {}), rng.randrange(1000))
    numbers = [int(n) for n in re.findall(r"\d+", problem.id.partition(" = ")[0])]
    target = int(problem.id.partition(" = ")[2])
    right = solutions(numbers, target, operations)
    assert right, "solvable by construction"
    others = solutions(numbers, target + shift, operations)
    for way in [*sorted(right)[:5], *sorted(others)[:5]]:
        [verdict] = plugin.verify(problem, [Rollout((), (), (), f"\\boxed{{{way}}}")]) or []
        assert (verdict.outcome == "correct") == (way in right), (problem, way, verdict)


# The problems


def test_a_problem() -> None:
    problem = next(p for p in tiny("train", careless=0.0) if p.demonstration and p.demonstration.count("=") > 4)
    assert re.fullmatch(r"1\d, \d, \d = \d+", problem.id)
    assert problem.question == f"{problem.id}?"
    assert problem.kind == "countdown"
    assert set(problem.meta["operations"]) <= set("+-")
    asked = load("eval", held_out=1)[0]
    assert re.fullmatch(
        r"Make \d+ from the numbers \d\d, \d, \d, \d\. Use each of them exactly once, and only the operations "
        r"\+ - \* / and parentheses\. Put the expression into the box\.",
        asked.question,
    )


@pytest.mark.parametrize("options", [TINY, {}, {"numbers": 6, "large": 2, "operations": "+-*"}])
def test_a_careful_teacher_is_right(options: dict[str, Any]) -> None:
    for problem in load("train", count=200, held_out=50, careless=0.0, **options):
        text = problem.demonstration
        assert isinstance(text, str)
        [verdict] = judged(problem.answer or "", text, **options)
        assert verdict.outcome == "correct", problem
        *misses, hit = re.split(", ", text.partition("</think>")[0])
        target = problem.id.partition(" = ")[2]
        assert hit.endswith(f"={target}")
        assert not any(miss.endswith(f"={target}") for miss in misses)
        assert len(misses) < 4
        for left, sign, right, total in re.findall(r"(?=(?<!\d)(\d+)([-+*/])(\d+)=(\d+))", text):
            assert compute(f"{left}{sign}{right}").value == int(total)


def test_a_careless_teacher_is_wrong_as_often_as_configured() -> None:
    right = [
        judged(p.answer or "", str(p.demonstration), operations="+-")[0].outcome == "correct"
        for p in tiny("train", count=2000)
    ]
    several = [str(p.demonstration).count(", ") > 0 for p in tiny("train", count=2000)]
    assert all(r for r, s in zip(right, several, strict=True) if not s)
    wrong = [not r for r, s in zip(right, several, strict=True) if s]
    assert sum(wrong) / len(wrong) == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize("options", [TINY, {}])
def test_training_and_evaluation_share_no_game(options: dict[str, Any]) -> None:
    train, held_out = load("train", count=1000, **options), load("eval", **options)
    games = {p.meta["game"] for p in held_out}
    assert len(held_out) == len(games) == 400
    assert games.isdisjoint(p.meta["game"] for p in train)
    assert len({p.id for p in train}) == 1000
    assert all(p.demonstration is None for p in held_out)


def test_problems_are_functions_of_the_seeds() -> None:
    assert tiny("train", 1) == tiny("train", 1) != tiny("train", 2)
    assert tiny("eval", 1) == tiny("eval", 2) != tiny("eval", 1, held_out_seed=1)
    assert tiny("eval", held_out=100) == tiny("eval", held_out=400)[:100]
    assert tiny("eval", careless=0.0, tries=2) == tiny("eval")


def test_an_evaluation_of_what_is_trained_does_not_start(tmp_path: Path) -> None:
    tables = {"run": {"name": "x", "model": "tiny", "steps": 1}}
    train = tiny("train", count=2000)
    run = Run(config.parse(tables, tmp_path), Plugins([]), RunDir(tmp_path), train_problems=tuple(train))
    stranger = Problem("12+12", "What is 12+12?", "24")
    other = tiny("eval", held_out_seed=1)
    run.eval_problems = {"same": (*tiny("eval"), stranger), "other": tuple(other)}
    (complaint,) = Countdown().preflight(run)
    shared = len({p.meta["game"] for p in train} & {p.meta["game"] for p in other})
    assert complaint == (
        f"[data.eval.other] asks {shared} games that [data.train] trains on; give both tables the same options (or "
        "once, in [plugins.countdown])"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"operations": "+^"}, "[data.train] operations = '+^': expected some of +-*/"),
        ({"operations": ""}, "[data.train] operations = '': expected some of +-*/"),
        ({"numbers": 2, "large": 3}, "[data.train] large = 3: there are only 2 numbers"),
        (
            {"question": "Make {target}"},
            "[data.train] question = 'Make {target}' never shows the numbers; write {numbers} where it goes",
        ),
        ({"careless": 1.5}, "[data.train] careless = 1.5: input should be less than or equal to 1"),
        (
            {"numbers": 2, "large": 0, "operations": "+", "held_out": 10},
            "countdown finds no more than 61 different problems; ask for fewer (count, held_out), or choose a larger "
            "game (numbers, largest, operations)",
        ),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError) as error:
        load("train", **options)
    assert str(error.value) == message
