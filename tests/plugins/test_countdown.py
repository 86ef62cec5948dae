from __future__ import annotations

import doctest
import itertools
import re
from contextlib import suppress
from fractions import Fraction
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError, Problem, Verdict
from justtinker_core.config import DataSpec
from justtinker_core.options import configure
from justtinker_core.testing import Runner, make_problem, make_rollout
from justtinker_plugins.environments import _arithmetic, countdown
from justtinker_plugins.environments._arithmetic import MOST_CHARS, compute
from justtinker_plugins.environments.countdown import Countdown, key_of

SMALL: dict[str, Any] = {"numbers": 3, "largest": 9, "operations": "+-", "in_order": True, "held_out": 100}


def load(purpose: Literal["train", "eval"], seed: int = 0, **options: Any) -> list[Problem]:
    spec = DataSpec("train" if purpose == "train" else "held_out", purpose, "countdown", options)
    return list(configure(Countdown, spec.table, options).load_problems(spec, seed))


def game(gold: str, **fields: Any) -> Problem:
    return make_problem("?", gold, kind="countdown", **fields)


def verdict(answer: str, gold: str = "8-5+3", **options: Any) -> Verdict:
    verdicts = Countdown(**options).verify(game(gold), [make_rollout(f"<think>so</think>\\boxed{{{answer}}}")])
    assert verdicts is not None
    return verdicts[0]


def test_documented_examples() -> None:
    assert doctest.testmod(countdown).failed == doctest.testmod(_arithmetic).failed == 0


# -- problems --------------------------------------------------------------------------------------------------------


def test_a_problem_asks_for_its_solutions_value() -> None:
    problem = load("eval")[0]
    numbers = sorted(map(int, compute(problem.answer or "").numbers))
    assert len(numbers) == 4
    target = compute(problem.answer or "").value
    assert 1 <= target <= 100
    assert f"Make {target} from the numbers " in problem.question
    asked = re.search(r"numbers ([\d, ]+)\. Use", problem.question)
    assert asked is not None
    assert sorted(map(int, asked[1].split(", "))) == numbers


@pytest.mark.parametrize("options", [SMALL, {"operations": "+*"}, {"numbers": 2, "largest": 20}, {}])
def test_every_gold_is_right_and_no_game_is_trained_and_asked(options: dict[str, Any]) -> None:
    small = {"held_out": 50, "count": 200} | options
    train, held_out = load("train", **small), load("eval", **small)
    assert len({key_of(p) for p in held_out}) == len(held_out) == small["held_out"]
    assert not {key_of(p) for p in held_out} & {key_of(p) for p in train}
    assert len({p.id for p in train}) == len(train) == small["count"]
    judge = Countdown(**options)
    for problem in [*train, *held_out]:
        assert judge.wrong(compute(problem.answer or ""), problem.answer or "") == ""
        verdicts = judge.verify(problem, [make_rollout(f"\\boxed{{{problem.answer}}}")])
        assert verdicts is not None
        assert verdicts[0].outcome == "correct"


def test_only_a_careful_teacher_is_always_right() -> None:
    def share_right(**options: Any) -> float:
        problems = load("train", count=300, **SMALL, **options)
        judged = [Countdown().verify(p, [make_rollout(str(p.demonstration))]) for p in problems]
        return sum(verdicts is not None and verdicts[0].outcome == "correct" for verdicts in judged) / len(problems)

    assert share_right(gives_up=0.0) == 1.0
    assert 0.2 < share_right() < 0.7
    assert share_right(gives_up=1.0) < share_right()


def test_a_demonstration_shows_its_tries() -> None:
    problem = next(p for p in load("train", gives_up=0.0, **SMALL) if p.id == "4, 7, 2 = 9")
    assert problem.demonstration == "<think>4+7=11+2=13, 4+7=11-2=9</think>\\boxed{4+7-2}"
    long = load("train", count=100, gives_up=0.0, tries=2)
    assert max(str(p.demonstration).count(", ") for p in long) == 1


def test_the_same_games_whatever_the_seed_and_other_training() -> None:
    assert load("eval", 1, **SMALL) == load("eval", 2, **SMALL)
    assert load("train", 1, **SMALL) == load("train", 1, **SMALL)
    assert load("train", 1, **SMALL) != load("train", 2, **SMALL)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"operations": "+^"}, "operations = '+^': some of + - * / are wanted"),
        ({"question": "Make it from {numbers}."}, "never tells the target: write {target} where it is"),
    ],
)
def test_bad_options(options: dict[str, Any], text: str) -> None:
    with pytest.raises(PluginError, match=re.escape(text)):
        configure(Countdown, "plugins.countdown", options)


def test_more_held_out_than_there_are() -> None:
    with pytest.raises(PluginError, match=r"\[data.eval.held_out\] held_out = 400: this game has \d+ problems"):
        load("eval", numbers=2, largest=3)


# -- verdicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    ["8-5+3", "3+(8-5)", " 8 - 5 + 3 = 6 ", r"8-5+3=6", "-5+8+3", "3-(5-8)", r"\left(8-5\right)+3", "8\u22125+3"],
)
def test_right(answer: str) -> None:
    assert verdict(answer).outcome == "correct"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("6", "not the given numbers, each exactly once"),
        ("3+3", "not the given numbers, each exactly once"),
        ("8-5+3+3-3", "not the given numbers, each exactly once"),
        ("8-5+3*1", "not the given numbers, each exactly once"),
        ("85-79", "not the given numbers, each exactly once"),
        ("8-5+3.0+0", "not the given numbers, each exactly once"),
        ("8+5-3", "another value than the target"),
        ("8*5-3", "* is not allowed"),
        ("8+5-3=6", "another value than the target"),
        ("8-5+3=7", "it says that it makes something else"),
        ("8-5+3=6=6", "not an expression of numbers, + - * / and parentheses"),
        ("8-5+(3", "not a whole expression"),
        ("8-5+3 or 8+5-3", "not an expression of numbers, + - * / and parentheses"),
        ("8/(5-5)+3", "division by zero"),
        ("8**5//3", "only numbers, + - * / and parentheses"),
        ("__import__('os')", "not an expression of numbers, + - * / and parentheses"),
        ("", "an empty box"),
    ],
)
def test_wrong(answer: str, reason: str) -> None:
    found = verdict(answer, operations="+-")
    assert found.outcome == "incorrect"
    if answer:
        assert found.reason == reason


@pytest.mark.parametrize(
    "bomb", ["9**9**9", "(" * 90 + "1" + ")" * 90, "-" * 190 + "1", "9" * 190, "1/" * 90 + "3", "9" * 10_000]
)
def test_bombs_are_wrong_at_once(bomb: str) -> None:
    assert verdict(bomb).outcome == "incorrect"


@pytest.mark.parametrize("gold", ["", "6", "8-5+", "9" * 300, "x"])
def test_a_gold_that_is_no_solution_is_nobodys_fault(gold: str) -> None:
    found = verdict("8-5+3", gold)
    assert (found.outcome, found.rung) == (("incorrect", "boxed") if gold == "6" else ("unscored", "gold"))


def test_other_kinds_are_others_business() -> None:
    assert Countdown().verify(make_problem("?", "8-5+3"), [make_rollout("x")]) is None


def reachable(numbers: tuple[Fraction, ...]) -> set[Fraction]:
    """Every value of every expression of these numbers: the obvious solver."""
    if len(numbers) == 1:
        return {numbers[0]}
    found = set()
    for size in range(1, len(numbers)):
        for left in itertools.combinations(range(len(numbers)), size):
            right = tuple(n for i, n in enumerate(numbers) if i not in left)
            for a, b in itertools.product(reachable(tuple(numbers[i] for i in left)), reachable(right)):
                found |= {a + b, a - b, a * b} | ({a / b} if b else set())
    return found


small_numbers = st.lists(st.integers(1, 9), min_size=3, max_size=3)


@given(
    small_numbers, st.permutations(range(3)), st.lists(st.sampled_from("+-*/"), min_size=2, max_size=2), st.booleans()
)
def test_right_is_what_a_solver_can_reach(
    numbers: list[int], order: list[int], signs: list[str], grouped: bool
) -> None:
    a, b, c = (numbers[i] for i in order)
    text = f"{a}{signs[0]}({b}{signs[1]}{c})" if grouped else f"({a}{signs[0]}{b}){signs[1]}{c}"
    try:
        value = compute(text).value
    except ValueError:
        return
    assert value in reachable(tuple(map(Fraction, numbers)))
    gold = compute(text)
    assert Countdown().wrong(gold, text) == ""
    gold.value += 1
    assert Countdown().wrong(gold, text) == "another value than the target"


@given(st.text(alphabet="0123456789+-*/(). =\\frac{}", max_size=MOST_CHARS + 5))
def test_any_text_is_a_value_or_a_complaint(text: str) -> None:
    with suppress(ValueError):
        found = compute(text)
        assert isinstance(found.value, Fraction)
        assert len(found.operations) == len(found.numbers) - 1


def test_a_run_pays_for_solutions(run_with: Runner) -> None:
    problems = load("eval", **SMALL)[:4]
    golds = {p.question: p.answer for p in problems}
    done = run_with(
        Countdown,
        problems=problems,
        respond=lambda prompt, index: f"\\boxed{{{golds[prompt] if index == 0 else '1+1'}}}",
    )
    assert [[v.outcome for v in g.verdicts] for g in done.groups] == [["correct"] + ["incorrect"] * 3] * 8
