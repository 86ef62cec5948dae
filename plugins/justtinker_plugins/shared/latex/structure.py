"""Compare answers with parts: lists, sets, tuples, intervals, matrices, unions, equations, chains and inequalities.

Most of these are structural gates: an answer of another size, with other brackets or under another name is a different
answer. Single values are left to `numbers`.
"""

from __future__ import annotations

from collections.abc import Callable

from justtinker_plugins.shared.latex.names import (
    group_ratios,
    is_bare_name,
    is_name,
    is_quantity,
    is_rival,
    is_same_name,
)
from justtinker_plugins.shared.latex.numbers import (
    Comparison,
    compare_ratio,
    compare_values,
    equal_if_all,
    equal_if_any,
    is_rational,
)
from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.sets import REALS, as_set
from justtinker_plugins.shared.latex.signs import expand_signs
from justtinker_plugins.shared.latex.values import is_scalar, rounds_to, symbols
from justtinker_plugins.shared.latex.words import bare_words

COLLECTIONS = ("list", "set")


def compare_trees(gold: Node, answer: Node) -> Comparison:
    """Compare the trees of a gold and an answer of any kind."""
    if is_rational(gold) and is_rational(answer):
        return compare_values(gold, answer)  # as most are
    gold, answer = as_set(group_ratios(gold), gold=True), as_set(group_ratios(answer))
    gold, answer = _scale_matrix(expand_signs(gold)), _scale_matrix(expand_signs(answer))
    if gold[0] == "rel":
        return _compare_to_gold_relation(gold, answer)
    if answer[0] == "rel":
        return _compare_answer_relation(gold, answer)
    if "without" in (gold[0], answer[0]):
        return Comparison(None, "gate", "a difference of sets")
    gold, answer = _in_form_of(gold, answer), _in_form_of(answer, gold)
    if gold[0] in COLLECTIONS or answer[0] in COLLECTIONS:
        return _compare_collections(gold, answer)
    if gold[0] != answer[0] and {gold[0], answer[0]} & {"tuple", "matrix", "union", "text"}:
        if gold[0] not in KINDS and gold[0] != "base" and not is_scalar(gold):
            return Comparison(None, "gate", "the gold mixes values and other things")
        return Comparison(False, "gate", f"{_describe(answer)} where the gold is {_describe(gold)}")
    if gold[0] == "tuple":
        return _compare_tuples(gold, answer)
    if gold[0] == "matrix":
        return _compare_matrices(gold[1], answer[1])
    if gold[0] == "union":
        return _compare_multisets(gold[1], answer[1])
    if gold[0] == "text":
        equal = bare_words(gold[1]) == bare_words(answer[1])
        return Comparison(equal, "string", "" if equal else "not the words of the gold")
    return compare_values(gold, answer)


def _scale_matrix(node: Node) -> Node:
    r"""Multiply scalars into a matrix: ``\frac15 \begin{pmatrix}1\\2\end{pmatrix}`` is a matrix of fifths."""
    if node[0] == "neg" and (inner := _scale_matrix(node[1]))[0] == "matrix":
        return _map_entries(inner, lambda entry: ("neg", entry))
    if node[0] == "div" and node[1][0] == "matrix" and is_scalar(node[2]):
        return _map_entries(node[1], lambda entry: ("div", entry, node[2]))
    if node[0] == "mul" and [part[0] for part in node[1]].count("matrix") == 1:
        scalars = tuple(part for part in node[1] if part[0] != "matrix")
        if all(map(is_scalar, scalars)):
            matrix = next(part for part in node[1] if part[0] == "matrix")
            return _map_entries(matrix, lambda entry: ("mul", (*scalars, entry)))
    return node


def _map_entries(matrix: Node, change: Callable[[Node], Node]) -> Node:
    return ("matrix", tuple(tuple(change(entry) for entry in row) for row in matrix[1]))


KINDS = {"tuple": "a tuple or interval", "matrix": "a matrix", "union": "a union", "text": "words"}


def _describe(node: Node) -> str:
    return KINDS.get(node[0], "a single value")


def _in_form_of(node: Node, other: Node) -> Node:
    """Read a list in the form of the other side: ``x = 1, y = 2`` as a point, ``x < 0 or x > 1`` as a union."""
    if node[0] != "list" or other[0] not in ("tuple", "union"):
        return node
    if _have_different_names(node[1]):
        named = sorted((n for item in node[1] if (n := _name_and_value(item))), key=lambda n: str(n[0]))
        return ("tuple", "()", tuple(value for _, value in named))
    intervals = [interval for item in node[1] if (interval := _as_interval(item))]
    return ("union", tuple(intervals)) if len(intervals) == len(node[1]) > 1 else node


def _compare_tuples(gold: Node, answer: Node) -> Comparison:
    if gold[1] != answer[1]:
        return Comparison(False, "gate", f"brackets {answer[1]} where the gold has {gold[1]}")
    if len(gold[2]) != len(answer[2]):
        return Comparison(False, "gate", f"{len(answer[2])} parts where the gold has {len(gold[2])}")
    return equal_if_all([compare_trees(g, a) for g, a in zip(gold[2], answer[2], strict=True)])


def _compare_matrices(gold: tuple[tuple[Node, ...], ...], answer: tuple[tuple[Node, ...], ...]) -> Comparison:
    if [len(row) for row in gold] != [len(row) for row in answer]:
        return Comparison(False, "gate", "a matrix of a different shape")
    pairs = [(g, a) for rows in zip(gold, answer, strict=True) for g, a in zip(*rows, strict=True)]
    return equal_if_all([compare_trees(g, a) for g, a in pairs])


def _compare_collections(gold: Node, answer: Node) -> Comparison:
    """Compare lists and sets as multisets: the order is free, the number of times each value occurs is not."""
    golds = _spread_name(gold[1] if gold[0] in COLLECTIONS else (gold,))
    answers = _spread_name(answer[1] if answer[0] in COLLECTIONS else (answer,))
    if len(golds) == len(answers) and _have_different_names(golds) and not any(item[0] == "rel" for item in answers):
        return equal_if_all([compare_trees(g, a) for g, a in zip(golds, answers, strict=True)])
    return _compare_multisets(golds, answers)


def _have_different_names(items: tuple[Node, ...]) -> bool:
    """Whether items name different things, as in ``x = 1, y = 2``: bare values must then come in this order."""
    names = [named[0] for item in items if (named := _name_and_value(item))]
    return len(names) == len(items) > 1 and len(set(names)) == len(names)


def _spread_name(items: tuple[Node, ...]) -> tuple[Node, ...]:
    """Give all items the name that only the first one has, as in ``x = 1, -2``."""
    expanded: list[Node] = []
    for item in items:
        item = expand_signs(item)
        expanded.extend(item[1] if item[0] == "list" else (item,))
    first = expanded[0] if expanded else ("text", "")
    if first[0] == "rel" and len(expanded) > 1 and all(i[0] != "rel" for i in expanded[1:]) and is_name(first[1][0]):
        expanded = [("rel", (first[1][0], item), ("=",)) if item is not first else item for item in expanded]
    return tuple(expanded)


def _compare_multisets(golds: tuple[Node, ...], answers: tuple[Node, ...]) -> Comparison:
    if len(golds) != len(answers):
        values = "1 value" if len(answers) == 1 else f"{len(answers)} values"
        return Comparison(False, "gate", f"{values} where the gold has {len(golds) or 'none'}")
    left = list(answers)
    found: list[Comparison] = []
    for gold in golds:
        tried = [compare_trees(gold, answer) for answer in left]
        chosen = equal_if_any(tried)
        if chosen.equal is False:
            return Comparison(False, chosen.rung, "a value of the gold is missing")
        left.pop(tried.index(chosen))
        found.append(chosen)
    return equal_if_all(found)


# -- equations and other relations -------------------------------------------------------------------------------


_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def _name_and_value(node: Node) -> tuple[Node, Node] | None:
    """Split ``x = 5``, or ``5 = x``, into (x, 5)."""
    if node[0] != "rel" or node[2] != ("=",):
        return None
    left, right = node[1]
    if is_name(left) and not symbols(left) & symbols(right):
        return left, right
    if is_quantity(left) and not any(name[0].isupper() for name in symbols(right)):
        return left, right
    if is_name(right) and not symbols(left):
        return right, left
    return None


def value_if_named(node: Node) -> Node:
    r"""The 5 of ``x = 5``, the root of ``x = \\sqrt2 \\approx 1.41``; any other tree as it is."""
    rounded = split_rounding(node)
    exact = rounded[0] if rounded else node
    named = _name_and_value(exact)
    return named[1] if named else exact


def _compare_to_gold_relation(gold: Node, answer: Node) -> Comparison:
    if rounded := split_rounding(gold):
        return _compare_with_rounding(*rounded, answer)
    named = _name_and_value(gold)
    if named and (found := _compare_with_named(*named, answer)):
        return found
    given = _name_and_value(answer)
    if set(gold[2]) == {":"} and given and is_name(given[0]):
        return compare_trees(gold, given[1])
    if gold[2] == ("=",):
        return _compare_equations(gold, answer)
    if gold[2] == ("in",):
        return compare_trees(gold[1][1], answer)
    interval = _as_interval(gold)
    other = _as_interval(answer) if answer[0] == "rel" else answer
    if interval and other:
        return compare_trees(interval, other)
    return _compare_sides(gold, answer)


def split_rounding(gold: Node) -> tuple[Node, Node] | None:
    r"""Split ``x = \frac{\sqrt3}{3} \approx 0.577`` into the equations of x with the exact value and with the decimal.

    None unless the decimal is a rounding. Two decimals, as in ``12.6 \approx 13``, are one gold.
    """
    if gold[0] != "rel" or gold[2][-1] != "~" or set(gold[2][:-1]) - {"="}:
        return None
    *sides, decimal = gold[1]
    name = sides.pop(0) if len(sides) > 1 and (is_name(sides[0]) or is_quantity(sides[0])) else None
    exact = sides[-1]
    if len(sides) > 1 or exact[0] == "num" or not is_scalar(exact) or not rounds_to(exact, decimal):
        return None
    return (exact, decimal) if name is None else (("rel", (name, exact), ("=",)), ("rel", (name, decimal), ("=",)))


def _compare_with_rounding(exact: Node, decimal: Node, answer: Node) -> Comparison:
    """Compare with a gold that is given exactly and rounded: an exact answer, a chain, or that decimal alone."""
    found = [compare_trees(exact, answer)]
    if answer[0] != "rel" or sum(not is_name(side) for side in answer[1]) == 1:
        found.append(compare_trees(decimal, answer))
    return equal_if_any(found)


def _compare_with_named(name: Node, value: Node, answer: Node) -> Comparison | None:
    """Compare with a gold ``x = 5``: 5, ``x = 5`` and chains that end there answer it. None: compare as equations."""
    if answer[0] != "rel" or set(answer[2]) == {":"}:
        return compare_trees(value, answer)
    given = _name_and_value(answer)
    if given and is_same_name(name, given[0], symbols(value) | symbols(given[1])):
        return compare_trees(value, given[1])
    if set(answer[2]) <= {"=", "~"} and is_same_name(name, answer[1][0], symbols(value)):
        return _compare_chain(value, answer[1][1:], answer[2][1:])
    if symbols(value):
        return None
    return Comparison(False, "gate", "not solved for the name in the gold")


def _compare_sides(gold: Node, answer: Node) -> Comparison:
    """Compare two relations side by side, in both directions."""
    if answer[0] != "rel" or len(answer[1]) != len(gold[1]):
        return Comparison(False, "gate", "not the relation of the gold")
    if gold[2] == answer[2] == (":",) and any(side[0] != "num" or side[1].denominator > 1 for side in gold[1]):
        return compare_trees(("div", *gold[1]), ("div", *answer[1]))  # whole numbers may be a time of day
    flipped = ("rel", answer[1][::-1], tuple(_FLIPPED.get(sign, sign) for sign in answer[2][::-1]))
    found = [
        equal_if_all([compare_trees(g, a) for g, a in zip(gold[1], sides, strict=True)])
        for _, sides, signs in ((answer, flipped) if ":" not in gold[2] else (answer,))
        if signs == gold[2]
    ]
    return equal_if_any(found) if found else Comparison(False, "gate", "a different relation sign")


def _compare_equations(gold: Node, answer: Node) -> Comparison:
    """Compare two equations: they are equal if their differences of sides have a constant ratio."""
    if answer[0] != "rel" or answer[2] != ("=",):
        return Comparison(False, "gate", "the gold is an equation")
    found = _compare_sides(gold, answer)
    if found.equal or not symbols(gold):
        return found
    differences = [("add", (left, ("neg", right))) for left, right in (gold[1], answer[1])]
    return compare_ratio(*differences)


def _as_interval(node: Node) -> Node | None:
    """Read ``1 < x \\le 5`` or ``x > 3`` as an interval; None unless it is one variable between bounds."""
    if node[0] != "rel":
        return None
    sides: tuple[Node, ...] = node[1]
    signs: tuple[str, ...] = node[2]
    if signs == ("in",) and is_name(sides[0]):
        return sides[1]
    if not all(sign in _FLIPPED for sign in signs) or len(sides) > 3:
        return None
    if signs[0] in (">", ">="):
        sides, signs = sides[::-1], tuple(_FLIPPED[sign] for sign in signs[::-1])
    infinity: Node = ("sym", "\\infty")
    if len(sides) == 3 and is_name(sides[1]) and all(sign in ("<", "<=") for sign in signs):
        low, high, left, right = sides[0], sides[2], signs[0], signs[1]
    elif len(sides) == 2 and is_name(sides[0]) and not symbols(sides[1]):
        low, high, left, right = ("neg", infinity), sides[1], "<", signs[0]
    elif len(sides) == 2 and is_name(sides[1]) and not symbols(sides[0]):
        low, high, left, right = sides[0], infinity, signs[0], "<"
    else:
        return None
    return ("tuple", ("(" if left == "<" else "[") + (")" if right == "<" else "]"), (low, high))


def _compare_answer_relation(gold: Node, answer: Node) -> Comparison:
    """Compare a relation with a gold that is none: by the value it names, or by all of its sides."""
    sides, signs = answer[1], answer[2]
    if is_bare_name(gold) and signs == ("in",):
        return Comparison(False, "gate", "a second name beside the gold")
    if signs == ("!=",) and gold[0] == "union" and is_name(sides[0]):
        return compare_trees(gold, ("without", REALS, ("set", (sides[1],))))
    if all(sign in _FLIPPED for sign in signs) or signs == ("in",):
        interval = _as_interval(answer)
        if interval is None:
            return Comparison(False, "gate", "the gold is not an inequality")
        return compare_trees(gold, interval)
    if not all(sign in ("=", "~") for sign in signs):
        return Comparison(False, "gate", "a relation does not answer this")
    if any(is_name(side) and is_rival(side, gold) and side != gold for side in sides):
        return Comparison(False, "gate", "a second name beside the gold")
    if is_name(sides[0]) and not symbols(sides[0]) & symbols(gold):
        sides, signs = sides[1:], signs[1:]
    elif len(sides) == 2 and is_name(sides[1]) and signs == ("=",) and not symbols(sides[1]) & symbols(gold):
        sides, signs = sides[:1], ()
    return _compare_chain(gold, sides, signs)


def _compare_chain(gold: Node, sides: tuple[Node, ...], signs: tuple[str, ...]) -> Comparison:
    r"""Compare a chain such as ``\frac{10}{2} = 5 \approx 5.0``: each side must be the gold, the last maybe rounded."""
    rounded = signs[-1:] == ("~",)
    if "~" in signs[:-1]:
        return Comparison(False, "gate", "only the last step of a chain may be rounded")
    if not rounded or len(sides) == 1:
        return equal_if_all([compare_trees(gold, side) for side in sides])
    unrounded = [compare_trees(gold, side) for side in sides[:-1]]
    last = sides[-1]
    if len(sides) > 1 and not rounds_to(sides[-2], last):
        return Comparison(False, "gate", "the last side is not a rounding of the side before it")
    if sides[-2][0] == "num":  # two numbers would be two answers
        return equal_if_all(unrounded)
    return equal_if_any([equal_if_all(unrounded), compare_trees(gold, last)])
