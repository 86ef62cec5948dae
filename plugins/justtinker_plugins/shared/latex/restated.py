r"""Refuse answers that equal the gold only because no work was done: the question restated, a sum left as a sum.

Two gates follow an equal value. `restates` refuses an expression of the question that is worth the gold: as it stands
there, with its parts in another order, or anywhere in the answer. `work_left` refuses what the gold has none of: a sum
of numbers, functions, roots. Neither asks for one form among good ones: ``3 \cdot 4`` and ``2^{10}`` are numbers.

What counts as restated:

- An answer with the parts of one expression of the question, in any order, if the gold has other parts. 0, 1, signs and
  brackets are not parts. A fraction in lowest terms is never restated.
- An answer with such an expression E anywhere in it, if E is worth the gold: ``7(E)/7``, ``(E)^{2/2}``, ``2(E) - (E)``.
  Because E must be worth the gold, ``2 \cdot 6`` answers 12 though the question says 2+6.
- Nothing, if the question names the gold: then there was a choice to make. A gold in braces does not count as named:
  nobody chooses the 1+2i below a fraction bar.

What counts as work left:

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
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from math import gcd
from typing import NamedTuple

from justtinker_plugins.shared.latex.made_of import Members, is_root, members, sorted_parts, tidy, value_or_none
from justtinker_plugins.shared.latex.names import is_name
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.numbers import equal_if_any
from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.structure import compare_trees, value_if_named
from justtinker_plugins.shared.latex.values import is_scalar, nodes, symbols

Readings = tuple[Node, ...] | ValueError
"""A tree for each reading of a text, or why it has none."""
ReadingsOf = Callable[[str], Readings]

_WITHOUT_WORK = re.compile(
    r"-?(?:\\\$)?[0-9.,]+|-?[0-9]+/[0-9]+|-?\\frac *\{?[0-9]+\}? *\{?[0-9]+\}?|[A-Za-z]|\\text\{[^{}]*\}|.*=.*"
)
_WORK = re.compile(r"[A-Za-z0-9)}](?:[-+*/(]|\^(?!\\circ))|\\(?:frac|sqrt|cdot|times|div)(?![A-Za-z])")
_NUMBER = re.compile("[0-9]+")
_LETTER = re.compile(r"(?<![A-Za-z\\])[a-df-hj-zA-DF-HJ-Z](?![A-Za-z])")
_WORDS = re.compile(r"\\(?:text|math|mbox|hbox|rm|begin|operatorname)|(?:[0-9})]|\\log) *_")
MATHS = re.compile(r"\$\$?([^$]+)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_SUM = re.compile(r"(?<![\w.])[0-9][0-9.]*(?: ?[-+*/^×·÷] ?\(?[0-9][0-9.]*\)?)+")
_DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)
"""Code that draws a figure, which is not part of the question."""
_RELATION = re.compile(r"=|<|>|\\(?:le|ge|ne|leq|geq|neq|in|to|approx|equiv)(?![A-Za-z])")


def math_snippets(question: str) -> Iterator[str]:
    """Iterate over the mathematics in a question, each side of a relation on its own."""
    question = _DRAWING.sub(" ", question)
    for snippet in [*(next(filter(None, match)) for match in MATHS.findall(question)), *_SUM.findall(question)]:
        for side in _RELATION.split(snippet):
            if text := side.strip(" .,;:?!\n&").rstrip("\\ "):
                yield text


def without_spaces(normal: str) -> str:
    """A normalised text without spaces, which texts that look the same on paper share."""
    return normal.replace(" ", "")


def restates(question: str, gold: str, answer: str, readings_of: ReadingsOf) -> bool:
    """Whether an equal answer only repeats an expression of the question: ``x^2 - 1`` for "Factor ``x^2 - 1``"."""
    golds, answers = readings_of(normalise(gold)), readings_of(normalise(answer))
    if all_written_out(answers):
        return False  # spares most answers what follows
    found = unworked(question, gold, readings_of)
    if _parts(golds) & ({e.parts for e in found} | _parts(answers)):
        return False  # there was no work to do, or it is done
    gold, answer = without_spaces(normalise(gold)), without_spaces(normalise(answer))
    if not _is_open(answer, question) and not _contain_unworked(answers, found, golds):
        return False
    named = _without_texts([answer, *(e.text for e in found)], _normal_question(question), gold)
    return len(gold) <= 3 or gold not in named  # a question that names the gold leaves a choice to make


def all_written_out(trees: Readings) -> bool:
    """Whether a side of each reading is a number, name or the like, without an operation."""
    return not isinstance(trees, ValueError) and all(
        any(not any(node[0] in _OPERATIONS for node in nodes(side)) for side in unnamed_sides(tree)) for tree in trees
    )


def _parts(trees: Readings) -> set[tuple[str, ...]]:
    return set() if isinstance(trees, ValueError) else {sorted_parts(tidy(tree)) for tree in trees}


def _is_open(answer: str, question: str) -> bool:
    r"""Whether an answer with work left occurs in the question verbatim: ``2\sqrt3`` does not in ``12\sqrt3``."""
    if _WITHOUT_WORK.fullmatch(answer) or not _WORK.search(answer):
        return False
    if question.isascii() and any(number not in question for number in _NUMBER.findall(answer)):
        return False  # spares the question being normalised
    return _occurs(answer, _normal_question(question))


def _occurs(answer: str, question: str) -> bool:
    at = question.find(answer)
    while at >= 0 and answer:
        before, after = question[max(0, at - 1) : at], question[at + len(answer) : at + len(answer) + 1]
        if not (before.isdigit() and answer[0].isdigit()) and not (answer[-1].isdigit() and after.isdigit()):
            return True
        at = question.find(answer, at + 1)
    return False


@lru_cache(maxsize=256)
def _normal_question(question: str) -> str:
    return without_spaces(normalise(_DRAWING.sub(" ", question)))


def _without_texts(texts: list[str], question: str, gold: str) -> str:
    """Blank out texts of the question that contain the gold, and the gold in braces: a denominator is not the gold."""
    question = question.replace(f"{{{gold}}}", "{#}")
    for text in texts:
        if gold in text and gold != text:
            question = question.replace(text, "#")
    return question


# -- the question's expressions that are worth the gold -----------------------------------------------------------

LONG = 300
"""Characters, or nodes, beyond which an expression is not taken apart."""
_OPERATIONS = frozenset({"add", "mul", "pow", "root", "div", "fn", "fact", "binom"})
_WORKABLE = ("add", "mul", "pow", "root", "neg", "div", "fn", "fact")


class Unworked(NamedTuple):
    """An expression of the question that equals the gold and leaves something to work out."""

    text: str
    tree: Node
    parts: tuple[str, ...]
    members: Members


@lru_cache(maxsize=256)
def unworked(question: str, gold: str, readings_of: ReadingsOf) -> tuple[Unworked, ...]:
    """The expressions of a question that equal the gold and leave something to work out."""
    golds = readings_of(normalise(gold))
    number = not isinstance(golds, ValueError) and all(is_scalar(tree) and not symbols(tree) for tree in golds)
    found = [(t, tree) for t, tree in expressions(question, readings_of, not number) if _may_be_gold(golds, tree)]
    return tuple(Unworked(text, tree, sorted_parts(tree), members(tree)) for text, tree in found)


def _may_be_gold(golds: Readings, tree: Node) -> bool:
    return isinstance(golds, ValueError) or equal_if_any([compare_trees(g, tree) for g in golds]).equal is not False


@lru_cache(maxsize=256)
def expressions(question: str, readings_of: ReadingsOf, letters: bool = True) -> tuple[tuple[str, Node], ...]:
    """The expressions of a question that leave something to work out; without `letters`, only those worth a number."""
    found: list[tuple[str, Node]] = []
    for snippet in dict.fromkeys(math_snippets(question)):
        if not letters and _has_a_letter(snippet):
            continue
        text = normalise(snippet)
        trees = readings_of(text) if len(text) <= LONG else ()
        if not isinstance(trees, ValueError):
            found += [(without_spaces(text), tidied) for t in trees if (tidied := tidy(t))[0] in _WORKABLE]
    return tuple((text, t) for text, t in found if len(parts := sorted_parts(t)) > 1 and not _is_lowest_fraction(parts))


def _has_a_letter(snippet: str) -> bool:
    """Whether a snippet is sure to have a variable: a letter by itself that is not e or i, and no words or indices."""
    return _LETTER.search(snippet) is not None and not _WORDS.search(snippet)


def _contain_unworked(answers: Readings, unworked: tuple[Unworked, ...], golds: Readings) -> bool:
    return not isinstance(answers, ValueError) and any(
        all(_contains_unworked(side, unworked, golds) for side in unnamed_sides(tree)) for tree in answers
    )


def _contains_unworked(side: Node, unworked: tuple[Unworked, ...], golds: Readings) -> bool:
    """Whether an equal side contains an unworked expression: alone, among other parts, or in a part worth the gold.

    A side longer than `LONG` counts as padded: the expressions to be worked out are shorter.
    """
    if not unworked:
        return False
    if len(nodes(side)) > LONG:
        return True
    tree, known = tidy(side), {e.parts for e in unworked}
    return any(
        (sorted_parts(node) in known and (node is tree or _may_be_gold(golds, node)))
        or any(e.members.all_in(members(node)) for e in unworked)
        for node in (*nodes(tree), *nodes(side))
    )


def _is_lowest_fraction(parts: tuple[str, ...]) -> bool:
    """Whether these are the parts of a fraction in lowest terms, as good a way to write a number as any."""
    *numbers, kind = parts
    if kind != "div" or len(numbers) > 2 or not all(map(str.isdigit, numbers)):
        return False
    return len(numbers) < 2 or gcd(*map(int, numbers)) == 1  # a 1 is not among the parts


def unnamed_sides(tree: Node) -> list[Node]:
    """The sides of a chain that are not names. A tree that is not a chain is its own side."""
    return [side for side in tree[1] if not is_name(side)] or [tree] if tree[0] == "rel" else [tree]


def only_rounded(gold: Node, chain: Node) -> bool:
    """Whether only the last side of a chain is the gold, and that side is a rounding."""
    before = [side for side in chain[1][:-1] if not is_name(side)]
    return chain[2][-1] == "~" and bool(before) and compare_trees(gold, before[-1]).equal is False


# -- work left to do -----------------------------------------------------------------------------------------------

_WRITTEN_OUT = frozenset({"num", "neg", "list", "set", "tuple", "matrix", "unit", "deg", "pct"})
_RATIONAL = _WRITTEN_OUT | {"add", "mul", "div", "pow"}


def work_left(gold: Node, answer: Node) -> str:
    """What an answer leaves to work out that the gold does not: a sum, a function, a root; empty if nothing."""
    gold = value_if_named(gold)
    used = {node[0] for node in nodes(gold)}
    if used <= _WRITTEN_OUT and _contains(answer, _is_sum):
        return "a sum"
    if used <= _WRITTEN_OUT | {"div"} and _contains(answer, _is_sum_of_decimals):
        return "a sum"
    if "fn" not in used and not symbols(gold) - {"\\infty"} and _contains(answer, is_function):
        return "a function"
    rational = used <= _RATIONAL and not any(map(is_root, nodes(gold)))
    if rational and (_contains(answer, is_root) or ("deg" not in used and _contains(answer, is_constant))):
        return "a root or constant"
    if (
        not used <= _RATIONAL
        and _contains(answer, _is_uncollected, outside_exponents)
        and not _contains(gold, _is_uncollected, outside_exponents)
    ):
        return "a sum of like terms, or a product of equal letters,"
    return ""


def _contains(tree: Node, test: Callable[[Node], bool], walk: Callable[[Node], Iterable[Node]] = nodes) -> bool:
    """Whether an answer contains a node that passes a test: all sides of a chain, any part of a list."""
    if tree[0] == "rel":
        found = [_contains(side, test, walk) for side in unnamed_sides(tree) if side is not tree]
        return bool(found) and all(found)
    if tree[0] in ("list", "set", "tuple"):
        return any(_contains(part, test, walk) for part in tree[-1])
    return any(map(test, walk(tree)))


def outside_exponents(tree: Node) -> Iterator[Node]:
    """The sums, products, quotients and powers of a tree, but for those in exponents and functions."""
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        if node[0] in ("add", "mul"):
            stack += node[1]
        elif node[0] in ("neg", "pow"):
            stack.append(node[1])
        elif node[0] == "div":
            stack += node[1:]


def _is_uncollected(node: Node) -> bool:
    """Whether like terms or factors are left apart: ``x + x``, ``1 + 1 + x``, ``x x``. Fractions may be left apart."""
    if node[0] == "add":
        terms = [kind for term in node[1] if (kind := _variable_part(term)) is not None]
        return len(set(terms)) < len(terms)
    bases = [part[1] if part[0] == "pow" else part for part in node[1]] if node[0] == "mul" else []
    letters = [base for base in bases if base[0] == "sym"]
    return len(set(letters)) < len(letters)


def _variable_part(term: Node) -> frozenset[tuple[Node, object]] | None:
    """The factors of a term beside its coefficient, with powers; None for a fraction, a percentage and the like."""
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


def is_function(node: Node) -> bool:
    """Whether a node is a function other than exp."""
    return node[0] == "fn" and node[1:2] != ("exp",)  # some write powers with exp


def is_constant(node: Node) -> bool:
    """Whether a node is e, i or pi."""
    return node[:1] == ("const",)


def _is_sum(node: Node) -> bool:
    if node[0] == "mul":  # mixed numbers included
        return any(part[0] == "add" and sum(map(_is_arithmetic, part[1])) > 1 for part in node[1])
    return node[0] == "add" and sum(map(_is_arithmetic, node[1])) > 1 and not is_mixed_number(node[1])


def _is_sum_of_decimals(node: Node) -> bool:
    """Whether numbers without a fraction are added. ``1 - \\frac{1}{4}`` is a way to write a fraction."""
    return node[0] == "add" and sum(_is_arithmetic(t) and all(n[0] != "div" for n in nodes(t)) for t in node[1]) > 1


def is_mixed_number(terms: tuple[Node, ...]) -> bool:
    r"""Whether a sum was written as ``1\frac{4}{5}``."""
    if [term[0] for term in terms] != ["num", "div"] or {part[0] for part in terms[1][1:]} != {"num"}:
        return False
    (_, whole), (_, (_, top), (_, bottom)) = terms
    return bool(whole.denominator == top.denominator == bottom.denominator == 1 and top < bottom)


def _is_arithmetic(term: Node) -> bool:
    """Whether a term is arithmetic on numbers: without letters and factorials, and not a multiple of a big power."""
    if term[0] == "neg":
        return _is_arithmetic(term[1])
    factors = term[1] if term[0] == "mul" else (term,)
    if any(map(is_big_power, factors)) and all((n := value_or_none(part)) and n.denominator == 1 for part in factors):
        return False
    return not any(n[0] in ("sym", "call", "const", "fact", "binom") for n in nodes(term))


def is_big_power(node: Node) -> bool:
    """Whether a power is as good a way to write a whole number as its digits: ``2^{10}``, not ``47^1``."""
    if node[0] != "pow" or (base := value_or_none(node[1])) is None or (exponent := value_or_none(node[2])) is None:
        return False
    return base.denominator == exponent.denominator == 1 and exponent >= 2 and abs(base) ** min(int(exponent), 9) >= 100
