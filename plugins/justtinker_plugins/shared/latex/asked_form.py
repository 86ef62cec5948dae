r"""Refuse answers that equal the gold but leave the work that the question asks for: ``4/6`` for "in lowest terms".

The question names a form (`forms_asked`); `unfinished` and `brackets` find what an answer leaves to do. What the gold
leaves, too, is never held against an answer, so a gold ``2 \cdot 3^4`` accepts ``3^4 \cdot 2``. Where no form is asked,
every form is as good as another.

- lowest terms, a common fraction: fractions that reduce, decimals, arithmetic in a fraction.
- simplify, simplest radical form: these, roots that can be drawn, like terms, even where brackets hide them, and
  letters below a fraction bar that the gold has not. ``\frac{1}{\sqrt3}`` is simple, but no simplest radical form.
- simplify: also a function, a root or a constant such as e, if the gold has none at all.
- factor: a sum, fewer factors than the gold, a factor such as ``2x-4`` with a number still in it.
- expand: brackets left closed.
- a decimal, a mixed number, scientific notation: any other form, if that is the gold's.
- a value: any arithmetic at all, if an expression of the question without letters, or with letters that it gives
  numbers for, is worth the gold. ``17 \cdot 23`` is thus not answered by ``\frac{34 \cdot 46}{4}``, nor 32^2 by 2^{10}.
  After "compute" a long sum, an integral or the like counts, too; then a power such as ``2^{10}`` is a number, since it
  is not the question's own work.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache, partial
from typing import NamedTuple

from justtinker_plugins.shared.latex import restated
from justtinker_plugins.shared.latex.brackets import factors, has_closed_brackets, has_like_terms, has_product_of_sums
from justtinker_plugins.shared.latex.ladder import claim_of, readings_of
from justtinker_plugins.shared.latex.made_of import is_root, tidy, value_or_none
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.restated import is_mixed_number
from justtinker_plugins.shared.latex.structure import value_if_named
from justtinker_plugins.shared.latex.unfinished import (
    content,
    degree_below,
    has_arithmetic,
    has_decimals,
    has_nested_fraction,
    has_open_root,
    has_reducible_fraction,
    has_root_below,
    has_sum_below,
    is_scientific,
    terms,
)  # fmt: skip
from justtinker_plugins.shared.latex.values import exact_value, nodes, symbols

_ORDER = r"(?:^|[.!?:;,)$\]]\s*|\b(?:and|then|please|fully|completely|to|first|now)\s+)"
"""What stands before a verb that tells to do something: "We can simplify" does not."""
_FORMS = {
    "for lowest terms": r"\blowest terms\b|\birreducible fraction|\breduced (?:fraction|form|terms)|\bcommon fraction"
    r"|\bsimplified fraction|\bfraction in (?:its )?(?:simplest|reduced|lowest)|\bsimplest fraction"
    rf"|{_ORDER}reduce the fraction",
    "for simplest radical form": r"\bsimplest radical form|\brationali[sz]e|\brational(?:i[sz]ed)? denominator",
    "to simplify": rf"{_ORDER}simplify\b|\bsimplest (?:\w+ )?form\b|\bin (?:fully |completely )?simplified form"
    r"|\bsimplified (?:\w+ )?(?:value|expression|form|number)",
    "to factor": rf"{_ORDER}factor(?:i[sz]e)?\b(?! of)|\bfactor(?:i[sz])?ed form|\bprime factori[sz]ation"
    r"|\bas a product of",
    "for a decimal": r"\b(?:as|to|in) an? (?:\w+ )?decimal\b(?! place)|\bdecimal form",
    "for a mixed number": r"\bmixed number",
    "for scientific notation": r"\bscientific notation",
    "to expand": rf"{_ORDER}expand\b|\bexpanded form|\bmultipl(?:y|ied) out",
}
_NAMED = {form: re.compile(pattern, re.IGNORECASE) for form, pattern in _FORMS.items()}
_WORDS = ("simpl", "lowest", "irreducible", "reduce", "common fraction", "rational", "factor", "product of", "decimal",
          "mixed", "scientific", "expan", "multipl")  # fmt: skip
"""One of these stands in every pattern of `_FORMS`."""
_COMPUTE = r"\b(?:comput\w+|evaluat\w+|calculat\w+|work out|what is|what's|how much is|find|simplify|value of)\b"
_COMPUTES = re.compile(_COMPUTE, re.IGNORECASE)
_COMPUTES_NEXT = re.compile(rf"{_COMPUTE}[^$.?!\\]{{0,80}}$", re.IGNORECASE)
_SERIES = r"[0-9)}] *(?:[-+*·]|\\cdot|\\times) *(?:\\[cl]?dots|\.\.\.|…|⋯)"
_LONG_WORK = re.compile(rf"\\(?:sum|prod|i{{0,2}}nt|lim|binom|gcd|lcm)(?![A-Za-z])|[0-9)}}]!|{_SERIES}")
_COMPUTES_SERIES = re.compile(rf"{_COMPUTE}[^$.?!\\]{{0,80}}{_SERIES}", re.IGNORECASE)
_GIVEN = re.compile(
    r"(?:[$(,;:]|\b(?:if|when|for|and|where|let|that|at)) *([A-Za-z]) *= *(-?[0-9]{1,9}(?:\.[0-9]{1,9})?)"
    r"(?= *(?:[$),;.?]|$|and\b|\\[)]))(?!\.[0-9])"
)
"""A letter that the question gives a number for."""


@lru_cache(maxsize=256)
def forms_asked(question: str) -> frozenset[str]:
    """The forms of an answer that a question asks for, as words that follow "the question asks"."""
    lowered = question.lower()
    if not any(word in lowered for word in _WORDS):
        return frozenset()
    return frozenset(form for form, pattern in _NAMED.items() if pattern.search(question))


class Work(NamedTuple):
    """Arithmetic that the question asks for."""

    powers: bool
    """Whether powers such as 2^{10} are numbers."""
    bases: frozenset[Fraction] = frozenset()
    """Bases whose powers the question multiplies or divides, so that one power of them is the work done."""
    also: tuple[Callable[[Node], bool], ...] = ()
    """What else its expressions leave to do: brackets as in ``(1+i)(2-i)``, a sum below a fraction bar."""

    def has_arithmetic(self, answer: Node) -> bool:
        return has_arithmetic(answer, powers=self.powers)

    def is_done(self, answer: Node) -> bool:
        """Whether an answer is a single power, as ``2^{10}`` is for ``2^4 \\cdot 2^6``."""
        answer = answer[1] if answer[0] == "neg" else answer
        return answer[0] == "pow" and answer[1][0] == answer[2][0] == "num" and answer[1][1] in self.bases


def work_dodged(question: str, gold: str, answer: str) -> str:
    """What an equal answer leaves of the work that the question asks for; "" if nothing."""
    golds, answers = readings_of(normalise(gold)), readings_of(normalise(claim_of(gold, answer)))
    if isinstance(golds, ValueError) or isinstance(answers, ValueError):
        return ""
    forms = forms_asked(question)
    work = None if restated.all_written_out(answers) else _work_of(question, gold)
    if not (forms or work):
        return ""
    wanted = _alone(tidy(value_if_named(golds[0])))
    found = [_left_by_all([_left(forms, work, wanted, s) for s in restated.unnamed_sides(tree)]) for tree in answers]
    return _left_by_all(found)


def _alone(tree: Node) -> Node:
    """A value without its unit, or out of a set of one."""
    while tree[0] == "unit" or (tree[0] == "set" and len(tree[1]) == 1):
        tree = tree[1] if tree[0] == "unit" else tree[1][0]
    return tree


def _left_by_all(found: list[str]) -> str:
    """What all sides of a chain, or all readings, leave to do; "" if one of them is finished."""
    return found[-1] if all(found) else ""


def _left(forms: frozenset[str], work: Work | None, gold: Node, answer: Node) -> str:
    if len(nodes(answer)) > restated.LONG:
        is_short = len(nodes(gold)) <= restated.LONG // 3
        return "the question asks for work, and the answer is padded" if is_short else ""
    answer = _alone(tidy(answer))
    for form, faults in _TESTS.items():
        for fault, test in faults if form in forms else ():
            if test(gold, answer):
                return f"the question asks {form}, and {fault}"
    tests = (work.has_arithmetic, *work.also) if work and not work.is_done(answer) else ()
    is_left = any(_more(test)(gold, answer) for test in tests)
    return "the question asks for a value, and arithmetic is left" if is_left else ""


# -- the arithmetic that a question asks for -----------------------------------------------------------------------


@lru_cache(maxsize=256)
def _work_of(question: str, gold: str) -> Work | None:
    golds = readings_of(normalise(gold))
    if isinstance(golds, ValueError):
        return None
    value = value_or_none(value_if_named(golds[0]))
    trees = [e.tree for e in restated.unworked(question, gold, readings_of) if not symbols(e.tree)]
    if value is not None and _COMPUTES.search(question):
        trees += _with_given_letters(question, value)
    if trees:
        sums = (has_product_of_sums, has_sum_below)
        also = sums if any(test(tree) for test in sums for tree in trees) else ()
        return Work(False, frozenset().union(*map(_bases_of_powers, trees)), also)
    return Work(True) if value is not None and _asks_for_long_work(question) else None


def _with_given_letters(question: str, value: Fraction) -> list[Node]:
    """The expressions of a question that are worth a value with the numbers that it gives for their letters."""
    given = {name: Fraction(number) for name, number in _GIVEN.findall(question)}
    found = []
    for _, tree in restated.expressions(question, readings_of) if given else ():
        with suppress(ValueError):
            if symbols(tree) and exact_value(tree, given) == value:
                found.append(tree)
    return found


def _bases_of_powers(tree: Node) -> frozenset[Fraction]:
    """The bases of the powers in an expression that is more than one power."""
    powers = [node for node in nodes(tree) if node[0] == "pow" and node is not tree]
    return frozenset(node[1][1] for node in powers if node[1][0] == "num")


def _asks_for_long_work(question: str) -> bool:
    """Whether a question says to compute a sum of many terms, an integral or the like."""
    return _COMPUTES_SERIES.search(question) is not None or any(
        _LONG_WORK.search(match.group()) and _COMPUTES_NEXT.search(question, max(0, match.start() - 120), match.start())
        for match in restated.MATHS.finditer(question)
    )


# -- what each form asks for ---------------------------------------------------------------------------------------


def _more(test: Callable[[Node], bool]) -> Test:
    """Whether an answer leaves what the gold does not."""
    return lambda gold, answer: test(answer) and not test(gold)


def _of_fractions(test: Test) -> Test:
    """A test for golds with a fraction bar only."""
    return lambda gold, answer: _has_fraction(gold) and test(gold, answer)


def _of_products(test: Test) -> Test:
    """A test for golds that are products only."""
    return lambda gold, answer: (gold[1] if gold[0] == "neg" else gold)[0] in ("mul", "pow") and test(gold, answer)


def _has_letters_below(gold: Node, answer: Node) -> bool:
    """Whether more letters stand below a fraction bar than in the gold; functions may, as in cos x / sin x."""
    return degree_below(answer) > degree_below(gold)


def _is_sum(gold: Node, answer: Node) -> bool:
    return len(list(terms(answer))) > 1 == len(list(terms(gold)))


def _has_fewer_factors(gold: Node, answer: Node) -> bool:
    return len(factors(answer)) < len(factors(gold))


def _is_not_mixed(gold: Node, answer: Node) -> bool:
    return gold[0] == "add" and is_mixed_number(gold[1]) and not (answer[0] == "add" and is_mixed_number(answer[1]))


def _is_not_scientific(gold: Node, answer: Node) -> bool:
    return is_scientific(gold) and not is_scientific(answer)


def _has_fraction(tree: Node) -> bool:
    return any(node[0] == "div" for node in nodes(tree))


def _has(test: Callable[[Node], bool], tree: Node) -> bool:
    return any(map(test, nodes(tree)))


def _has_number_in_factor(tree: Node) -> bool:
    return any(part[0] == "add" and content(part) > 1 for part in factors(tree))


Test = Callable[[Node, Node], bool]
"""Takes the gold and the answer."""
_ARITHMETIC = ("arithmetic is left", _more(partial(has_arithmetic, powers=True)))
_REDUCIBLE = ("a fraction can be reduced", _more(has_reducible_fraction))
_CANCELS = [
    _REDUCIBLE,
    ("a fraction can be reduced", _has_letters_below),
    ("a fraction is left below another", _more(has_nested_fraction)),
]
_LIKE = ("like terms are left", _more(has_like_terms))
_ROOT = ("a root can be simplified", _more(has_open_root))
_SIMPLE = [*_CANCELS, _ROOT, _ARITHMETIC, _LIKE]
_HIDDEN = [
    (f"{name} is left", _more(partial(_has, test)))
    for name, test in (
        ("a function", restated.is_function),
        ("a root", is_root),
        ("a constant", restated.is_constant),
    )
]
_TESTS: dict[str, list[tuple[str, Test]]] = {
    "for lowest terms": [
        ("a fraction can be reduced", _of_fractions(_REDUCIBLE[1])),
        ("arithmetic is left", _of_fractions(_ARITHMETIC[1])),
        ("a decimal is no fraction", _of_fractions(_more(has_decimals))),
    ],
    "for simplest radical form": [*_SIMPLE, ("a root is left below a fraction bar", _more(has_root_below))],
    "to simplify": [*_SIMPLE, *_HIDDEN],
    "to factor": [
        (fault, _of_products(test))
        for fault, test in (
            ("a sum is left", _is_sum),
            ("a factor can be factored", _has_fewer_factors),
            ("a number can be taken out of a factor", _more(_has_number_in_factor)),
            *_CANCELS,
            _LIKE,
        )
    ],
    "for a decimal": [("a fraction is left", _more(_has_fraction))],
    "for a mixed number": [("another form is given", _is_not_mixed)],
    "for scientific notation": [("another form is given", _is_not_scientific)],
    "to expand": [("brackets are left", _more(has_closed_brackets)), *_CANCELS, _ARITHMETIC, _LIKE],
}
