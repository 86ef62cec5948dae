r"""Answers that are equal to the gold because nothing has been done: the question restated, a sum left as a sum.

Two gates behind an equal value. `restates` refuses an expression of the question, as it stands there or with its parts
in another order, in brackets, under a name, plus 0 or times 1. `unfinished` refuses a sum of plain numbers where the
gold is whole numbers or decimals. What neither does: ask for one form among good ones (``3 \cdot 4`` and ``2^{10}``
are numbers).
"""

# ruff: noqa: RUF001 (letters that look like others)
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache
from math import gcd

from justtinker_plugins.verifiers._normalise import normalise
from justtinker_plugins.verifiers._parse import Node
from justtinker_plugins.verifiers._structure import is_name, value_if_named
from justtinker_plugins.verifiers._values import nodes

Readings = tuple[Node, ...] | ValueError
"""The trees of a text in all its readings, or why there is none."""
Read = Callable[[str], Readings]

_SIMPLE = re.compile(
    r"-?(?:\\\$)?[0-9.,]+|-?[0-9]+/[0-9]+|-?\\frac *\{?[0-9]+\}? *\{?[0-9]+\}?|[A-Za-z]|\\text\{[^{}]*\}|.*=.*"
)
_WORK = re.compile(r"[A-Za-z0-9)}](?:[-+*/(]|\^(?!\\circ))|\\(?:frac|sqrt|cdot|times|div)(?![A-Za-z])")
_MATHS = re.compile(r"\$\$?([^$]+)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_SUM = re.compile(r"(?<![\w.])[0-9][0-9.]*(?: ?[-+*/^×·÷] ?\(?[0-9][0-9.]*\)?)+")
_DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)
"""Code that draws a figure: no part of what is asked."""
_RELATION = re.compile(r"=|<|>|\\(?:le|ge|ne|leq|geq|neq|in|to|approx|equiv)(?![A-Za-z])")


def written(question: str) -> Iterator[str]:
    """What a question writes as mathematics, each side of a relation on its own."""
    question = _DRAWING.sub(" ", question)
    for snippet in [*(next(filter(None, match)) for match in _MATHS.findall(question)), *_SUM.findall(question)]:
        for side in _RELATION.split(snippet):
            if text := side.strip(" .,;:?!\n&").rstrip("\\ "):
                yield text


def look(normal: str) -> str:
    """What two texts that look the same on paper share."""
    return normal.replace(" ", "")


def restates(question: str, gold: str, answer: str, read: Read) -> bool:
    """Whether an equal answer only repeats an expression of the question: ``x^2 - 1`` where it is to be factored."""
    given, wanted, asked = look(normalise(answer)), look(normalise(gold)), look(_normal(question))
    golds, answers, known = read(normalise(gold)), read(normalise(answer)), _bags(question, read)
    parts_of_gold = set() if isinstance(golds, ValueError) else {bag(tree) for tree in golds}
    if (len(wanted) > 3 and wanted in asked) or known & parts_of_gold:
        return False  # the question names the gold: there was a choice to make, or nothing to do
    if given in asked and not _SIMPLE.fullmatch(given) and _WORK.search(given):
        return True
    if isinstance(answers, ValueError):
        return False
    return any(all(bag(side) in known for side in sides(tree)) for tree in answers)


@lru_cache(maxsize=256)
def _normal(question: str) -> str:
    return normalise(_DRAWING.sub(" ", question))


LONG = 300
"""Characters; a longer expression is not taken apart."""


@lru_cache(maxsize=256)
def _bags(question: str, read: Read) -> frozenset[tuple[str, ...]]:
    """The parts of every expression of the question in which there is something to work out."""
    found: set[tuple[str, ...]] = set()
    for text in dict.fromkeys(written(question)):
        trees = read(normalise(text)) if len(text) <= LONG else ()
        if not isinstance(trees, ValueError):
            found |= {
                bag(tree) for tree in trees if tree[0] in ("add", "mul", "pow", "root", "neg", "div", "fn", "fact")
            }
    return frozenset(parts for parts in found if len(parts) > 1 and not _is_fraction(parts))


ONE: Node = ("num", 1)
_NOT_PARTS = frozenset({"neg", "add", "mul", "deg", "unit", "pct"})


def bag(tree: Node) -> tuple[str, ...]:
    """What an expression is made of, in no order, without what changes nothing: signs, brackets, units, 0 and 1."""
    parts = []
    for node in nodes(tree):
        if node[0] in ("num", "sym", "const", "fn"):
            parts.append(_spelt(node[1]))
        elif node[0] not in _NOT_PARTS and node[2:] != (ONE,):
            parts.append(node[0])
    return tuple(sorted(part for part in parts if part not in ("0", "1")))


def _spelt(part: object) -> str:
    """A number or a name; Python refuses to write very long numbers in decimal."""
    is_long = isinstance(part, Fraction) and max(map(abs, part.as_integer_ratio())) > 10**LONG
    return hex(hash(part)) if is_long else str(part)


def _is_fraction(parts: tuple[str, ...]) -> bool:
    """A fraction of whole numbers in lowest terms: as good a way to write a number as any."""
    *numbers, kind = parts
    if kind != "div" or len(numbers) > 2 or not all(map(str.isdigit, numbers)):
        return False
    return len(numbers) < 2 or gcd(*map(int, numbers)) == 1  # a 1 is none of the parts


def sides(tree: Node) -> list[Node]:
    """The sides of a chain that are no names; a tree that is none is its own side."""
    return [side for side in tree[1] if not is_name(side)] or [tree] if tree[0] == "rel" else [tree]


# -- sums left as sums -------------------------------------------------------------------------------------------

_WRITTEN_OUT = frozenset({"num", "neg", "list", "set", "tuple", "unit", "deg", "pct"})


def unfinished(gold: Node, answer: Node) -> bool:
    """Whether the answer leaves plain numbers to be added up where the gold has none but whole numbers and decimals."""
    return all(node[0] in _WRITTEN_OUT for node in nodes(value_if_named(gold))) and _work_left(answer)


def _work_left(tree: Node) -> bool:
    if tree[0] == "rel":
        return all(map(_work_left, sides(tree)))
    if tree[0] in ("list", "set"):
        return any(map(_work_left, tree[1]))
    return any(node[0] == "add" and sum(map(_plain, node[1])) > 1 and not _mixed(node[1]) for node in nodes(tree))


def _mixed(terms: tuple[Node, ...]) -> bool:
    r"""``1\frac{4}{5}``, which is read as a sum."""
    kinds = [term[0] for term in terms]
    return kinds == ["num", "div"] and terms[0][1].denominator == 1 and {n[0] for n in terms[1][1:]} == {"num"}


def _plain(term: Node) -> bool:
    """A number, or numbers multiplied; a power, a root or a letter is something else."""
    if term[0] == "pow":
        return _plain(term[1]) and term[2] == ONE
    if term[0] in ("pct", "deg", "unit"):
        return _plain(term[1])
    if term[0] == "num":
        return True
    return term[0] in ("neg", "mul", "div") and all(map(_plain, term[1] if term[0] == "mul" else term[1:]))
