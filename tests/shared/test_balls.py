from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.balls import EXACT, MAX_WORK, SURE_BITS, Ball, Balls, VagueError
from justtinker_plugins.shared.latex.tokens import TooLargeError
from justtinker_plugins.shared.latex.values import UndefinedError

Expression = Fraction | tuple[Any, ...]

_NUMBERS = st.integers(-50, 50).map(Fraction) | st.fractions(-2, 2, max_denominator=30)
_EXPRESSIONS = st.recursive(
    _NUMBERS,
    lambda sub: (
        st.tuples(st.sampled_from(["sum", "product", "quotient", "power"]), sub, sub)
        | st.tuples(st.sampled_from(["exp", "log", "negative", "size", "sin", "atan"]), sub)
        | st.tuples(st.just("whole_power"), sub, st.integers(-6, 6))
    ),
    max_leaves=6,
)


def work_out(balls: Balls, expression: Expression) -> Ball:
    if isinstance(expression, Fraction):
        return balls.rational(expression)
    name, *parts = expression
    if name == "whole_power":
        return balls.whole_power(work_out(balls, parts[0]), parts[1])
    a, *others = (work_out(balls, part) for part in parts)
    if name in ("sin", "atan"):
        return balls.function(getattr(balls.m, name), a)
    if name in ("sum", "product"):
        both: Ball = getattr(balls, name)((a, *others))
        return both
    ball: Ball = getattr(balls, name)(a, *others)
    return ball


@given(_EXPRESSIONS)
def test_the_error_is_a_bound(expression: Expression) -> None:
    few, many = Balls(256), Balls(2048)
    try:
        coarse, fine = work_out(few, expression), work_out(many, expression)
    except (VagueError, UndefinedError, TooLargeError):
        return
    assert many.mag(coarse.value - fine.value) <= max(coarse.error, fine.error)
    assert few.relative(coarse) < 0 or few.is_noise(coarse) or not coarse.value


def test_a_sum_hides_what_its_smallest_term_is_worth() -> None:
    balls = Balls(512)
    balls.sum(map(balls.rational, (Fraction(1), Fraction(1, 2**100), Fraction(1, 2**300))))
    assert balls.hidden == pytest.approx(300, abs=2)
    balls.sum(map(balls.rational, (Fraction(1), Fraction(1))))
    assert balls.hidden == pytest.approx(300, abs=2)


def test_a_term_that_drowns_takes_more_digits() -> None:
    with pytest.raises(VagueError):
        Balls(512).sum((Ball(Balls(512).m.mpc(0), -500), Balls(512).rational(Fraction(1, 2**600))))


def test_what_is_left_of_a_difference_is_zero_once_nothing_can_hide() -> None:
    balls = Balls(512)
    third = balls.rational(Fraction(1, 3))
    nothing = balls.sum((third, balls.negative(third)))
    assert nothing.error > EXACT
    assert balls.is_zero(nothing)
    balls.hidden = 512 - SURE_BITS + 1
    with pytest.raises(VagueError):
        balls.is_zero(nothing)
    with pytest.raises(VagueError):
        balls.touch(third, third)


def test_work_is_limited() -> None:
    balls = Balls(512, spent=MAX_WORK)
    with pytest.raises(TooLargeError, match="too much work to compare"):
        balls.exp(balls.rational(Fraction(1)))
