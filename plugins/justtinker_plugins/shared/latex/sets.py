r"""Sets of real numbers in one form: ``\mathbb{R} \setminus \{2\}`` as a union, ``x > 1 and x < 3`` as an interval.

The reals without some points are a union of intervals. Bounds joined by "and" are an interval; by "or" or a comma, a
union. "and" between bounds that exclude each other means "or", because that is how people write it. Sets of other
numbers and other differences of sets are left to the worker; ``\mathbb{Z}`` is never ``\mathbb{R}``.
"""

from __future__ import annotations

import itertools
import re

from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.values import FLOAT, approximate, is_scalar, symbols

REALS: Node = ("sym", "\\R")
_INFINITY: Node = ("sym", "\\infty")
_LINE: Node = ("tuple", "()", (("neg", _INFINITY), _INFINITY))
_ALL_REALS = re.compile(r"(?:all|the|all the)? *(?:real numbers|reals)", re.IGNORECASE)
MOST_POINTS = 20


def as_set(node: Node) -> Node:
    """Write a set of reals in the form that `structure` compares; return any other tree as it is."""
    if node == _LINE or (node[0] == "text" and _ALL_REALS.fullmatch(node[1].strip(" ."))):
        return REALS
    if node[0] == "both":
        return _between_bounds(node[1], node[2]) or ("list", node[1:])
    if node[0] == "add" and len(node[1]) == 2 and node[1][0] == REALS and node[1][1][0] == "neg":
        node = ("without", REALS, node[1][1][1])
    if node[0] == "without" and as_set(node[1]) == REALS and node[2][0] == "set":
        return _intervals_between(node[2][1]) or node
    return node


def _real(node: Node) -> float | None:
    """The value of a tree as a real number; None if it has letters or is anything else."""
    if symbols(node) or not is_scalar(node):
        return None
    try:
        value = approximate(node, FLOAT).value
    except ValueError:
        return None
    return float(value.real) if not value.imag else None


def _intervals_between(points: tuple[Node, ...]) -> Node | None:
    """All reals but these points, as a union of intervals; None if a point has no value or occurs twice."""
    placed = [(value, point) for point in points if (value := _real(point)) is not None]
    if not 0 < len(points) == len({value for value, _ in placed}) <= MOST_POINTS:
        return None
    inner = [point for _, point in sorted(placed, key=lambda pair: pair[0])]
    ends = [("neg", _INFINITY), *inner, _INFINITY]
    return ("union", tuple(("tuple", "()", (a, b)) for a, b in itertools.pairwise(ends)))


_LESS = {"<": "<", "<=": "<=", ">": "<", ">=": "<="}


def _between_bounds(one: Node, other: Node) -> Node | None:
    """Join ``x > 1`` and ``x < 3`` to ``1 < x < 3``; None unless both bound one letter with room between them."""
    bounds = [_smaller_first(one), _smaller_first(other)]
    for (low, above, sign), (below, high, last) in (bounds, bounds[::-1]):
        if above == below and above[0] == "sym" and (a := _real(low)) is not None and (b := _real(high)) is not None:
            return ("rel", (low, above, high), (sign, last)) if a < b else None
    return None


def _smaller_first(node: Node) -> tuple[Node, Node, str]:
    """The smaller side, the larger side and the sign of a single bound."""
    if node[0] != "rel" or len(node[1]) != 2:
        return _INFINITY, _LINE, ""
    left, right = node[1] if node[2][0] in ("<", "<=") else node[1][::-1]
    return left, right, _LESS[node[2][0]]


# -- on texts ------------------------------------------------------------------------------------------------------

_BUILDER = re.compile(r"\\\{ *([a-z]) *(?:\\in *\\R *)?(?:\\mid(?![A-Za-z])|:|\|) *([^|:=,;]+?) *\\\}")
_COMPARES = re.compile(r"[<>]|\\(?:le|ge|neq)(?![A-Za-z])")


def without_set_builder(normal: str) -> str:
    r"""Reduce ``\{x \mid 1 < x < 3\}`` to ``1 < x < 3``; return any other text as it is."""
    found = _BUILDER.fullmatch(normal)
    return found[2] if found and _has_letter(found[2], found[1]) and _COMPARES.search(found[2]) else normal


def _has_letter(text: str, letter: str) -> bool:
    return re.search(rf"(?<![A-Za-z\\]){letter}(?![A-Za-z])", text) is not None
