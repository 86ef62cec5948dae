"""The value of a tree of `parse`: exactly, as a fraction, or approximately, as a number at a point.

Nothing here simplifies, and nothing runs long: powers, factorials and the total work are capped, so that no input
holds the interpreter for more than a few milliseconds.
"""

from __future__ import annotations

import cmath
import math
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.tokens import TooLargeError, UnsupportedError

MAX_BITS, MAX_WORK, MAX_FACTORIAL = 65_536, 2_000_000, 1000


class InexactError(ValueError):
    """The value is not rational, or cannot be shown to be without calculus."""


class UndefinedError(ValueError):
    """The value is undefined: a division by zero, a logarithm of zero."""


def nodes(node: Node) -> list[Node]:
    """The node and all nodes below it."""
    found = [node]
    for top in found:  # which grows
        for part in top:
            if type(part) is tuple and part:
                found.append(part)
    return [top for top in found if type(top[0]) is str]


def map_parts(node: Node, change: Callable[[Node], Node]) -> Node:
    """A copy of a node in which each node directly below it is changed."""
    return tuple(_changed(part, change) for part in node)


def _changed(part: object, change: Callable[[Node], Node]) -> object:
    if not isinstance(part, tuple) or not part:
        return part
    return change(part) if isinstance(part[0], str) else tuple(_changed(inner, change) for inner in part)


@lru_cache(maxsize=512)
def symbols(node: Node) -> frozenset[str]:
    """The names of all symbols of a tree, and of functions that are known by their names only."""
    if node[0] == "num":
        return frozenset()
    return frozenset(n[1] for n in nodes(node) if n[0] in ("sym", "call"))


@lru_cache(maxsize=512)
def is_scalar(node: Node) -> bool:
    """Whether a tree is a single value: no list, interval, matrix, relation or text, not even as a part."""
    return node[0] == "num" or not any(
        n[0] in ("tuple", "list", "set", "matrix", "union", "text", "rel", "base", "without", "both")
        for n in nodes(node)
    )


Point = Mapping[str, Fraction]
"""The value of each symbol, by name."""


class _ExactEvaluator:
    """Evaluate in fractions, and count the work in bits. A symbol without a value at the point is inexact."""

    def __init__(self, point: Point) -> None:
        self.work, self.point = 0, point

    def evaluate(self, node: Node) -> Fraction:
        rule = getattr(self, "_" + node[0], None)
        if rule is None:
            raise InexactError(node[0])
        return self._counted(rule(*node[1:]))

    def _counted(self, value: Fraction) -> Fraction:
        top, bottom = value.numerator.bit_length(), value.denominator.bit_length()
        self.work += top + bottom + top * bottom // 2500  # what it takes to reduce a fraction
        if top + bottom > MAX_BITS or self.work > MAX_WORK:
            raise TooLargeError(f"a number of more than {MAX_BITS} bits")
        return value

    def _num(self, value: Fraction) -> Fraction:
        return value

    def _sym(self, name: str) -> Fraction:
        if name not in self.point:
            raise InexactError(name)
        return self.point[name]

    def _neg(self, a: Node) -> Fraction:
        return -self.evaluate(a)

    def _add(self, parts: tuple[Node, ...]) -> Fraction:
        total = Fraction(0)
        for part in parts:
            total = self._counted(total + self.evaluate(part))
        return total

    def _mul(self, parts: tuple[Node, ...]) -> Fraction:
        total = Fraction(1)
        for part in parts:
            total = self._counted(total * self.evaluate(part))
        return total

    def _div(self, a: Node, b: Node) -> Fraction:
        bottom = self.evaluate(b)
        if not bottom:
            raise UndefinedError("a division by zero")
        return self.evaluate(a) / bottom

    def _pct(self, a: Node) -> Fraction:
        return self.evaluate(a) / 100

    def _unit(self, a: Node, _: str) -> Fraction:
        return self.evaluate(a)

    def _pow(self, a: Node, b: Node) -> Fraction:
        base, exponent = self.evaluate(a), self.evaluate(b)
        if exponent.denominator != 1:
            return self._rational_power(base, exponent)
        n = int(exponent)
        if not base and n <= 0:
            raise UndefinedError("a power of zero")
        self._check(abs(n) * (max(base.numerator.bit_length(), base.denominator.bit_length()) - (abs(base) == 1)))
        return base**n

    def _rational_power(self, base: Fraction, exponent: Fraction) -> Fraction:
        root = self._root(("num", Fraction(exponent.denominator)), ("num", base))
        return self._pow(("num", root), ("num", Fraction(exponent.numerator)))

    def _root(self, degree: Node, a: Node) -> Fraction:
        n, value = self.evaluate(degree), self.evaluate(a)
        if n.denominator != 1 or not 2 <= n <= 64 or value < 0:
            raise InexactError("root")
        return Fraction(_integer_root(value.numerator, int(n)), _integer_root(value.denominator, int(n)))

    def _fact(self, a: Node) -> Fraction:
        n = self.evaluate(a)
        if n.denominator != 1 or n < 0:
            raise InexactError("factorial")
        if n > MAX_FACTORIAL:
            raise TooLargeError(f"a factorial above {MAX_FACTORIAL}")
        return Fraction(math.factorial(int(n)))

    def _binom(self, a: Node, b: Node) -> Fraction:
        n, k = self.evaluate(a), self.evaluate(b)
        if n.denominator != 1 or k.denominator != 1 or n < 0 or k < 0:
            raise InexactError("binomial")
        if n > MAX_FACTORIAL:
            raise TooLargeError(f"a binomial of more than {MAX_FACTORIAL}")
        return Fraction(math.comb(int(n), int(k)))

    def _fn(self, name: str, a: Node) -> Fraction:
        if name == "abs":
            return abs(self.evaluate(a))
        if name == "floor":
            return Fraction(math.floor(self.evaluate(a)))
        if name == "ceil":
            return Fraction(math.ceil(self.evaluate(a)))
        raise InexactError(name)

    @staticmethod
    def _check(bits: int) -> None:
        if bits > MAX_BITS:
            raise TooLargeError(f"a number of more than {MAX_BITS} bits")


def _integer_root(value: int, n: int) -> int:
    if n == 2:
        root = math.isqrt(value)
    else:
        if value.bit_length() > 900:
            raise InexactError("root")
        root = round(value ** (1 / n))
    if root**n != value:
        raise InexactError("root")
    return root


NOWHERE: Point = {}


def exact_value(node: Node, point: Point = NOWHERE) -> Fraction:
    """Evaluate a tree as a fraction. Raises InexactError, UndefinedError or TooLargeError."""
    if node[0] == "num":
        value: Fraction = node[1]
        return value
    return _ExactEvaluator(point).evaluate(node)


def value_at(name: str, seed: int) -> Fraction:
    """The value of a symbol at the seed's point: a number in [0.5, 2.5) that depends on name and seed only.

    All values are positive, so that sqrt(4 pi r^2) equals 2 r sqrt(pi).
    """
    return Fraction(1, 2) + Fraction(zlib.crc32(f"{name}/{seed}".encode()) % 1999, 1000)


def _reciprocal(f: Callable[[complex], complex]) -> Callable[[complex], complex]:
    return lambda z: 1 / f(z)


def _floor(z: complex) -> complex:
    nearest = round(z.real)
    if 0 < abs(z.real - nearest) < 1e-9 * max(1.0, abs(z.real)):
        raise TooLargeError("a number too close to a whole number")
    return complex(math.floor(z.real))


def _log(z: complex) -> complex:
    return cmath.log(_snapped(z))


def _gamma(z: complex) -> complex:
    if z.imag:
        raise UnsupportedError("a factorial of a complex number")
    return complex(math.gamma(z.real), 0)


_FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    **{name: getattr(cmath, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp")},
    **{f"arc{name}": getattr(cmath, "a" + name) for name in ("sin", "cos", "tan")},
    "sec": _reciprocal(cmath.cos), "csc": _reciprocal(cmath.sin), "cot": lambda z: cmath.cos(z) / cmath.sin(z),
    "coth": _reciprocal(cmath.tanh), "ln": _log, "log": _log, "lg": lambda z: _log(z) / math.log(10),
    "abs": abs, "floor": _floor, "ceil": lambda z: -_floor(-z),
}  # fmt: skip
_CONSTANTS = {"e": complex(math.e), "i": 1j, "\\pi": complex(math.pi)}
SMALLEST, LARGEST = 1e-150, 1e150


class _Approximator:
    """Evaluate in floating point at a point."""

    def __init__(self, point: Point, principal: bool) -> None:
        self.point, self.principal = point, principal
        self.peak = 0.0

    def evaluate(self, node: Node) -> complex:
        rule = getattr(self, "_" + node[0], None)
        if rule is None:
            raise UnsupportedError(f"{node[0]} is not a number")
        value: complex = rule(*node[1:]) + 0  # -0j would put a root on the other side of its branch cut
        self.peak = max(self.peak, self._size(value))
        return value

    def _size(self, value: complex) -> float:
        size = abs(value)
        if not (SMALLEST <= size < LARGEST or size == 0):  # NaN, too
            raise TooLargeError("a number too large or too small to compare")
        return size

    def _num(self, value: Fraction) -> complex:
        quotient = value.numerator / value.denominator
        if value and not quotient:
            raise TooLargeError("a number too small to compare")
        return complex(quotient)

    def _const(self, name: str) -> complex:
        return _CONSTANTS[name]

    def _sym(self, name: str) -> complex:
        if name not in self.point:
            raise UndefinedError(f"{name} has no value")
        return self._num(self.point[name])

    def _neg(self, a: Node) -> complex:
        return -self.evaluate(a)

    def _add(self, parts: tuple[Node, ...]) -> complex:
        return sum((self.evaluate(part) for part in parts[1:]), self.evaluate(parts[0]))

    def _mul(self, parts: tuple[Node, ...]) -> complex:
        total = self.evaluate(parts[0])
        for part in parts[1:]:
            total = total * self.evaluate(part)
            self._size(total)
        return total

    def _div(self, a: Node, b: Node) -> complex:
        return self.evaluate(a) / self.evaluate(b)

    def _pct(self, a: Node) -> complex:
        return self.evaluate(a) / 100

    def _deg(self, a: Node) -> complex:
        return self.evaluate(a) * math.pi / 180

    def _unit(self, a: Node, _: str) -> complex:
        return self.evaluate(a)

    def _pow(self, a: Node, b: Node) -> complex:
        base, exponent = _snapped(self.evaluate(a)), self.evaluate(b)
        if base and exponent and abs(exponent) * abs(math.log(abs(base))) > 350:
            raise TooLargeError("a power too large to compare")
        if _is_negative(base) and not self.principal and (n := odd_root_power(b)):
            size = abs(base) ** float(n)
            return complex(-size if n.numerator % 2 else size)
        return base**exponent

    def _root(self, degree: Node, a: Node) -> complex:
        n, value = self.evaluate(degree), _snapped(self.evaluate(a))
        if n == 2:
            return cmath.sqrt(value)
        if _is_negative(value) and n.imag == 0 and n.real % 2 == 1:  # people mean the real root
            return -(abs(value) ** (1 / n))
        return value ** (1 / n)

    def _fn(self, name: str, a: Node) -> complex:
        value = self.evaluate(a)
        if name in ("exp", "sinh", "cosh") and abs(value) > 350:
            raise TooLargeError("an exponential too large to compare")
        if name not in _FUNCTIONS:
            raise UnsupportedError(name)
        return _FUNCTIONS[name](value)

    def _fact(self, a: Node) -> complex:
        value = self.evaluate(a)
        if abs(value) > 80:
            raise TooLargeError("a factorial too large to compare")
        return _gamma(value + 1)

    def _binom(self, a: Node, b: Node) -> complex:
        n, k = self.evaluate(a), self.evaluate(b)
        if abs(n) > 80 or abs(k) > 80:
            raise TooLargeError("a binomial too large to compare")
        return _gamma(n + 1) / (_gamma(k + 1) * _gamma(n - k + 1))


def _snapped(z: complex) -> complex:
    """A number without an imaginary part that can only be a rounding error."""
    return complex(z.real) if abs(z.imag) <= 1e-12 * abs(z) else z


def _is_negative(z: complex) -> bool:
    return z.real < 0 and not z.imag


def odd_root_power(exponent: Node) -> Fraction | None:
    """The exponent of a power that has a real value for a negative base: 2/3, or 5, without letters; else None."""
    with suppress(ValueError):
        value = exact_value(exponent)
        return value if value.denominator % 2 else None
    return None


class Approximation(NamedTuple):
    value: complex
    peak: float
    """The largest absolute value met on the way: rounding errors are proportional to it."""


def approximate(node: Node, point: Point = NOWHERE, *, principal: bool = False) -> Approximation:
    r"""Evaluate a tree at a point in floating point. ``(-8)^{1/3}`` is -2, or its principal value if that is meant.

    Raises TooLargeError, UnsupportedError, or UndefinedError, also for a symbol that the point lacks.
    """
    evaluation = _Approximator(point, principal)
    try:
        return Approximation(evaluation.evaluate(node), evaluation.peak)
    except OverflowError as error:
        raise TooLargeError("a number too large to compare") from error
    except ZeroDivisionError as error:
        raise UndefinedError("a division by zero") from error
    except (TooLargeError, UnsupportedError, UndefinedError):
        raise
    except ValueError as error:  # the domain errors of cmath and gamma
        raise UndefinedError(str(error)) from error


def rounds_to(value: Node, decimal: Node) -> bool:
    """Whether a decimal is the value, rounded or truncated to the decimal's own last place."""
    try:
        last = exact_value(decimal)
        places, target = _decimal_places(last), float(last)
        number = approximate(value).value
    except (ValueError, OverflowError):
        return False
    unit = 10.0**-places
    near = abs(number - target) <= 0.5001 * unit
    return bool(near or (number.imag == 0 and 0 <= abs(number) - abs(target) < unit))


def _decimal_places(value: Fraction) -> int:
    denominator, places = value.denominator, 0
    while 10**places % denominator and places < 30:
        places += 1
    return places
