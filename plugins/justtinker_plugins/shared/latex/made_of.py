r"""The parts of an expression, in no order: to recognise an expression of the question in an answer.

This is not simplification as a mathematician would do it. `tidy` removes what changes nothing (``+ 0``,
``\cdot 2^0``, ``^{2/2}``), `sorted_parts` lists the parts that are left, and `members` the terms or factors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any, NamedTuple

from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.values import exact_value, nodes

ONE: Node = ("num", Fraction(1))
_NOT_PARTS = frozenset({"neg", "add", "mul", "deg", "unit", "pct"})
MOST_COPIES = 9
_LONG = 10**300


def value_or_none(tree: Node) -> Fraction | None:
    """The value of a tree as a fraction; None if it has no rational value."""
    with suppress(ValueError):
        return exact_value(tree)
    return None


def is_root(node: Node) -> bool:
    """Whether a node is a root, or a power with a fraction as its exponent."""
    return node[0] == "root" or (node[0] == "pow" and (n := value_or_none(node[2])) is not None and n.denominator > 1)


def tidy(tree: Any) -> Any:
    """Remove "plus 2-2", "times 7/7" and "to the power of 2/2" from a tree; write a power of 1/2 as a root."""
    kind = tree[0] if tree else None
    if kind in ("add", "mul"):
        kept = tuple(tidy(part) for part in tree[1] if value_or_none(part) != (kind == "mul"))
        return kept[0] if len(kept) == 1 else (kind, kept or tree[1][:1])
    exponent = value_or_none(tree[2]) if kind in ("div", "pow") else None
    if exponent == 1:
        return tidy(tree[1])
    if kind == "pow" and exponent and exponent.numerator == 1:
        return ("root", ("num", Fraction(exponent.denominator)), tidy(tree[1]))
    return tuple(tidy(part) if isinstance(part, tuple) else part for part in tree)


def sorted_parts(tree: Node) -> tuple[str, ...]:
    """The numbers, names and operations of a tree, sorted; without signs, brackets, units, 0 and 1."""
    parts = []
    for node in nodes(tree):
        if node[0] in ("num", "sym", "const", "fn", "call"):
            parts.append(_spelling(node[1]))
        elif node[0] not in _NOT_PARTS and node[2:] != (ONE,):
            parts.append(node[0])
    return tuple(sorted(part for part in parts if part not in ("0", "1")))


def _spelling(part: object) -> str:
    """A number or name as text. Python refuses to write very long numbers in decimal."""
    is_long = isinstance(part, Fraction) and max(map(abs, part.as_integer_ratio())) > _LONG
    return hex(hash(part)) if is_long else str(part)


class Members(NamedTuple):
    """The terms of a sum or the factors of a product, without their signs; empty for other trees."""

    kind: str
    counts: Counter[tuple[str, ...]]

    def all_in(self, others: Members) -> bool:
        """Whether the other sum or product has all of these members."""
        return self.kind == others.kind != "" and self.counts <= others.counts


def members(tree: Node) -> Members:
    """The terms of a sum; the factors of a product, quotient or power, marked as above or below the fraction bar."""
    while tree[0] == "neg":
        tree = tree[1]
    if tree[0] == "add":
        return Members("sum", Counter(_terms(tree)))
    if tree[0] in ("mul", "div", "pow"):
        return Members("product", Counter(_factors(tree, True)))
    return Members("", Counter())


def _terms(tree: Node) -> Iterator[tuple[str, ...]]:
    if tree[0] == "neg":
        yield from _terms(tree[1])
    elif tree[0] == "add":
        for part in tree[1]:
            yield from _terms(part)
    else:
        yield _term_key(tree)


def _factors(tree: Node, above: bool) -> Iterator[tuple[str, ...]]:
    if tree[0] == "neg":
        yield from _factors(tree[1], above)
    elif tree[0] == "mul":
        for part in tree[1]:
            yield from _factors(part, above)
    elif tree[0] == "div":
        yield from _factors(tree[1], above)
        yield from _factors(tree[2], not above)
    elif tree[0] == "pow" and (n := value_or_none(tree[2])) and n.denominator == 1 and abs(n) <= MOST_COPIES:
        yield from list(_factors(tree[1], above == (n > 0))) * abs(int(n))
    else:
        yield (*_term_key(tree), "above" if above else "below")


def _term_key(tree: Node) -> tuple[str, ...]:
    value = value_or_none(tree)
    return sorted_parts(tree) if value is None else (_spelling(abs(value)),)
