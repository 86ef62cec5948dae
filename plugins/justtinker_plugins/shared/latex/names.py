r"""What can be the name in an equation: the x of ``x = 5``, the ``\frac{AB}{CD}`` of ``\frac{AB}{CD} = 2``.

A name says what a value is the value of, and an answer may leave it out. ``x + y = 5``, ``|x| = 5`` and ``2x = 4``
have no name: they are equations, and 5 does not answer them.
"""

from __future__ import annotations

import re

from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.values import nodes, symbols

_TITLE = re.compile(
    r"(?!half |.*\b(?:not|never|neither|except|wrong|incorrect|false|minus|twice|thrice|squared|cubed|negative$)\b)"
    r"[A-Za-z .,']{1,60}",
    re.IGNORECASE,
)
"""Words that may name a value: "the area", not "twice the area"."""
_KNOWN = frozenset(("sym", name) for name in (r"\infty", r"\R", r"\N", r"\Z", r"\Q", r"\C", r"\ldots"))
"""Symbols that are values."""


def is_name(node: Node) -> bool:
    """Whether a tree can be the name in an equation: a symbol, ``f(x)``, a segment AB, words."""
    if node[0] == "tuple":
        return node[1] == "()" and all(part[0] == "sym" for part in node[2])
    if node[0] == "fn" and node[1] == "abs":  # the size of a set; |x| = 5 is an unsolved equation
        return node[2][0] == "sym" and bool(node[2][1].isupper())
    if node[0] == "mul":
        return all(part[0] == "sym" and part[1].isalpha() and part[1].isupper() for part in node[1])
    return node[0] == "sym" or (node[0] == "text" and _TITLE.fullmatch(node[1]) is not None)


def is_bare_name(gold: Node) -> bool:
    """Whether a gold is only a name, not a value: a letter, a segment, words, a point given by letters."""
    return gold[0] == "text" or (is_name(gold) and gold not in _KNOWN)


def is_rival(name: Node, gold: Node) -> bool:
    """Whether a name beside a gold that is a name itself may be a second answer, as in ``A = B``.

    Beside a letter, a segment or words, every name may be. Beside ``E_1``, ``I(0)`` or a point, names of that form.
    """
    return is_bare_name(gold) and _form(gold) in ("", _form(name))


def _form(name: Node) -> str:
    if name[0] != "sym":
        return "point" if name[0] == "tuple" else ""
    marks = [mark for mark in "_(" if mark in name[1]]
    return " ".join([*marks, "capital" if name[1][0].isupper() else "small"]) if marks else ""


def is_quantity(node: Node) -> bool:
    r"""Whether a tree is a compound name: ``|AB|``, ``AB^2``, ``\tan A``, ``\frac{AB}{CD}``, ``S_1 : S_2``.

    Its letters are those of figures: capitals, angles, Greek. ``\tan x = 2`` and ``\frac{x}{y} = 2`` are equations.
    """
    if node[0] == "rel":
        return set(node[2]) == {":"} and all(map(is_name, node[1]))
    if node[0] == "div":
        return all(map(_is_of_figure, node[1:]))
    if node[0] == "fn":
        return node[1] in _MEASURES and _is_of_figure(node[2])
    if node[0] == "mul":
        return _is_of_figure(node) and not any(part[0] == "num" for part in node[1])
    return node[0] == "pow" and node[2][0] == "num" and (_is_of_figure(node[1]) or is_quantity(node[1]))


_MEASURES = frozenset(["abs", "sin", "cos", "tan", "cot", "sec", "csc"])


_FIGURE = re.compile(r"[A-Z](?:_.*|'+)?|\\(?:angle|triangle|overrightarrow|overline|widehat|hat|vec)\b.*")
_ANGLE = re.compile(r"\\(?:alpha|beta|gamma|delta|theta|phi|varphi|psi|omega)")


def _is_of_figure(node: Node) -> bool:
    """Whether a tree has letters, and only those of points, segments and angles: ``AB``, ``|AB|``, ``A - B``."""
    names = symbols(node)
    known = all(_FIGURE.fullmatch(name) or _ANGLE.fullmatch(name) for name in names)
    return bool(names) and known and all(part[0] in _PARTS for part in nodes(node))


_PARTS = frozenset(["sym", "mul", "add", "neg", "div", "num", "fn", "pow", "deg"])


def is_same_name(gold: Node, given: Node, letters: frozenset[str]) -> bool:
    """Whether two names are one: ``|AB|`` and AB, or x and ``x(t)`` if t is among the letters of the values."""
    if _without_bars(gold) == _without_bars(given):
        return True
    if gold[0] != "sym" or given[0] != "sym":
        return False
    (head, _, arguments), (other, _, others) = (node[1].partition("(") for node in (gold, given))
    inside = set((arguments or others).rstrip(")").split(","))
    return head == other and not (arguments and others) and bool(inside) and inside <= letters


def _without_bars(node: Node) -> Node:
    inner: Node = node[2] if node[0] == "fn" and node[1] == "abs" else node
    return inner if inner[0] == "mul" and is_name(inner) else node


def group_ratios(node: Node) -> Node:
    """Read ``A : B = 1 : 2`` as an equation between two ratios; any other tree as it is."""
    if node[0] != "rel" or not {":", "="} <= set(node[2]):
        return node
    groups: list[tuple[list[Node], list[str]]] = [([node[1][0]], [])]
    signs: list[str] = []
    for sign, side in zip(node[2], node[1][1:], strict=True):
        if sign == ":":
            groups[-1][0].append(side)
            groups[-1][1].append(sign)
        else:
            groups.append(([side], []))
            signs.append(sign)
    return ("rel", tuple(("rel", tuple(s), tuple(c)) if c else s[0] for s, c in groups), tuple(signs))
