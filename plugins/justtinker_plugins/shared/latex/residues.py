r"""Whether two rational numbers too long to write out are equal: ``\frac{1}{1990!}``, ``5^{2^{900}} - 1``.

Both are worked out as fractions modulo a number of 256 bits, and compared without a division: a/b = c/d if ad = bc.
Equal numbers always agree. Unequal ones agree only if the modulus divides the difference ad - bc, and no writer can aim
at that: the modulus is a hash of both expressions. (Fingerprints of numbers: Motwani and Raghavan, Randomized
Algorithms, 1995, chapter 7.)
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from math import prod

from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.tokens import TooLargeError
from justtinker_plugins.shared.latex.values import NOWHERE, InexactError, Point, UndefinedError, exact_value

MAX_WORK = 20_000
"""Bits of all exponents and factors of all factorials together: at most 10 ms."""
CHUNK = 32

Residue = tuple[int, int]
"""A numerator and a denominator, both modulo the modulus."""


def same_rational(gold: Node, answer: Node, point: Point = NOWHERE) -> bool:
    """Whether two trees have the same rational value at a point.

    Raises InexactError if one of them is not rational by its form, UndefinedError or TooLargeError.
    """
    digest = hashlib.sha256(repr((gold, answer)).encode()).digest()
    modulus = int.from_bytes(digest, "big") | (1 << 255) | 1
    (a, b), (c, d) = (_Residues(modulus, point).evaluate(node) for node in (gold, answer))
    return (a * d - b * c) % modulus == 0


class _Residues:
    """Evaluate modulo a number, and count the work."""

    def __init__(self, modulus: int, point: Point) -> None:
        self.modulus, self.point, self.work = modulus, point, 0

    def evaluate(self, node: Node) -> Residue:
        rule = getattr(self, "_" + node[0], None)
        if rule is None:
            return self._reduced(exact_value(node, self.point))
        value: Residue = rule(*node[1:])
        return value

    def _reduced(self, value: Fraction) -> Residue:
        return value.numerator % self.modulus, value.denominator % self.modulus

    def _neg(self, a: Node) -> Residue:
        top, bottom = self.evaluate(a)
        return -top % self.modulus, bottom

    def _add(self, parts: tuple[Node, ...]) -> Residue:
        top, bottom = 0, 1
        for part in parts:
            a, b = self.evaluate(part)
            top, bottom = (top * b + a * bottom) % self.modulus, bottom * b % self.modulus
        return top, bottom

    def _mul(self, parts: tuple[Node, ...]) -> Residue:
        top, bottom = 1, 1
        for part in parts:
            a, b = self.evaluate(part)
            top, bottom = top * a % self.modulus, bottom * b % self.modulus
        return top, bottom

    def _div(self, a: Node, b: Node) -> Residue:
        (top, bottom), (c, d) = self.evaluate(a), self._nonzero(b)
        return top * d % self.modulus, bottom * c % self.modulus

    def _nonzero(self, node: Node) -> Residue:
        value = self.evaluate(node)
        if not value[0]:
            raise UndefinedError("a division by zero")
        return value

    def _unit(self, a: Node, _: str) -> Residue:
        return self.evaluate(a)

    def _pow(self, a: Node, b: Node) -> Residue:
        exponent = exact_value(b, self.point)
        if exponent.denominator != 1:
            return self._reduced(exact_value(("pow", a, b), self.point))
        n = int(exponent)
        self._count(n.bit_length())
        top, bottom = self.evaluate(a) if n > 0 else self._nonzero(a)[::-1]
        return pow(top, abs(n), self.modulus), pow(bottom, abs(n), self.modulus)

    def _fact(self, a: Node) -> Residue:
        return self._product(1, self._whole(a)), 1

    def _binom(self, a: Node, b: Node) -> Residue:
        n, k = self._whole(a), self._whole(b)
        return self._product(n - k + 1, n), self._product(1, k)

    def _whole(self, node: Node) -> int:
        value = exact_value(node, self.point)
        if value.denominator != 1 or value < 0:
            raise InexactError("a factorial of a number that is not whole")
        return int(value)

    def _product(self, first: int, last: int) -> int:
        """The product of the whole numbers from the first to the last."""
        self._count(max(0, last - first + 1))
        product = 1
        for start in range(first, last + 1, CHUNK):
            product = product * prod(range(start, min(start + CHUNK, last + 1))) % self.modulus
        return product

    def _count(self, work: int) -> None:
        self.work += work
        if self.work > MAX_WORK:
            raise TooLargeError("a power or a factorial too large to compare")
