r"""Numbers with a bound on their error, and with a count of what their expression can hide.

A `Ball` is a number of mpmath, whose exponent has no limits, and a bound on its error. The bounds are rules of thumb,
with a few bits to spare, and not interval arithmetic: an error is carried on in first order, through a function by its
change between two points.

Balls that touch may still be different numbers: ``\sqrt{2 + 10^{-90}}`` and ``\sqrt2`` agree in 90 digits. So the
arithmetic also counts in how many bits an expression can hide a difference: the ratio of the largest and the smallest
term of each sum, how far the arguments of functions are from 1, the digits of numbers. Whoever decides waits until
there are `SURE_BITS` more than that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cache, reduce
from operator import mul
from typing import Any, NamedTuple

from justtinker_plugins.shared.latex.tokens import TooLargeError
from justtinker_plugins.shared.latex.values import UndefinedError

SURE_BITS = 200
"""The bits, 60 digits, in which equal values agree beyond what their expressions can hide."""
MAX_WORK = 15_000
"""For one comparison, in microseconds or so."""
MAX_LOG = 1020
"""The bits of a logarithm: 2^{2^{1000}} can be worked out, the next tower cannot."""
EXACT = -math.inf


class Ball(NamedTuple):
    value: Any
    """A complex number of mpmath."""
    error: float
    """The exponent of a power of two that the error stays below; EXACT if there is no error."""


class VagueError(ValueError):
    """It takes more digits to go on."""


@cache
def _context(bits: int) -> Any:
    """Threads share these contexts, so nothing may change their precision. The first call imports mpmath."""
    import mpmath

    context = mpmath.MPContext()
    context.prec = bits
    return context


class Balls:
    """Arithmetic with numbers of so many bits."""

    def __init__(self, bits: int, spent: float = 0.0) -> None:
        self.m = _context(bits)
        self.bits, self.spent = bits, spent
        self.hidden = 0.0
        """The bits in which a difference can hide, so far."""

    def touch(self, a: Ball, b: Ball) -> bool:
        """Whether two balls are the same number. Raises VagueError if it takes more digits to say."""
        error = max(a.error, b.error)
        if self.mag(a.value - b.value) - 3 > error:
            return False
        known = error <= max(self.mag(a.value), self.mag(b.value)) - SURE_BITS
        if self.is_settled() and (known or (self.is_zero(a) and self.is_zero(b))):
            return True
        raise VagueError

    def mag(self, value: Any) -> float:
        """The exponent of a power of two above the absolute value, at most 8 times as large."""
        return int(self.m.mag(value)) if value else EXACT

    def rounded(self, value: Any, *errors: float) -> Ball:
        """A rounded value with the largest of these errors and its own."""
        return Ball(value, max(*errors, self.mag(value) - self.bits, EXACT) + 3)

    def is_settled(self) -> bool:
        return self.bits >= self.hidden + SURE_BITS

    def is_zero(self, ball: Ball) -> bool:
        """Whether a ball is zero: nothing but its error is left with more bits than can hide a difference."""
        if not self.is_noise(ball):
            return not ball.value
        if not self.is_settled():
            raise VagueError
        return True

    def is_noise(self, ball: Ball) -> bool:
        return ball.error != EXACT and self.mag(ball.value) - 3 <= ball.error

    def relative(self, ball: Ball) -> float:
        """The exponent of the relative error of a number that is not zero."""
        return ball.error - (self.mag(ball.value) - 3)

    def snapped(self, ball: Ball) -> Ball:
        """Take off an imaginary part within the error, which would choose a side of a branch cut."""
        is_real = self.mag(ball.value.imag) <= ball.error
        return Ball(self.m.mpc(ball.value.real), ball.error) if is_real else ball

    def is_negative(self, ball: Ball) -> bool:
        return bool(ball.value.imag == 0 and ball.value.real < 0) and not self.is_noise(ball)

    def hide(self, ball: Ball) -> None:
        r"""Count what a function can hide near 0 or far from it: ``\sin t`` is t up to a third power."""
        if not self.is_noise(ball) and ball.value:
            self.hidden += 3 * abs(self.mag(ball.value))

    def spend(self, work: float) -> None:
        self.spent += work
        if self.spent > MAX_WORK:
            raise TooLargeError("too much work to compare")

    def spend_on_function(self, times: int = 1) -> None:
        self.spend(times * (20 + (self.bits / 64) ** 2 / 2))

    def rational(self, value: Fraction) -> Ball:
        quotient = self.m.mpc(value.numerator) / value.denominator
        is_exact = value.denominator == 1 and value.numerator.bit_length() <= self.bits
        return Ball(quotient, EXACT) if is_exact else self.rounded(quotient)

    def negative(self, a: Ball) -> Ball:
        return Ball(-a.value, a.error)

    def sum(self, balls: Iterable[Ball]) -> Ball:
        """A sum. It takes more digits if a term that is not noise drowns in the errors of the others."""
        terms = list(balls)
        error = max(term.error for term in terms)
        sizes = [self.mag(term.value) for term in terms if term.value and not self.is_noise(term)]
        if sizes:
            self.hidden += max(sizes) - min(sizes)
            if error > min(sizes):
                raise VagueError
        rounding = max(sizes, default=EXACT) - self.bits
        total = sum((term.value for term in terms[1:]), terms[0].value)
        return Ball(total, max(rounding, error) + len(terms).bit_length() + 1)

    def product(self, balls: Iterable[Ball]) -> Ball:
        factors = list(balls)
        value = reduce(mul, (factor.value for factor in factors))
        if any(map(self.is_noise, factors)):
            return self.rounded(value, sum(max(self.mag(factor.value), factor.error) + 1 for factor in factors))
        if not value:
            return Ball(value, EXACT)
        relative = max(-self.bits, *map(self.relative, factors))
        return self.rounded(value, self.mag(value) + relative + len(factors).bit_length())

    def quotient(self, a: Ball, b: Ball) -> Ball:
        if self.is_zero(b):
            raise UndefinedError("a division by zero")
        value, relative = a.value / b.value, self.relative(b)
        return self.rounded(value, self.mag(value) + relative, a.error - (self.mag(b.value) - 3))

    def exp(self, a: Ball) -> Ball:
        self.spend_on_function()
        size = self.mag(a.value)
        if size > MAX_LOG:
            raise TooLargeError("a power too large to compare")
        if a.error > -3:
            raise VagueError
        if size < 0:
            self.hide(a)
        value = self.m.exp(a.value)
        return self.rounded(value, self.mag(value) + a.error)

    def log(self, a: Ball) -> Ball:
        self.spend_on_function()
        if self.is_zero(a):
            raise UndefinedError("a logarithm of zero")
        a = self.snapped(a)
        return self.rounded(self.m.log(a.value), self.relative(a))

    def power(self, base: Ball, exponent: Ball) -> Ball:
        """The principal power."""
        if not self.is_zero(base):
            return self.exp(self.product((exponent, self.log(base))))
        if self.is_zero(exponent) or exponent.value.real <= 0:
            raise UndefinedError("a power of zero")
        return Ball(self.m.mpc(0), EXACT)

    def whole_power(self, base: Ball, n: int) -> Ball:
        if n < 0:
            return self.quotient(self.rational(Fraction(1)), self.whole_power(base, -n))
        if not n:
            if self.is_zero(base):
                raise UndefinedError("a power of zero")
            return self.rational(Fraction(1))
        value = base.value**n
        if self.is_noise(base) or not value:
            return self.rounded(value, n * (base.error + 1))
        return self.rounded(value, self.mag(value) + max(self.relative(base), -self.bits) + n.bit_length())

    def function(self, f: Callable[[Any], Any], a: Ball, times: int = 1) -> Ball:
        """A function without poles, which takes so many times as long as others."""
        self.spend_on_function(times)
        if self.mag(a.value) > self.bits or a.error > 0:
            raise VagueError
        self.hide(a)
        a = self.snapped(a)
        value = f(a.value)
        if a.error == EXACT:
            return self.rounded(value)
        self.spend_on_function(times)
        return self.rounded(value, self.mag(f(a.value + self.radius(a)) - value))

    def size(self, a: Ball) -> Ball:
        return Ball(self.m.mpc(abs(a.value)), a.error)

    def floor(self, a: Ball) -> Ball:
        """The whole number below, whose digits count. What cannot be told from a whole number is that number."""
        below, above = (self.m.floor(a.value.real + (side * self.radius(a))) for side in (-1, 1))
        if below != above and (a.error > -SURE_BITS or not self.is_settled()):
            raise VagueError
        self.hidden += max(0, self.mag(above))
        return Ball(self.m.mpc(above), EXACT)

    def radius(self, a: Ball) -> Any:
        return self.m.ldexp(1, int(a.error)) if a.error != EXACT else 0
