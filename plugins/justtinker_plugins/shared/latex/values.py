"""The value of a tree of `parse`: exactly, as a fraction, or approximately, as a number at a point.

Nothing here simplifies, and nothing runs long: powers, factorials and the total work are capped, so that no input
holds the interpreter for more than a few milliseconds.
"""

from __future__ import annotations

import cmath
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.tokens import TooLargeError, UnsupportedError

MAX_BITS, MAX_WORK, MAX_FACTORIAL = 65_536, 2_000_000, 1000


class InexactError(ValueError):
    """The value is not rational, or cannot be shown to be without calculus."""


class UndefinedError(ValueError):
    """The value is undefined: a division by zero, a logarithm of zero."""


def nodes(node: Node) -> Iterator[Node]:
    """Iterate over the node and all nodes below it."""
    stack = [node]
    while stack:
        top = stack.pop()
        if isinstance(top[0], str):
            yield top
        stack.extend(part for part in top if isinstance(part, tuple) and part)


def symbols(node: Node) -> frozenset[str]:
    """The names of all symbols of a tree, and of functions that are known by their names only."""
    return frozenset(n[1] for n in nodes(node) if n[0] in ("sym", "call"))


def is_scalar(node: Node) -> bool:
    """Whether a tree is a single value: no list, interval, matrix, relation or text, not even as a part."""
    return not any(
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
        value: Fraction = rule(*node[1:])
        bits = value.numerator.bit_length() + value.denominator.bit_length()
        self.work += bits
        if bits > MAX_BITS or self.work > MAX_WORK:
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
            total += self.evaluate(part)
        return total

    def _mul(self, parts: tuple[Node, ...]) -> Fraction:
        total = Fraction(1)
        for part in parts:
            total *= self.evaluate(part)
            self._check(total.numerator.bit_length() + total.denominator.bit_length())
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
    return _ExactEvaluator(point).evaluate(node)


def value_at(name: str, seed: int) -> Fraction:
    """The value of a symbol at the seed's point: a number in [0.5, 2.5) that depends on name and seed only.

    All values are positive, so that sqrt(4 pi r^2) equals 2 r sqrt(pi).
    """
    return Fraction(1, 2) + Fraction(zlib.crc32(f"{name}/{seed}".encode()) % 1999, 1000)


class Field:
    """The arithmetic of one number type: Python's complex, or mpmath's with many digits."""

    def __init__(
        self, number: Callable[[Any], Any], functions: Mapping[str, Callable[..., Any]], largest: float
    ) -> None:
        self.convert, self.functions, self.largest = number, functions, largest


def _reciprocal(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda z: 1 / f(z)


def _function_table(m: Any, gamma: Callable[[Any], Any], floor: Callable[[Any], Any]) -> dict[str, Callable[..., Any]]:
    """Implement the reader's functions with the module `cmath` or an mpmath context."""
    table = {name: getattr(m, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "sqrt")}
    table |= {"sec": _reciprocal(m.cos), "csc": _reciprocal(m.sin), "cot": lambda z: m.cos(z) / m.sin(z)}
    table |= {"coth": _reciprocal(m.tanh), "ln": m.log, "log": m.log, "lg": lambda z: m.log(z) / m.log(10)}
    table |= {f"arc{name}": getattr(m, "a" + name) for name in ("sin", "cos", "tan")}
    table |= {"abs": abs, "floor": floor, "ceil": lambda z: -floor(-z), "gamma": gamma}
    return table


def _complex_floor(z: complex) -> complex:
    return complex(math.floor(z.real + 1e-9), 0)


def _complex_gamma(z: complex) -> complex:
    if z.imag:
        raise UnsupportedError("a factorial of a complex number")
    return complex(math.gamma(z.real), 0)


def _to_complex(value: Any) -> complex:
    if isinstance(value, Fraction):
        return complex(value.numerator / value.denominator)
    return complex({"e": math.e, "i": 1j, "\\pi": math.pi}[value] if isinstance(value, str) else value)


FLOAT = Field(_to_complex, _function_table(cmath, _complex_gamma, _complex_floor), 1e150)


@cache
def high_precision(digits: int = 60) -> Field:
    """Arithmetic with many digits, for numbers that floats cannot tell apart. The first call imports mpmath."""
    import mpmath

    m = mpmath.MPContext()
    m.dps = digits
    constants = {"e": m.e, "i": m.j, "\\pi": m.pi}

    def number(value: Any) -> Any:
        if isinstance(value, Fraction):
            return m.mpc(value.numerator) / value.denominator
        return m.mpc(constants[value] if isinstance(value, str) else value)

    return Field(number, _function_table(m, m.gamma, lambda z: m.floor(m.re(z) + m.mpf(10) ** -40)), 1e300)


class _Approximator:
    """Evaluate in a field at a point."""

    def __init__(self, field: Field, point: Point) -> None:
        self.field, self.point = field, point
        self.peak = 0.0

    def evaluate(self, node: Node) -> Any:
        rule = getattr(self, "_" + node[0], None)
        if rule is None:
            raise UnsupportedError(f"{node[0]} is not a number")
        value = rule(*node[1:])
        size = abs(value)
        if not size < self.field.largest:  # NaN, too
            raise TooLargeError("a number too large to compare")
        self.peak = max(self.peak, float(size))
        return value

    def _num(self, value: Fraction) -> Any:
        return self.field.convert(value)

    _const = _num

    def _sym(self, name: str) -> Any:
        if name not in self.point:
            raise UndefinedError(f"{name} has no value")
        return self.field.convert(self.point[name])

    def _neg(self, a: Node) -> Any:
        return 0 - self.evaluate(a)  # -z would turn 0j into -0j, and roots onto the other side of the branch cut

    def _add(self, parts: tuple[Node, ...]) -> Any:
        return sum((self.evaluate(part) for part in parts[1:]), self.evaluate(parts[0]))

    def _mul(self, parts: tuple[Node, ...]) -> Any:
        total = self.evaluate(parts[0])
        for part in parts[1:]:
            total = total * self.evaluate(part)
        return total

    def _div(self, a: Node, b: Node) -> Any:
        return self.evaluate(a) / self.evaluate(b)

    def _pct(self, a: Node) -> Any:
        return self.evaluate(a) / 100

    def _deg(self, a: Node) -> Any:
        return self.evaluate(a) * self.field.convert("\\pi") / 180

    def _unit(self, a: Node, _: str) -> Any:
        return self.evaluate(a)

    def _pow(self, a: Node, b: Node) -> Any:
        base, exponent = self.evaluate(a), self.evaluate(b)
        if base and exponent and abs(exponent) * abs(math.log(abs(base))) > 350:
            raise TooLargeError("a power too large to compare")
        return base**exponent

    def _root(self, degree: Node, a: Node) -> Any:
        n, value = self.evaluate(degree), self.evaluate(a)
        if n == 2:
            return self.field.functions["sqrt"](value)
        if value.imag == 0 and value.real < 0 and n.imag == 0 and n.real % 2 == 1:  # people mean the real root
            return -((-value) ** (1 / n))
        return value ** (1 / n)

    def _fn(self, name: str, a: Node) -> Any:
        value = self.evaluate(a)
        if name in ("exp", "sinh", "cosh") and abs(value) > 350:
            raise TooLargeError("an exponential too large to compare")
        if name not in self.field.functions:
            raise UnsupportedError(name)
        return self.field.functions[name](value)

    def _call(self, name: str, arguments: tuple[Node, ...]) -> Any:
        """A function that is nothing but its name: some smooth function, which differs from one name to the other."""
        own = self._sym(name)
        place = sum((own**at * self.evaluate(a) for at, a in enumerate(arguments)), self.field.convert(0))
        return self.field.functions["cos"](own + place) + place**3

    def _fact(self, a: Node) -> Any:
        value = self.evaluate(a)
        if abs(value) > 80:
            raise TooLargeError("a factorial too large to compare")
        return self.field.functions["gamma"](value + 1)

    def _binom(self, a: Node, b: Node) -> Any:
        n, k = self.evaluate(a), self.evaluate(b)
        if abs(n) > 80 or abs(k) > 80:
            raise TooLargeError("a binomial too large to compare")
        gamma = self.field.functions["gamma"]
        return gamma(n + 1) / (gamma(k + 1) * gamma(n - k + 1))


class Approximation(NamedTuple):
    value: Any
    peak: float
    """The largest absolute value met on the way: rounding errors are proportional to it."""


def approximate(node: Node, field: Field, point: Point = NOWHERE) -> Approximation:
    """Evaluate a tree at a point.

    Raises TooLargeError, UnsupportedError, or UndefinedError, also for a symbol that the point lacks.
    """
    evaluation = _Approximator(field, point)
    try:
        return Approximation(evaluation.evaluate(node), evaluation.peak)
    except OverflowError as error:
        raise TooLargeError("a number too large to compare") from error
    except ZeroDivisionError as error:
        raise UndefinedError("a division by zero") from error
    except (TooLargeError, UnsupportedError, UndefinedError):
        raise
    except ValueError as error:  # the domain errors of cmath, mpmath and gamma
        raise UndefinedError(str(error)) from error


def rounds_to(value: Node, decimal: Node) -> bool:
    """Whether a decimal is the value, rounded or truncated to the decimal's own last place."""
    try:
        last = exact_value(decimal)
        places, target = _decimal_places(last), float(last)
        number = approximate(value, FLOAT).value
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
