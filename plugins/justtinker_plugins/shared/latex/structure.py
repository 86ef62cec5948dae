"""Answers with parts: lists, sets, tuples, intervals, matrices, unions, equations, chains and inequalities.

Most of it are the structural gates: another size, another bracket, another name and it is another answer. What it
does not: compare single values (`_numbers` does).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from justtinker_plugins.shared.latex.numbers import Finding, all_of, best, plain, proportional, rounds, values_equal
from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.sets import REALS, as_set
from justtinker_plugins.shared.latex.values import nodes, symbols


def squeeze(words: str) -> str:
    """Words without case, spacing and the stops around them."""
    return " ".join(words.split()).strip(" .,;:!'\"").casefold()


COLLECTIONS = ("list", "set")


def nodes_equal(gold: Node, answer: Node) -> Finding:
    gold, answer = _scaled(_expand(as_set(gold))), _scaled(_expand(as_set(answer)))
    if gold[0] == "rel":
        return _relation_gold(gold, answer)
    if answer[0] == "rel":
        return _relation_answer(gold, answer)
    if "without" in (gold[0], answer[0]):
        return Finding(None, "gate", "a set without another one")
    gold, answer = _together(gold, answer), _together(answer, gold)
    if gold[0] in COLLECTIONS or answer[0] in COLLECTIONS:
        return _collections(gold, answer)
    if gold[0] != answer[0] and {gold[0], answer[0]} & {"tuple", "matrix", "union", "text"}:
        if gold[0] not in KINDS and gold[0] != "base" and not plain(gold):
            return Finding(None, "gate", "the gold mixes values with what is none")
        return Finding(False, "gate", f"{_kind(answer)} where the gold is {_kind(gold)}")
    if gold[0] == "tuple":
        return _tuples(gold, answer)
    if gold[0] == "matrix":
        return _matrices(gold[1], answer[1])
    if gold[0] == "union":
        return _multiset(gold[1], answer[1])
    if gold[0] == "text":
        equal = squeeze(gold[1]) == squeeze(answer[1])
        return Finding(equal, "string", "" if equal else "not the words of the gold")
    return values_equal(gold, answer)


def _scaled(node: Node) -> Node:
    r"""``\frac15 \begin{pmatrix}1\\2\end{pmatrix}`` as the matrix of fifths; a product of matrices stays one."""
    if node[0] == "neg" and (inner := _scaled(node[1]))[0] == "matrix":
        return _entries(inner, lambda entry: ("neg", entry))
    if node[0] == "div" and node[1][0] == "matrix" and plain(node[2]):
        return _entries(node[1], lambda entry: ("div", entry, node[2]))
    if node[0] == "mul" and [part[0] for part in node[1]].count("matrix") == 1:
        scalars = tuple(part for part in node[1] if part[0] != "matrix")
        if all(map(plain, scalars)):
            matrix = next(part for part in node[1] if part[0] == "matrix")
            return _entries(matrix, lambda entry: ("mul", (*scalars, entry)))
    return node


def _entries(matrix: Node, change: Callable[[Node], Node]) -> Node:
    return ("matrix", tuple(tuple(change(entry) for entry in row) for row in matrix[1]))


KINDS = {"tuple": "a tuple or interval", "matrix": "a matrix", "union": "a union", "text": "words"}


def _kind(node: Node) -> str:
    return KINDS.get(node[0], "a single value")


def _together(node: Node, other: Node) -> Node:
    """A list read as what the other side is: ``x = 1, y = 2`` as a point, ``x < 0 or x > 1`` as a union."""
    if node[0] != "list" or other[0] not in ("tuple", "union"):
        return node
    if _differently_named(node[1]):
        named = sorted((n for item in node[1] if (n := _named_value(item))), key=lambda n: str(n[0]))
        return ("tuple", "()", tuple(value for _, value in named))
    intervals = [interval for item in node[1] if (interval := _interval(item))]
    return ("union", tuple(intervals)) if len(intervals) == len(node[1]) > 1 else node


def _tuples(gold: Node, answer: Node) -> Finding:
    if gold[1] != answer[1]:
        return Finding(False, "gate", f"brackets {answer[1]} where the gold has {gold[1]}")
    if len(gold[2]) != len(answer[2]):
        return Finding(False, "gate", f"{len(answer[2])} parts where the gold has {len(gold[2])}")
    return all_of([nodes_equal(g, a) for g, a in zip(gold[2], answer[2], strict=True)])


def _matrices(gold: tuple[tuple[Node, ...], ...], answer: tuple[tuple[Node, ...], ...]) -> Finding:
    if [len(row) for row in gold] != [len(row) for row in answer]:
        return Finding(False, "gate", "a matrix of another shape")
    pairs = [(g, a) for rows in zip(gold, answer, strict=True) for g, a in zip(*rows, strict=True)]
    return all_of([nodes_equal(g, a) for g, a in pairs])


def _collections(gold: Node, answer: Node) -> Finding:
    """Lists and sets as multisets; the order is free, how often each stands is not."""
    golds = _named(gold[1] if gold[0] in COLLECTIONS else (gold,))
    answers = _named(answer[1] if answer[0] in COLLECTIONS else (answer,))
    if len(golds) == len(answers) and _differently_named(golds) and not any(item[0] == "rel" for item in answers):
        return all_of([nodes_equal(g, a) for g, a in zip(golds, answers, strict=True)])
    return _multiset(golds, answers)


def _differently_named(items: tuple[Node, ...]) -> bool:
    """``x = 1, y = 2``: here bare values must come in this order."""
    names = [named[0] for item in items if (named := _named_value(item))]
    return len(names) == len(items) > 1 and len(set(names)) == len(names)


def _named(items: tuple[Node, ...]) -> tuple[Node, ...]:
    """``x = 1, -2`` names its variable once: the rest stands bare."""
    expanded: list[Node] = []
    for item in items:
        item = _expand(item)
        expanded.extend(item[1] if item[0] == "list" else (item,))
    first = expanded[0] if expanded else ("text", "")
    if first[0] == "rel" and len(expanded) > 1 and all(i[0] != "rel" for i in expanded[1:]) and is_name(first[1][0]):
        expanded = [("rel", (first[1][0], item), ("=",)) if item is not first else item for item in expanded]
    return tuple(expanded)


def _multiset(golds: tuple[Node, ...], answers: tuple[Node, ...]) -> Finding:
    if len(golds) != len(answers):
        return Finding(False, "gate", f"{len(answers)} values where the gold has {len(golds)}")
    left = list(answers)
    found: list[Finding] = []
    for gold in golds:
        tried = [nodes_equal(gold, answer) for answer in left]
        chosen = best(tried)
        if chosen.equal is False:
            return Finding(False, chosen.rung, "a value of the gold is missing")
        left.pop(tried.index(chosen))
        found.append(chosen)
    return all_of(found)


# -- plus or minus -----------------------------------------------------------------------------------------------


def _expand(node: Node) -> Node:
    r"""``1 \pm x`` as the list of both; all signs of one expression change together."""
    if node[0] in ("list", "set"):
        items: list[Node] = []
        for item in node[1]:
            wide = _expand(item)
            items.extend(wide[1] if wide[0] == "list" else (wide,))
        return (node[0], tuple(items))
    if node[0] in ("tuple", "matrix", "union", "text") or not any(n[0] in ("pm", "mp") for n in nodes(node)):
        return node
    return ("list", (_choose_sign(node, False), _choose_sign(node, True)))


def _choose_sign(node: Node, negative: bool) -> Node:
    if node[0] in ("pm", "mp"):
        left, right = (_choose_sign(part, negative) for part in node[1:])
        return ("add", (left, ("neg", right) if negative == (node[0] == "pm") else right))
    return tuple(_signed_part(part, negative) for part in node)


def _signed_part(part: object, negative: bool) -> object:
    if not isinstance(part, tuple) or not part:
        return part
    return _choose_sign(part, negative) if isinstance(part[0], str) else tuple(_signed_part(p, negative) for p in part)


# -- equations and other relations -------------------------------------------------------------------------------


_TITLE = re.compile(r"(?!.*\b(?:not|never|neither|except)\b)[A-Za-z .,']{1,60}", re.IGNORECASE)


def is_name(node: Node) -> bool:
    """A thing that an equation can name: a symbol, ``f(x)``, a segment AB, words."""
    if node[0] == "tuple":
        return node[1] == "()" and all(part[0] == "sym" for part in node[2])
    if node[0] == "fn" and node[1] == "abs":  # the size of a set; |x| = 5 is unsolved
        return node[2][0] == "sym" and bool(node[2][1].isupper())
    if node[0] == "mul":
        return all(part[0] == "sym" and part[1].isalpha() and part[1].isupper() for part in node[1])
    return node[0] == "sym" or (node[0] == "text" and _TITLE.fullmatch(node[1]) is not None)


_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def _named_value(node: Node) -> tuple[Node, Node] | None:
    """``x = 5`` (or ``5 = x``) as (x, 5)."""
    if node[0] != "rel" or node[2] != ("=",):
        return None
    left, right = node[1]
    if is_name(left) and not symbols(left) & symbols(right):
        return left, right
    if is_name(right) and not symbols(left):
        return right, left
    return None


def value_if_named(node: Node) -> Node:
    """5 of ``x = 5``; what has no name is its own value."""
    named = _named_value(node)
    return named[1] if named else node


def _relation_gold(gold: Node, answer: Node) -> Finding:
    named = _named_value(gold)
    if named and (found := _value_of(*named, answer)):
        return found
    if gold[2] == ("=",):
        return _equations(gold, answer)
    if gold[2] == ("in",):
        return nodes_equal(gold[1][1], answer)
    interval = _interval(gold)
    other = _interval(answer) if answer[0] == "rel" else answer
    if interval and other:
        return nodes_equal(interval, other)
    return _sides(gold, answer)


def _value_of(name: Node, value: Node, answer: Node) -> Finding | None:
    """A gold ``x = 5``: answered by 5, by ``x = 5`` and by chains that end there. None: compare as equations."""
    if answer[0] != "rel":
        return nodes_equal(value, answer)
    given = _named_value(answer)
    if given and given[0] == name:
        return nodes_equal(value, given[1])
    if set(answer[2]) <= {"=", "~"} and len(answer[1]) > 2 and answer[1][0] == name:
        return _chain(value, answer[1][1:], answer[2][1:])
    if symbols(value):
        return None
    return Finding(False, "gate", "another name than the gold's, or nothing solved for it")


def _sides(gold: Node, answer: Node) -> Finding:
    """Relations side by side, also the other way round."""
    if answer[0] != "rel" or len(answer[1]) != len(gold[1]):
        return Finding(False, "gate", "not the relation of the gold")
    flipped = ("rel", answer[1][::-1], tuple(_FLIPPED.get(sign, sign) for sign in answer[2][::-1]))
    found = [
        all_of([nodes_equal(g, a) for g, a in zip(gold[1], sides, strict=True)])
        for _, sides, signs in ((answer, flipped) if ":" not in gold[2] else (answer,))
        if signs == gold[2]
    ]
    return best(found) if found else Finding(False, "gate", "another sign of relation")


def _equations(gold: Node, answer: Node) -> Finding:
    """Two equations are the same if their differences of sides are in one fixed proportion."""
    if answer[0] != "rel" or answer[2] != ("=",):
        return Finding(False, "gate", "the gold is an equation")
    found = _sides(gold, answer)
    if found.equal or not symbols(gold):
        return found
    return proportional(("add", (gold[1][0], ("neg", gold[1][1]))), ("add", (answer[1][0], ("neg", answer[1][1]))))


def _interval(node: Node) -> Node | None:
    """``1 < x \\le 5`` and ``x > 3`` as intervals; None where it is not one variable between bounds."""
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


def _relation_answer(gold: Node, answer: Node) -> Finding:
    """What an equation answers where the gold is no equation: its value if it is named, or if all sides are equal."""
    sides, signs = answer[1], answer[2]
    if signs == ("!=",) and gold[0] == "union" and is_name(sides[0]):
        return nodes_equal(gold, ("without", REALS, ("set", (sides[1],))))
    if all(sign in _FLIPPED for sign in signs) or signs == ("in",):
        interval = _interval(answer)
        if interval is None:
            return Finding(False, "gate", "the gold is no inequality")
        return nodes_equal(gold, interval)
    if not all(sign in ("=", "~") for sign in signs):
        return Finding(False, "gate", "a relation is no answer here")
    if is_name(sides[0]) and not symbols(sides[0]) & symbols(gold):
        sides, signs = sides[1:], signs[1:]
    elif len(sides) == 2 and is_name(sides[1]) and signs == ("=",) and not symbols(sides[1]) & symbols(gold):
        sides, signs = sides[:1], ()
    return _chain(gold, sides, signs)


def _chain(gold: Node, sides: tuple[Node, ...], signs: tuple[str, ...]) -> Finding:
    r"""``\frac{10}{2} = 5 \approx 5.0``: equal sides must all be the gold; one rounded side may end the chain."""
    rounded = signs[-1:] == ("~",)
    if "~" in signs[:-1]:
        return Finding(False, "gate", "a chain of approximations is no answer")
    if not rounded or len(sides) == 1:
        return all_of([nodes_equal(gold, side) for side in sides])
    kept = [nodes_equal(gold, side) for side in sides[:-1]]
    last = sides[-1]
    if len(sides) > 1 and not rounds(sides[-2], last):
        return Finding(False, "gate", "the approximation is not a rounding of what stands before it")
    if sides[-2][0] == "num":  # two plain numbers would be two answers
        return all_of(kept)
    return best([all_of(kept), nodes_equal(gold, last)])
