r"""Whether two values are equal, with as many digits as it takes to tell: ``\tanh 60``, ``6^{6^6}``, ``e^{-3000}``.

Two trees are evaluated in `balls`, with more and more bits. Where the balls do not touch, the values differ. They are
equal if they still touch with `SURE_BITS` more than both trees can hide a difference in. Where that takes more than
`MAX_BITS`, or too long, nobody can tell.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeGuard, TypeVar

from justtinker_plugins.shared.latex.balls import EXACT, MAX_LOG, SURE_BITS, Ball, Balls, VagueError
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

FIRST_BITS, MAX_BITS = 512, 32_768
MAX_FACTORIAL = 5000
MAX_WHOLE_POWER = 10_000

T = TypeVar("T")


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


class _Evaluation(Balls):
    """Evaluate trees at a point."""

    def __init__(self, bits: int, point: Point, principal: bool, spent: float) -> None:
        super().__init__(bits, spent)
        self.point, self.principal = point, principal

    def evaluate(self, node: Node) -> Ball:
        rule = getattr(self, "_" + node[0], None)
        if rule is None:
            raise UnsupportedError(f"{node[0]} is not a number")
        self.spend(20 + self.bits / 64)
        ball: Ball = rule(*node[1:])
        return ball

    def _num(self, value: Fraction) -> Ball:
        self.hidden += value.numerator.bit_length() + value.denominator.bit_length() - 1
        return self.rational(value)

    def _const(self, name: str) -> Ball:
        if name == "i":
            return Ball(self.m.mpc(0, 1), EXACT)
        return self.rounded(self.m.mpc({"e": self.m.e, "\\pi": self.m.pi}[name]))

    def _sym(self, name: str) -> Ball:
        if name not in self.point:
            raise UndefinedError(f"{name} has no value")
        return self.rational(self.point[name])

    def _neg(self, a: Node) -> Ball:
        return self.negative(self.evaluate(a))

    def _add(self, parts: tuple[Node, ...]) -> Ball:
        return self.sum(map(self.evaluate, parts))

    def _mul(self, parts: tuple[Node, ...]) -> Ball:
        return self.product(map(self.evaluate, parts))

    def _div(self, a: Node, b: Node) -> Ball:
        return self.quotient(self.evaluate(a), self.evaluate(b))

    def _pct(self, a: Node) -> Ball:
        return self.quotient(self.evaluate(a), self.rational(Fraction(100)))

    def _deg(self, a: Node) -> Ball:
        return self.product((self.evaluate(a), self.quotient(self._const("\\pi"), self.rational(Fraction(180)))))

    def _unit(self, a: Node, _: str) -> Ball:
        return self.evaluate(a)

    def _exact(self, node: Node) -> Fraction | None:
        try:
            return exact_value(node, self.point)
        except (InexactError, TooLargeError):
            return None

    def _pow(self, a: Node, b: Node) -> Ball:
        base, n = self.snapped(self.evaluate(a)), self._exact(b)
        if n is None:
            return self.power(base, self.evaluate(b))
        if n.denominator == 1 and abs(n) <= MAX_WHOLE_POWER:
            return self.whole_power(base, int(n))
        self.hidden += n.denominator.bit_length() + n.numerator.bit_length()
        exponent = self.rational(n)
        if self.is_negative(base) and (n.denominator == 1 or (odd_root_power(b) and not self.principal)):
            size = self.power(self.negative(base), exponent)
            return self.negative(size) if n.numerator % 2 else size
        return self.power(base, exponent)

    def _root(self, degree: Node, a: Node) -> Ball:
        n, value = self._exact(degree), self.snapped(self.evaluate(a))
        if n == 2:
            if self.is_zero(value):
                return Ball(self.m.mpc(0), EXACT)
            root = self.m.sqrt(value.value)
            return self.rounded(root, self.mag(root) + self.relative(value))
        exponent = self.quotient(self.rational(Fraction(1)), self.evaluate(degree))
        if n and n.denominator == 1 and n % 2 and self.is_negative(value):  # people mean the real root
            return self.negative(self.power(self.negative(value), exponent))
        return self.power(value, exponent)

    def _fn(self, name: str, a: Node) -> Ball:
        rule = _FUNCTIONS.get(name)
        if rule is None:
            raise UnsupportedError(name)
        return rule(self, self.evaluate(a))

    def _fact(self, a: Node) -> Ball:
        n = self._exact(a)
        if _is_countable(n):
            self.spend(int(n) / 10)
            return self.rational(Fraction(math.factorial(int(n))))
        return self._gamma(self.evaluate(a))

    def _gamma(self, a: Ball) -> Ball:
        """The factorial of a number, whole or not: the gamma function one further."""
        if self.bits > 2 * FIRST_BITS or self.mag(a.value) > MAX_LOG - 20:
            raise TooLargeError("a factorial too large to compare")
        return self.function(lambda z: self.m.gamma(z + 1), a, 10)

    def _binom(self, a: Node, b: Node) -> Ball:
        n, k = self._exact(a), self._exact(b)
        if _is_countable(n) and _is_countable(k):
            self.spend(int(n) / 10)
            return self.rational(Fraction(math.comb(int(n), int(k))))
        top, bottom = self.evaluate(a), self.evaluate(b)
        rest = self.sum((top, self.negative(bottom)))
        return self.quotient(self._gamma(top), self.product((self._gamma(bottom), self._gamma(rest))))


def _is_countable(n: Fraction | None) -> TypeGuard[Fraction]:
    return n is not None and n.denominator == 1 and 0 <= n <= MAX_FACTORIAL


_Function = Callable[[_Evaluation, Ball], Ball]


def _smooth(name: str, times: int = 1) -> _Function:
    return lambda e, a: e.function(getattr(e.m, name), a, times)


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
    "arcsin": _smooth("asin", 4),
    "arccos": _smooth("acos", 4),
    "arctan": _smooth("atan", 4),
    "abs": _Evaluation.size,
    "floor": _Evaluation.floor,
    "ceil": lambda e, a: e.negative(e.floor(e.negative(a))),
}
