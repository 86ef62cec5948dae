r"""Sets of real numbers in one form: ``\mathbb{R} \setminus \{2\}`` as a union, ``x > 1 and x < 3`` as an interval.

The reals without some points or intervals are a union of intervals. Bounds joined by "and" are an interval; by "or" or
a comma, a union. ``x < 1 and x > 3`` is no number at all; only a gold that says so means "or". Sets of other numbers
and other differences of sets are left to the worker; ``\mathbb{Z}`` is never ``\mathbb{R}``.
"""

from __future__ import annotations

import itertools
import math
import re

from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.values import approximate, is_scalar, symbols

REALS: Node = ("sym", "\\R")
_INFINITY: Node = ("sym", "\\infty")
_NOTHING: Node = ("set", ())
_LINE: Node = ("tuple", "()", (("neg", _INFINITY), _INFINITY))
_ALL_REALS = re.compile(r"(?:all|the|all the)? *(?:real numbers|reals)", re.IGNORECASE)
MOST_POINTS = 20


def as_set(node: Node, *, gold: bool = False) -> Node:
    """Write a set of reals in the form that `structure` compares; return any other tree as it is."""
    if node == _LINE or (node[0] == "text" and _ALL_REALS.fullmatch(node[1].strip(" ."))):
        return REALS
    if node[0] == "both":
        excluded = not gold and len(symbols(node)) == 1
        return _between_bounds(node[1], node[2]) or (_NOTHING if excluded else ("list", node[1:]))
    if node[0] == "add" and len(node[1]) == 2 and node[1][0] == REALS and node[1][1][0] == "neg":
        node = ("without", REALS, node[1][1][1])
    if node[0] == "without" and as_set(node[1]) == REALS:
        return _without(node[2]) or node
    return node


def _real(node: Node) -> float | None:
    """The value of a tree as a real number; None if it has letters or is anything else."""
    if symbols(node) or not is_scalar(node):
        return None
    try:
        value = approximate(node).value
    except ValueError:
        return None
    return float(value.real) if not value.imag else None


_Gap = tuple[float, float, Node, Node, str]
"""The values of both ends of what is removed, the ends as written, and the brackets around them."""
_TURNED = {"(": "]", "[": ")", ")": "[", "]": "("}


def _without(removed: Node) -> Node | None:
    """All reals but these points or intervals, as a union; None if they have no value, or touch each other."""
    parts = removed[1] if removed[0] in ("set", "union") else (removed,)
    found = [gap for part in parts[:MOST_POINTS] if (gap := _gap(part, removed[0] == "set")) is not None]
    gaps = sorted(found, key=lambda gap: gap[:2])
    if not 0 < len(parts) == len(gaps) or any(left[1] >= right[0] for left, right in itertools.pairwise(gaps)):
        return None
    begins = [(-math.inf, ("neg", _INFINITY), "("), *((gap[1], gap[3], _TURNED[gap[4][1]]) for gap in gaps)]
    ends = [*((gap[0], gap[2], _TURNED[gap[4][0]]) for gap in gaps), (math.inf, _INFINITY, ")")]
    kept = [
        ("tuple", opening + closing, (low, high))
        for (a, low, opening), (b, high, closing) in zip(begins, ends, strict=True)
        if a < b
    ]
    return ("union", tuple(kept)) if len(kept) > 1 else kept[0] if kept else _NOTHING


def _gap(part: Node, is_point: bool) -> _Gap | None:
    """A removed point or interval; None if it is neither, or an end has no value."""
    if not is_point and (part[0] != "tuple" or len(part[2]) != 2):
        return None
    low, high, brackets = (part, part, "[]") if is_point else (*part[2], part[1])
    a, b = _end(low), _end(high)
    return None if a is None or b is None or (a >= b and not is_point) else (a, b, low, high, brackets)


def _end(node: Node) -> float | None:
    """The value of an end of an interval, which may be infinite."""
    if node == _INFINITY:
        return math.inf
    return -math.inf if node == ("neg", _INFINITY) else _real(node)


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
