r"""Numbers with a bound on their error: whether two values are equal, with as many digits as it takes to tell.

A ball is a number of mpmath, whose exponent has no limits, and a bound on its error. Two balls that do not touch are
different. Balls that touch say little: ``\sqrt{2 + 10^{-90}}`` and ``\sqrt2`` agree in 90 digits. So an evaluation also
counts in how many bits an expression can hide a difference: the digits of its numbers, the ratio of the largest and
the smallest term of each sum, and how far the arguments of functions are from 1. Two values are equal if they still
touch with `SURE_BITS` more than both expressions can hide. Where that takes more than `MAX_BITS`, nobody can tell.

The bounds are rules of thumb, with a few bits to spare, and not interval arithmetic: an error is carried on in first
order, through a function by its change between two points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple, TypeGuard, TypeVar

from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.tokens import TooLargeError, UnsupportedError
from justtinker_plugins.shared.latex.values import (
    NOWHERE,
    InexactError,
    Point,
    UndefinedError,
    exact_value,
    odd_root_power,
)  # fmt: skip

SURE_BITS = 200
"""The bits, 60 digits, in which equal values agree beyond what their expressions can hide."""
FIRST_BITS, MAX_BITS = 512, 32_768
MAX_WORK = 25_000
"""For one comparison, in microseconds or so."""
MAX_LOG = 1020
"""The bits of a logarithm: 2^{2^{1000}} can be worked out, the next tower cannot."""
MAX_FACTORIAL = 5000
MAX_WHOLE_POWER = 10_000
EXACT = -math.inf


class Ball(NamedTuple):
    value: Any
    """A complex number of mpmath."""
    error: float
    """The exponent of a power of two that the error stays below; EXACT if there is no error."""


T = TypeVar("T")


class VagueError(ValueError):
    """It takes more digits to go on."""


def value_of(node: Node, point: Point = NOWHERE) -> Any:
    """A tree's value at a point as a complex number of mpmath. Raises like `same_value`."""
    return _with_enough_bits(lambda evaluation: evaluation.evaluate(node), point, principal=False).value


def same_value(gold: Node, answer: Node, point: Point = NOWHERE, *, principal: bool = False) -> bool:
    r"""Whether two trees have the same value at a point, as far as a feasible number of digits shows.

    With `principal`, ``(-8)^{1/3}`` is the complex number ``1 + \sqrt3 i``; otherwise it is -2, as the third root is.
    Raises UndefinedError, UnsupportedError, or TooLargeError if it cannot be told.
    """

    def touch(evaluation: _Evaluation) -> bool:
        return evaluation.touch(evaluation.evaluate(gold), evaluation.evaluate(answer))

    return _with_enough_bits(touch, point, principal)


def _with_enough_bits(work: Callable[[_Evaluation], T], point: Point, principal: bool) -> T:
    bits, spent = FIRST_BITS, 0.0
    while bits <= MAX_BITS:
        evaluation = _Evaluation(bits, point, principal, spent)
        try:
            return work(evaluation)
        except VagueError:
            needed = int(evaluation.hidden) + SURE_BITS
            bits, spent = max(2 * bits, -(-needed // FIRST_BITS) * FIRST_BITS), evaluation.spent
        except OverflowError as error:
            raise TooLargeError("a number too large to compare") from error
        except (TooLargeError, UnsupportedError, UndefinedError):
            raise
        except (ValueError, ZeroDivisionError) as error:  # a pole of mpmath's gamma function
            raise UndefinedError(str(error)) from error
    raise TooLargeError(f"more than {MAX_BITS} bits")


@cache
def _context(bits: int) -> Any:
    """Threads share these contexts, so nothing may change their precision. The first call imports mpmath."""
    import mpmath

    context = mpmath.MPContext()
    context.prec = bits
    return context


class _Evaluation:
    """Evaluate trees in balls of so many bits."""

    def __init__(self, bits: int, point: Point, principal: bool, spent: float) -> None:
        self.m = _context(bits)
        self.bits, self.point, self.principal, self.spent = bits, point, principal, spent
        self.hidden = 0.0
        """The bits in which the trees evaluated so far can hide a difference."""

    def evaluate(self, node: Node) -> Ball:
        rule = getattr(self, "_" + node[0], None)
        if rule is None:
            raise UnsupportedError(f"{node[0]} is not a number")
        self._spend(5 + self.bits / 64)
        ball: Ball = rule(*node[1:])
        return ball

    def touch(self, a: Ball, b: Ball) -> bool:
        """Whether two balls are the same number. Raises VagueError if it takes more digits to say."""
        error = max(a.error, b.error)
        if self._mag(a.value - b.value) - 3 > error:
            return False
        known = error <= max(self._mag(a.value), self._mag(b.value)) - SURE_BITS
        if self._is_settled() and (known or (self._is_zero(a) and self._is_zero(b))):
            return True
        raise VagueError

    # -- errors ------------------------------------------------------------------------------------------------

    def _mag(self, value: Any) -> float:
        """The exponent of a power of two above the absolute value, at most 8 times as large."""
        return int(self.m.mag(value)) if value else EXACT

    def _ball(self, value: Any, *errors: float) -> Ball:
        """A rounded value with the largest of these errors and its own."""
        return Ball(value, max(*errors, self._mag(value) - self.bits, EXACT) + 3)

    def _is_settled(self) -> bool:
        return self.bits >= self.hidden + SURE_BITS

    def _is_zero(self, ball: Ball) -> bool:
        """Whether a ball is zero: nothing but its error is left with more bits than can hide a difference."""
        if not self._is_noise(ball):
            return not ball.value
        if not self._is_settled():
            raise VagueError
        return True

    def _is_noise(self, ball: Ball) -> bool:
        return ball.error != EXACT and self._mag(ball.value) - 3 <= ball.error

    def _relative(self, ball: Ball) -> float:
        """The exponent of the relative error of a number that is not zero."""
        return ball.error - (self._mag(ball.value) - 3)

    def _snapped(self, ball: Ball) -> Ball:
        """Take off an imaginary part within the error, which would choose a side of a branch cut."""
        is_real = self._mag(ball.value.imag) <= ball.error
        return Ball(self.m.mpc(ball.value.real), ball.error) if is_real else ball

    def _is_negative(self, ball: Ball) -> bool:
        return bool(ball.value.imag == 0 and ball.value.real < 0) and not self._is_noise(ball)

    def _hide(self, ball: Ball) -> None:
        r"""Count what a function can hide near 0 or far from it: ``\sin t`` is t up to a third power."""
        if not self._is_noise(ball) and ball.value:
            self.hidden += 3 * abs(self._mag(ball.value))

    def _spend(self, work: float) -> None:
        self.spent += work
        if self.spent > MAX_WORK:
            raise TooLargeError("too much work to compare")

    def _spend_on_function(self) -> None:
        self._spend(20 + (self.bits / 64) ** 2 / 2)

    # -- arithmetic of balls -----------------------------------------------------------------------------------

    def rational(self, value: Fraction) -> Ball:
        quotient = self.m.mpc(value.numerator) / value.denominator
        is_exact = value.denominator == 1 and value.numerator.bit_length() <= self.bits
        return Ball(quotient, EXACT) if is_exact else self._ball(quotient)

    def negative(self, a: Ball) -> Ball:
        return Ball(-a.value, a.error)

    def sum(self, balls: Iterable[Ball]) -> Ball:
        terms = list(balls)
        sizes = [self._mag(term.value) for term in terms if term.value and not self._is_noise(term)]
        if sizes:
            self.hidden += max(sizes) - min(sizes)
        rounding = max(sizes, default=EXACT) - self.bits
        total = sum((term.value for term in terms[1:]), terms[0].value)
        return Ball(total, max(rounding, *(term.error for term in terms)) + len(terms).bit_length() + 1)

    def product(self, a: Ball, b: Ball) -> Ball:
        sizes = [max(self._mag(ball.value), ball.error) for ball in (a, b)]
        return self._ball(a.value * b.value, sizes[0] + b.error, sizes[1] + a.error)

    def quotient(self, a: Ball, b: Ball) -> Ball:
        if self._is_zero(b):
            raise UndefinedError("a division by zero")
        value, relative = a.value / b.value, self._relative(b)
        return self._ball(value, self._mag(value) + relative, a.error - (self._mag(b.value) - 3))

    def exp(self, a: Ball) -> Ball:
        self._spend_on_function()
        size = self._mag(a.value)
        if size > MAX_LOG:
            raise TooLargeError("a power too large to compare")
        if a.error > -3:
            raise VagueError
        if size < 0:
            self._hide(a)
        value = self.m.exp(a.value)
        return self._ball(value, self._mag(value) + a.error)

    def log(self, a: Ball) -> Ball:
        self._spend_on_function()
        if self._is_zero(a):
            raise UndefinedError("a logarithm of zero")
        a = self._snapped(a)
        return self._ball(self.m.log(a.value), self._relative(a))

    def power(self, base: Ball, exponent: Ball) -> Ball:
        """The principal power."""
        if not self._is_zero(base):
            return self.exp(self.product(exponent, self.log(base)))
        if self._is_zero(exponent) or exponent.value.real <= 0:
            raise UndefinedError("a power of zero")
        return Ball(self.m.mpc(0), EXACT)

    def whole_power(self, base: Ball, n: int) -> Ball:
        if n < 0:
            return self.quotient(self.rational(Fraction(1)), self.whole_power(base, -n))
        if not n and self._is_zero(base):
            raise UndefinedError("a power of zero")
        value = base.value**n
        if self._is_noise(base):
            return self._ball(value, n * (base.error + 1))
        return self._ball(value, self._mag(value) + max(self._relative(base), -self.bits) + n.bit_length())

    def function(self, f: Callable[[Any], Any], a: Ball) -> Ball:
        self._spend_on_function()
        if self._mag(a.value) > self.bits or a.error > 0:
            raise VagueError
        self._hide(a)
        a = self._snapped(a)
        value = f(a.value)
        if a.error == EXACT:
            return self._ball(value)
        self._spend_on_function()
        return self._ball(value, self._mag(f(a.value + self.m.ldexp(1, int(a.error))) - value))

    # -- nodes -------------------------------------------------------------------------------------------------

    def _num(self, value: Fraction) -> Ball:
        self.hidden += value.numerator.bit_length() + value.denominator.bit_length() - 1
        return self.rational(value)

    def _const(self, name: str) -> Ball:
        if name == "i":
            return Ball(self.m.mpc(0, 1), EXACT)
        return self._ball(self.m.mpc({"e": self.m.e, "\\pi": self.m.pi}[name]))

    def _sym(self, name: str) -> Ball:
        if name not in self.point:
            raise UndefinedError(f"{name} has no value")
        return self.rational(self.point[name])

    def _neg(self, a: Node) -> Ball:
        return self.negative(self.evaluate(a))

    def _add(self, parts: tuple[Node, ...]) -> Ball:
        return self.sum(map(self.evaluate, parts))

    def _mul(self, parts: tuple[Node, ...]) -> Ball:
        total = self.evaluate(parts[0])
        for part in parts[1:]:
            total = self.product(total, self.evaluate(part))
        return total

    def _div(self, a: Node, b: Node) -> Ball:
        return self.quotient(self.evaluate(a), self.evaluate(b))

    def _pct(self, a: Node) -> Ball:
        return self.quotient(self.evaluate(a), self.rational(Fraction(100)))

    def _deg(self, a: Node) -> Ball:
        return self.product(self.evaluate(a), self.quotient(self._const("\\pi"), self.rational(Fraction(180))))

    def _unit(self, a: Node, _: str) -> Ball:
        return self.evaluate(a)

    def _exact(self, node: Node) -> Fraction | None:
        try:
            return exact_value(node, self.point)
        except (InexactError, TooLargeError):
            return None

    def _pow(self, a: Node, b: Node) -> Ball:
        base, n = self._snapped(self.evaluate(a)), self._exact(b)
        if n is None:
            return self.power(base, self.evaluate(b))
        if n.denominator == 1 and abs(n) <= MAX_WHOLE_POWER:
            return self.whole_power(base, int(n))
        exponent = self.rational(n)
        if self._is_negative(base) and (n.denominator == 1 or (odd_root_power(b) and not self.principal)):
            size = self.power(self.negative(base), exponent)
            return self.negative(size) if n.numerator % 2 else size
        return self.power(base, exponent)

    def _root(self, degree: Node, a: Node) -> Ball:
        n, value = self._exact(degree), self._snapped(self.evaluate(a))
        if n == 2:
            if self._is_zero(value):
                return Ball(self.m.mpc(0), EXACT)
            root = self.m.sqrt(value.value)
            return self._ball(root, self._mag(root) + self._relative(value))
        exponent = self.quotient(self.rational(Fraction(1)), self.evaluate(degree))
        if n and n.denominator == 1 and n % 2 and self._is_negative(value):  # people mean the real root
            return self.negative(self.power(self.negative(value), exponent))
        return self.power(value, exponent)

    def _fn(self, name: str, a: Node) -> Ball:
        rule = _FUNCTIONS.get(name)
        if rule is None:
            raise UnsupportedError(name)
        return rule(self, self.evaluate(a))

    def size(self, a: Ball) -> Ball:
        return Ball(self.m.mpc(abs(a.value)), a.error)

    def floor(self, a: Ball) -> Ball:
        """The whole number below. A number that cannot be told from a whole number is that number."""
        below, above = (self.m.floor(a.value.real + (side * self._radius(a))) for side in (-1, 1))
        if below != above and (a.error > -SURE_BITS or not self._is_settled()):
            raise VagueError
        return Ball(self.m.mpc(above), EXACT)

    def _radius(self, a: Ball) -> Any:
        return self.m.ldexp(1, int(a.error)) if a.error != EXACT else 0

    def _fact(self, a: Node) -> Ball:
        n = self._exact(a)
        if _is_countable(n):
            return self.rational(Fraction(math.factorial(int(n))))
        return self._gamma(self.evaluate(a))

    def _gamma(self, a: Ball) -> Ball:
        """The factorial of a number, whole or not: the gamma function one further."""
        if self.bits > FIRST_BITS or self._mag(a.value) > MAX_LOG - 20:
            raise TooLargeError("a factorial too large to compare")
        return self.function(lambda z: self.m.gamma(z + 1), a)

    def _binom(self, a: Node, b: Node) -> Ball:
        n, k = self._exact(a), self._exact(b)
        if (
            n is not None
            and k is not None
            and n.denominator == k.denominator == 1
            and 0 <= n <= MAX_FACTORIAL
            and k >= 0
        ):
            return self.rational(Fraction(math.comb(int(n), int(k))))
        top, bottom = self.evaluate(a), self.evaluate(b)
        rest = self.sum((top, self.negative(bottom)))
        return self.quotient(self._gamma(top), self.product(self._gamma(bottom), self._gamma(rest)))


def _is_countable(n: Fraction | None) -> TypeGuard[Fraction]:
    return n is not None and n.denominator == 1 and 0 <= n <= MAX_FACTORIAL


_Function = Callable[[_Evaluation, Ball], Ball]


def _smooth(name: str) -> _Function:
    return lambda e, a: e.function(getattr(e.m, name), a)


def _ratio(top: _Function, bottom: _Function) -> _Function:
    return lambda e, a: e.quotient(top(e, a), bottom(e, a))


def _one(e: _Evaluation, _: Ball) -> Ball:
    return e.rational(Fraction(1))


def _hyperbolic(sign: int) -> _Function:
    r"""``e^x \pm e^{-x}``, twice the hyperbolic cosine or sine: a sum that counts what it can hide."""

    def twice(e: _Evaluation, a: Ball) -> Ball:
        grows, shrinks = e.exp(a), e.exp(e.negative(a))
        return e.sum((grows, shrinks if sign > 0 else e.negative(shrinks)))

    return twice


_SIN, _COS, _SINH, _COSH = _smooth("sin"), _smooth("cos"), _hyperbolic(-1), _hyperbolic(1)
_FUNCTIONS: dict[str, _Function] = {
    "sin": _SIN,
    "cos": _COS,
    "tan": _ratio(_SIN, _COS),
    "cot": _ratio(_COS, _SIN),
    "sec": _ratio(_one, _COS),
    "csc": _ratio(_one, _SIN),
    "sinh": _ratio(_SINH, lambda e, _: e.rational(Fraction(2))),
    "cosh": _ratio(_COSH, lambda e, _: e.rational(Fraction(2))),
    "tanh": _ratio(_SINH, _COSH),
    "coth": _ratio(_COSH, _SINH),
    "exp": _Evaluation.exp,
    "ln": _Evaluation.log,
    "log": _Evaluation.log,
    "lg": lambda e, a: e.quotient(e.log(a), e.log(e.rational(Fraction(10)))),
    "arcsin": _smooth("asin"),
    "arccos": _smooth("acos"),
    "arctan": _smooth("atan"),
    "abs": _Evaluation.size,
    "floor": _Evaluation.floor,
    "ceil": lambda e, a: e.negative(e.floor(e.negative(a))),
}
