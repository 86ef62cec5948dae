r"""Find what an expression leaves to do with its brackets: ``x(x+1) - (x+1)``, ``(x-1)(x+2)``; and its factors.

The tests are of the kind of those in `unfinished`. Nothing is multiplied out beyond `MOST_TERMS` terms.
"""

from __future__ import annotations

from collections import Counter

from justtinker_plugins.shared.latex.made_of import value_or_none
from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.restated import is_mixed_number, outside_exponents
from justtinker_plugins.shared.latex.unfinished import MOST_COPIES, over_under, terms
from justtinker_plugins.shared.latex.values import symbols

MOST_TERMS = 64


def has_closed_brackets(tree: Node) -> bool:
    """Whether a sum is left to multiply out: ``2(x+1)``, ``(x+1)^2``."""
    for node in outside_exponents(tree):
        if node[0] == "mul" and any(len(list(terms(part))) > 1 for part in over_under(node)[0]):
            return True
        if node[0] == "pow" and len(list(terms(node[1]))) > 1 and (value_or_none(node[2]) or 0) > 1:
            return True
    return False


def has_product_of_sums(tree: Node) -> bool:
    """Whether sums are left to multiply with each other: ``(1+i)(2-i)``, ``(1+i)^2``; not ``5(1-i)``."""
    for node in outside_exponents(tree):
        if node[0] in ("mul", "pow") and sum(part[0] == "add" for part in factors(node)) > 1:
            return True
    return False


Monomial = frozenset[tuple[Node, int]]


def has_like_terms(tree: Node) -> bool:
    """Whether two terms of a sum have like terms once brackets are open: ``x(x+1) - (x+1)``, ``(x-1)^2 + 4``."""
    for node in outside_exponents(tree):
        if node[0] == "add" and not is_mixed_number(node[1]):
            seen: set[Monomial] = set()
            for term in terms(node):
                found = _monomials(term)
                if found & seen:
                    return True
                seen |= found
    return False


def _monomials(tree: Node) -> frozenset[Monomial]:
    """The products of letters, roots and the like that a tree has when multiplied out, whatever their coefficients.

    Beyond `MOST_TERMS`, and below a fraction bar, a tree is taken as one letter.
    """
    if value_or_none(tree) is not None:
        return frozenset([frozenset()])
    found: frozenset[Monomial] | None = None
    if tree[0] == "neg":
        return _monomials(tree[1])
    if tree[0] == "add":
        found = frozenset().union(*map(_monomials, tree[1]))
    elif tree[0] == "mul":
        found = _multiplied(list(map(_monomials, tree[1])))
    elif tree[0] == "div" and value_or_none(tree[2]) is not None:
        return _monomials(tree[1])
    elif tree[0] == "pow" and (n := value_or_none(tree[2])) is not None and n.denominator == 1:
        found = _multiplied([_monomials(tree[1])] * int(n)) if 0 < n <= MOST_COPIES else None
    return frozenset([frozenset([(tree, 1)])]) if found is None or len(found) > MOST_TERMS else found


def _multiplied(factors: list[frozenset[Monomial]]) -> frozenset[Monomial] | None:
    found: frozenset[Monomial] = frozenset([frozenset()])
    for factor in factors:
        if len(found) * len(factor) > MOST_TERMS * MOST_TERMS:
            return None
        found = frozenset(frozenset((Counter(dict(a)) + Counter(dict(b))).items()) for a in found for b in factor)
    return found


def factors(tree: Node) -> list[Node]:
    """The factors of a product, each as often as it occurs: those with letters; without any, its whole numbers
    and sums."""
    found: list[Node] = []
    wanted = symbols if symbols(tree) else _is_whole_or_sum
    for part in over_under(tree)[0]:
        base, copies = part, 1
        if part[0] == "pow" and (n := value_or_none(part[2])) is not None and n.denominator == 1:
            base, copies = part[1], min(int(n), MOST_TERMS)
        found += [base] * copies if wanted(base) else []
    return found


def _is_whole_or_sum(node: Node) -> bool:
    return node[0] == "add" or bool(node[0] == "num" and node[1].denominator == 1 and node[1] > 1)
