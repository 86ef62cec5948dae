r"""Sums and products over an index that are the same sum: ``\sum_{k=1}^n a_k`` and ``\sum_{i=1}^n a_i``.

Two sums are the same if their bounds are equal, and their bodies for several values of the index, whatever its letter.
Some of these values are a hash of both bodies, so that nobody can write a body that differs for others only.
Nothing is added up, so the bounds may be letters or infinite. Equal sums are then replaced by one name each, and what
is left is compared as any other answer. Sums that are equal for another reason, such as a shifted index, are left to
the worker.
"""

from __future__ import annotations

import hashlib
import re
from fractions import Fraction

from justtinker_plugins.shared.latex.numbers import compare_values
from justtinker_plugins.shared.latex.parse import Node, parse
from justtinker_plugins.shared.latex.structure import compare_trees
from justtinker_plugins.shared.latex.values import map_parts, nodes

FEW, FROM = 3, 100
"""How many of these values are a hash, and the smallest they can be."""
_SUM = re.compile(r"\\(?:sum|prod)(?![A-Za-z])")
MOST_SUMS, MOST_NODES = 4, 300


def are_same_sums(gold: str, answer: str) -> bool:
    """Whether two normalised texts are equal because their sums are the same; False if that cannot be said."""
    if not (_SUM.search(gold) and _SUM.search(answer)):
        return False
    try:
        golds, answers = parse(gold, sums=True), parse(answer, sums=True)
        return _are_equal(golds, answers)
    except (ValueError, RecursionError):
        return False


def _are_equal(gold: Node, answer: Node) -> bool:
    known, given = ([node for node in nodes(tree) if node[0] == "big"] for tree in (gold, answer))
    if not 0 < len(known) == len(given) <= MOST_SUMS or len(nodes(gold)) + len(nodes(answer)) > MOST_NODES:
        return False
    if any(node[0] == "big" for sums in known for node in nodes(sums[5])):
        return False  # a sum of sums
    names: dict[Node, Node] = {}
    for node in [*known, *given]:
        same = next((other for other in names if _is_same(other, node)), None)
        names[node] = names[same] if same else ("call", f"sum {len(names)}", ())
    return compare_trees(_replace(gold, names), _replace(answer, names)).equal is True


def _is_same(one: Node, other: Node) -> bool:
    (_, kind, index, *bounds, body), (_, kind_of_other, letter, *others, body_of_other) = one, other
    return (
        kind == kind_of_other
        and all(compare_values(a, b).equal for a, b in zip(bounds, others, strict=True))
        and all(
            compare_values(_at(body, index, n), _at(body_of_other, letter, n)).equal
            for n in _indices(bounds[0], (body, body_of_other))
        )
    )


def _indices(low: Node, bodies: tuple[Node, Node]) -> list[int]:
    """The values of the index for which two bodies are compared."""
    digest = hashlib.sha256(repr(bodies).encode()).digest()
    first = [int(low[1])] if low[0] == "num" else []
    return [*first, 2, 3, *(FROM + int.from_bytes(digest[2 * i : 2 * i + 2], "big") % 900 for i in range(FEW))]


def _at(body: Node, index: str, value: int) -> Node:
    return _replace(body, {("sym", index): ("num", Fraction(value))})


def _replace(tree: Node, names: dict[Node, Node]) -> Node:
    """Replace whole nodes of a tree."""
    if tree in names:
        return names[tree]
    return map_parts(tree, lambda part: _replace(part, names))
