r"""Sets of real numbers in one form: ``\mathbb{R} \setminus \{2\}`` as a union, ``x > 1 and x < 3`` as an interval.

What it does not: sets of other numbers, or differences of sets in general (the worker may know). ``\mathbb{Z}`` is
never ``\mathbb{R}``.

``x > 1 and x < 3`` is an interval; with a comma or "or" it is a union. "and" between bounds that exclude each other
means "or", because that is how people write it. The reals without some points are a union of intervals; a worker gets
other differences of sets.
"""

from __future__ import annotations

import itertools
import re

from justtinker_plugins.shared.latex.numbers import plain
from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.values import FLOAT, numeric, symbols

REALS: Node = ("sym", "\\R")
_INFINITY: Node = ("sym", "\\infty")
_LINE: Node = ("tuple", "()", (("neg", _INFINITY), _INFINITY))
_ALL_REALS = re.compile(r"(?:all|the|all the)? *(?:real numbers|reals)", re.IGNORECASE)
MOST_POINTS = 20


def as_set(node: Node) -> Node:
    """A set of reals in the form that the gates compare; any other node as it is."""
    if node == _LINE or (node[0] == "text" and _ALL_REALS.fullmatch(node[1].strip(" ."))):
        return REALS
    if node[0] == "both":
        return _between(node[1], node[2]) or ("list", node[1:])
    if node[0] == "add" and len(node[1]) == 2 and node[1][0] == REALS and node[1][1][0] == "neg":
        node = ("without", REALS, node[1][1][1])
    if node[0] == "without" and as_set(node[1]) == REALS and node[2][0] == "set":
        return _gaps(node[2][1]) or node
    return node


def _value(node: Node) -> float | None:
    """A real number without letters; None for anything else."""
    if symbols(node) or not plain(node):
        return None
    try:
        value = numeric(node, FLOAT).value
    except ValueError:
        return None
    return float(value.real) if not value.imag else None


def _gaps(points: tuple[Node, ...]) -> Node | None:
    """All reals but these, as intervals."""
    placed = [(value, point) for point in points if (value := _value(point)) is not None]
    if not 0 < len(points) == len({value for value, _ in placed}) <= MOST_POINTS:
        return None
    inner = [point for _, point in sorted(placed, key=lambda pair: pair[0])]
    ends = [("neg", _INFINITY), *inner, _INFINITY]
    return ("union", tuple(("tuple", "()", (a, b)) for a, b in itertools.pairwise(ends)))


_LESS = {"<": "<", "<=": "<=", ">": "<", ">=": "<="}


def _between(one: Node, other: Node) -> Node | None:
    """``x > 1`` and ``x < 3`` as ``1 < x < 3``; None where they are no two bounds of one letter with room between."""
    bounds = [_ordered(one), _ordered(other)]
    for (low, above, sign), (below, high, last) in (bounds, bounds[::-1]):
        if above == below and above[0] == "sym" and (a := _value(low)) is not None and (b := _value(high)) is not None:
            return ("rel", (low, above, high), (sign, last)) if a < b else None
    return None


def _ordered(node: Node) -> tuple[Node, Node, str]:
    """The smaller side first; of one bound only."""
    if node[0] != "rel" or len(node[1]) != 2:
        return _INFINITY, _LINE, ""
    left, right = node[1] if node[2][0] in ("<", "<=") else node[1][::-1]
    return left, right, _LESS[node[2][0]]


# -- in writing ----------------------------------------------------------------------------------------------------

_BUILDER = re.compile(r"\\\{ *([a-z]) *(?:\\in *\\R *)?(?:\\mid(?![A-Za-z])|:|\|) *([^|:=,;]+?) *\\\}")
_COMPARES = re.compile(r"[<>]|\\(?:le|ge|neq)(?![A-Za-z])")
_RANGE = re.compile(r"(?:[,;(]|\\text *\{ *,? *(?:where|for|with) *\}) *([a-z]) *\\in *\\[ZN] *\)?$")


def condition(normal: str) -> str:
    r"""``1 < x < 3`` of ``\{x \mid 1 < x < 3\}``."""
    found = _BUILDER.fullmatch(normal)
    return found[2] if found and _has(found[2], found[1]) and _COMPARES.search(found[2]) else normal


def without_range(gold: str, answer: str) -> str:
    r"""``n\pi`` of ``n\pi, n \in \mathbb{Z}``, for a gold that has an n and does not say what it is."""
    found = _RANGE.search(answer)
    if found and _has(gold, found[1]) and _has(answer[: found.start()], found[1]) and r"\in" not in gold:
        return answer[: found.start()].rstrip(" ,")
    return answer


def _has(text: str, letter: str) -> bool:
    return re.search(rf"(?<![A-Za-z\\]){letter}(?![A-Za-z])", text) is not None
