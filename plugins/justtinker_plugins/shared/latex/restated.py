r"""Answers that are equal to the gold because nothing has been done: the question restated, a sum left as a sum.

Two gates behind an equal value. `restates` refuses an expression of the question that is worth the gold, as it stands
there, with its parts in another order, or anywhere in what is answered. `unfinished` refuses what the gold has none of:
a sum of plain numbers, functions, roots. What neither does: ask for one form among good ones (``3 \cdot 4`` and
``2^{10}`` are numbers).

What counts as restated:

- An answer with the parts of one expression of the question, in any order, if the gold has other parts. 0, 1, signs and
  brackets are not parts. A fraction in lowest terms is never restated.
- An answer with such an expression E anywhere in it, if E is worth the gold: ``7(E)/7``, ``(E)^{2/2}``, ``2(E) - (E)``.
  Because E must be worth the gold, ``2 \cdot 6`` answers 12 though the question says 2+6.
- Nothing, if the question names the gold: then there was a choice to make. A gold in braces does not count as named:
  nobody chooses the 1+2i below a fraction bar.

What counts as unfinished:

- A function, if the gold has none and no letter; a root, e, i or pi, if the gold is rational. ``\lfloor 2^{100}/7
  \rfloor`` and ``\cos 30^\circ`` are the problem, not its answer. A chain ``\log_2 32 = 5`` has worked it out.
- Like terms: ``x^2+x+x-15`` is neither factored nor expanded nor simplified. Unlike terms and fractions are finished:
  people write ``x + x/2`` and ``1 - 1/4``.
- A sum of plain numbers. In a sum, a power of 100 or more counts as a number: ``2^{10}+1``, but not ``47^1+38``.
"""

# ruff: noqa: RUF001 (letters that look like others)
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from math import gcd
from typing import NamedTuple

from justtinker_plugins.shared.latex.made_of import Members, bag, members, tidy, value
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.numbers import best
from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.structure import is_name, nodes_equal, value_if_named
from justtinker_plugins.shared.latex.values import nodes, symbols

Readings = tuple[Node, ...] | ValueError
"""The trees of a text in all its readings, or why there is none."""
Read = Callable[[str], Readings]

_SIMPLE = re.compile(
    r"-?(?:\\\$)?[0-9.,]+|-?[0-9]+/[0-9]+|-?\\frac *\{?[0-9]+\}? *\{?[0-9]+\}?|[A-Za-z]|\\text\{[^{}]*\}|.*=.*"
)
_WORK = re.compile(r"[A-Za-z0-9)}](?:[-+*/(]|\^(?!\\circ))|\\(?:frac|sqrt|cdot|times|div)(?![A-Za-z])")
MATHS = re.compile(r"\$\$?([^$]+)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_SUM = re.compile(r"(?<![\w.])[0-9][0-9.]*(?: ?[-+*/^×·÷] ?\(?[0-9][0-9.]*\)?)+")
_DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)
"""Code that draws a figure: no part of what is asked."""
_RELATION = re.compile(r"=|<|>|\\(?:le|ge|ne|leq|geq|neq|in|to|approx|equiv)(?![A-Za-z])")


def written(question: str) -> Iterator[str]:
    """What a question writes as mathematics, each side of a relation on its own."""
    question = _DRAWING.sub(" ", question)
    for snippet in [*(next(filter(None, match)) for match in MATHS.findall(question)), *_SUM.findall(question)]:
        for side in _RELATION.split(snippet):
            if text := side.strip(" .,;:?!\n&").rstrip("\\ "):
                yield text


def look(normal: str) -> str:
    """What two texts that look the same on paper share."""
    return normal.replace(" ", "")


def restates(question: str, gold: str, answer: str, read: Read) -> bool:
    """Whether an equal answer only repeats an expression of the question: ``x^2 - 1`` where it is to be factored."""
    given, wanted, asked = look(normalise(answer)), look(normalise(gold)), look(_normal(question))
    golds, answers, open_ones = read(normalise(gold)), read(normalise(answer)), _unworked(question, gold, read)
    if _parts(golds) & ({one.parts for one in open_ones} | _parts(answers)):
        return False  # there was nothing to do, or it is done
    if len(wanted) > 3 and wanted in _without([given, *(one.text for one in open_ones)], asked, wanted):
        return False  # the question names the gold: there was a choice to make
    if _stands(given, asked) and not _SIMPLE.fullmatch(given) and _WORK.search(given):
        return True
    if isinstance(answers, ValueError):
        return False
    return any(all(_dressed(side, open_ones, golds) for side in sides(tree)) for tree in answers)


def _parts(trees: Readings) -> set[tuple[str, ...]]:
    return set() if isinstance(trees, ValueError) else {bag(tidy(tree)) for tree in trees}


def _stands(given: str, asked: str) -> bool:
    r"""Whether the question has it as it is: ``2\sqrt3`` does not stand in ``12\sqrt3``."""
    at = asked.find(given)
    while at >= 0 and given:
        before, after = asked[max(0, at - 1) : at], asked[at + len(given) : at + len(given) + 1]
        if not (before.isdigit() and given[0].isdigit()) and not (given[-1].isdigit() and after.isdigit()):
            return True
        at = asked.find(given, at + 1)
    return False


@lru_cache(maxsize=256)
def _normal(question: str) -> str:
    return normalise(_DRAWING.sub(" ", question))


def _without(texts: list[str], asked: str, wanted: str) -> str:
    """The question without what has the gold in it, all that is in braces too: below a fraction bar stands no gold."""
    asked = asked.replace(f"{{{wanted}}}", "{#}")
    for text in texts:
        if wanted in text and wanted != text:
            asked = asked.replace(text, "#")
    return asked


# -- the question's expressions that are worth the gold -----------------------------------------------------------

LONG = 300
"""Characters, or nodes; a longer expression is not taken apart."""
_WORKABLE = ("add", "mul", "pow", "root", "neg", "div", "fn", "fact")


class Unworked(NamedTuple):
    """An expression of the question that is equal to the gold, with something to work out in it."""

    text: str
    parts: tuple[str, ...]
    members: Members


@lru_cache(maxsize=256)
def _unworked(question: str, gold: str, read: Read) -> tuple[Unworked, ...]:
    golds = read(normalise(gold))
    return tuple(Unworked(text, bag(t), members(t)) for text, t in _expressions(question, read) if _is_gold(golds, t))


def _is_gold(golds: Readings, tree: Node) -> bool:
    return isinstance(golds, ValueError) or best([nodes_equal(gold, tree) for gold in golds]).equal is not False


@lru_cache(maxsize=256)
def _expressions(question: str, read: Read) -> tuple[tuple[str, Node], ...]:
    found: list[tuple[str, Node]] = []
    for text in map(normalise, dict.fromkeys(written(question))):
        trees = read(text) if len(text) <= LONG else ()
        if not isinstance(trees, ValueError):
            found += [(look(text), tidied) for t in trees if (tidied := tidy(t))[0] in _WORKABLE]
    return tuple((text, t) for text, t in found if len(parts := bag(t)) > 1 and not _is_fraction(parts))


def _dressed(side: Node, open_ones: tuple[Unworked, ...], golds: Readings) -> bool:
    """Whether one of these expressions stands in an equal answer: as it is, among others, or in a part worth as much.

    What is more than `LONG` is padded: what there was to be worked out is shorter.
    """
    if not open_ones:
        return False
    if len(list(islice(nodes(side), LONG + 1))) > LONG:
        return True
    tree, known = tidy(side), {one.parts for one in open_ones}
    return any(
        (bag(node) in known and (node is tree or _is_gold(golds, node)))
        or any(one.members.stand_in(members(node)) for one in open_ones)
        for node in (*nodes(tree), *nodes(side))
    )


def _is_fraction(parts: tuple[str, ...]) -> bool:
    """A fraction of whole numbers in lowest terms: as good a way to write a number as any."""
    *numbers, kind = parts
    if kind != "div" or len(numbers) > 2 or not all(map(str.isdigit, numbers)):
        return False
    return len(numbers) < 2 or gcd(*map(int, numbers)) == 1  # a 1 is none of the parts


def sides(tree: Node) -> list[Node]:
    """The sides of a chain that are no names; a tree that is none is its own side."""
    return [side for side in tree[1] if not is_name(side)] or [tree] if tree[0] == "rel" else [tree]


def only_rounded(gold: Node, chain: Node) -> bool:
    """Whether the gold stands behind the last sign of a chain only, and that is one of rounding."""
    before = [side for side in chain[1][:-1] if not is_name(side)]
    return chain[2][-1] == "~" and bool(before) and nodes_equal(gold, before[-1]).equal is False


# -- work left to do -----------------------------------------------------------------------------------------------

_WRITTEN_OUT = frozenset({"num", "neg", "list", "set", "tuple", "matrix", "unit", "deg", "pct"})
_RATIONAL = _WRITTEN_OUT | {"add", "mul", "div", "pow"}


def unfinished(gold: Node, answer: Node) -> str:
    """What an answer leaves to be worked out that the gold does not: a sum, a function, a root; empty if nothing."""
    gold = value_if_named(gold)
    used = {node[0] for node in nodes(gold)}
    if used <= _WRITTEN_OUT and _left(answer, _is_sum):
        return "a sum"
    if used <= _WRITTEN_OUT | {"div"} and _left(answer, _is_sum_of_decimals):
        return "a sum"
    if "fn" not in used and not symbols(gold) - {"\\infty"} and _left(answer, _is_function):
        return "a function"
    rational = used <= _RATIONAL and not any(map(_is_root, nodes(gold)))
    if rational and (_left(answer, _is_root) or ("deg" not in used and _left(answer, _is_constant))):
        return "a root or constant"
    if (
        not used <= _RATIONAL
        and _left(answer, _is_uncollected, _algebra)
        and not _left(gold, _is_uncollected, _algebra)
    ):
        return "a sum of like terms, or a product of equal letters,"
    return ""


def _left(tree: Node, what: Callable[[Node], bool], where: Callable[[Node], Iterator[Node]] = nodes) -> bool:
    """Whether there is such a thing in an answer: in all sides of a chain, in any part of a list."""
    if tree[0] == "rel":
        found = [_left(side, what, where) for side in sides(tree) if side is not tree]
        return bool(found) and all(found)
    if tree[0] in ("list", "set", "tuple"):
        return any(_left(part, what, where) for part in tree[-1])
    return any(map(what, where(tree)))


def _algebra(tree: Node) -> Iterator[Node]:
    """The sums and products of a tree, but for those in exponents, binomials and the like."""
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        if node[0] in ("add", "mul", "neg", "div", "pow"):
            stack += node[1] if node[0] in ("add", "mul") else node[1 : 3 if node[0] == "div" else 2]


def _is_uncollected(node: Node) -> bool:
    """``x + x``, ``1 + 1 + x``, ``x x``: with whole or decimal coefficients, as fractions are hard to add."""
    if node[0] == "add":
        terms = [kind for term in node[1] if (kind := _letters_of(term)) is not None]
        return len(set(terms)) < len(terms)
    bases = [part[1] if part[0] == "pow" else part for part in node[1]] if node[0] == "mul" else []
    letters = [base for base in bases if base[0] == "sym"]
    return len(set(letters)) < len(letters)


def _letters_of(term: Node) -> frozenset[tuple[Node, object]] | None:
    """What a term has beside its coefficient, with powers; None for a fraction, a percentage and the like."""
    powers: Counter[Node] = Counter()
    stack = [term]
    while stack:
        node = stack.pop()
        if node[0] in ("div", "unit", "pct", "deg"):
            return None
        if node[0] in ("neg", "mul"):
            stack += node[1] if node[0] == "mul" else node[1:]
        elif node[0] == "pow" and node[2][0] == "num" and node[2][1].denominator == 1:
            powers[node[1]] += int(node[2][1])
        elif node[0] != "num":
            powers[node] += 1
    return frozenset(powers.items())


def _is_function(node: Node) -> bool:
    return node[0] == "fn" and node[1:2] != ("exp",)  # exp is how some write a power


def _is_constant(node: Node) -> bool:
    return node[:1] == ("const",)


def _is_root(node: Node) -> bool:
    return node[0] == "root" or (node[0] == "pow" and (n := value(node[2])) is not None and n.denominator > 1)


def _is_sum(node: Node) -> bool:
    if node[0] == "mul":  # of a mixed number, too
        return any(part[0] == "add" and sum(map(_plain, part[1])) > 1 for part in node[1])
    return node[0] == "add" and sum(map(_plain, node[1])) > 1 and not _mixed(node[1])


def _is_sum_of_decimals(node: Node) -> bool:
    """Which a fraction never needs; ``1 - \\frac{1}{4}`` is a way to write one."""
    return node[0] == "add" and sum(_plain(t) and all(n[0] != "div" for n in nodes(t)) for t in node[1]) > 1


def _mixed(terms: tuple[Node, ...]) -> bool:
    r"""``1\frac{4}{5}``, which is read as a sum."""
    if [term[0] for term in terms] != ["num", "div"] or {part[0] for part in terms[1][1:]} != {"num"}:
        return False
    (_, whole), (_, (_, top), (_, bottom)) = terms
    return bool(whole.denominator == top.denominator == bottom.denominator == 1 and top < bottom)


def _plain(term: Node) -> bool:
    """Arithmetic on plain numbers; what has letters, factorials or a big power as a factor is something else."""
    if term[0] == "neg":
        return _plain(term[1])
    factors = term[1] if term[0] == "mul" else (term,)
    if any(map(_is_big, factors)) and all((n := value(part)) and n.denominator == 1 for part in factors):
        return False
    return not any(n[0] in ("sym", "const", "fact", "binom") for n in nodes(term))


def _is_big(node: Node) -> bool:
    """A power of a whole number that is as good a way to write it as its digits: ``2^{10}``, not ``47^1``."""
    if node[0] != "pow" or (base := value(node[1])) is None or (exponent := value(node[2])) is None:
        return False
    return base.denominator == exponent.denominator == 1 and exponent >= 2 and abs(base) ** min(int(exponent), 9) >= 100
