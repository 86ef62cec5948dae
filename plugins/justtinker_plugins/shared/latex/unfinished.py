r"""Find what an expression leaves to do with its numbers, fractions and roots: ``17 \cdot 23``, ``4/6``, ``\sqrt{18}``.

Each test looks at a tree and says whether it has one kind of unfinished work. Which kinds matter is for the question
to say (`asked_form`), and an answer is only held to what the gold has done. Nothing is evaluated but plain numbers.
`brackets` does the same for sums in products.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd, isqrt

from justtinker_plugins.shared.latex.made_of import tidy, value_or_none
from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.restated import is_big_power, is_mixed_number
from justtinker_plugins.shared.latex.values import nodes

MOST_COPIES = 12
"""A higher power is not taken for so many factors."""
_LARGEST = 10**30
_I: Node = ("const", "i")
_PRIMES = [p for p in range(2, 1000) if all(p % q for q in range(2, isqrt(p) + 1))]


def terms(tree: Node) -> Iterator[Node]:
    """The terms of a sum, those of sums inside it included, without their signs."""
    if tree[0] == "neg":
        yield from terms(tree[1])
    elif tree[0] == "add" and not is_mixed_number(tree[1]):
        for part in tree[1]:
            yield from terms(part)
    else:
        yield tree


def over_under(tree: Node) -> tuple[list[Node], list[Node]]:
    """The factors of a product or quotient above and below the fraction bar, without their signs."""
    above: list[Node] = []
    below: list[Node] = []
    stack = [(tree, above, below)]
    while stack:
        node, top, bottom = stack.pop()
        if node[0] == "neg":
            stack.append((node[1], top, bottom))
        elif node[0] == "mul":
            stack += [(part, top, bottom) for part in node[1]]
        elif node[0] == "div":
            stack += [(node[1], top, bottom), (node[2], bottom, top)]
        elif node[0] == "pow" and (n := value_or_none(node[2])) is not None and n < 0:
            bottom.append(tidy(("pow", node[1], ("num", -n))))
        else:
            top.append(node)
    return above, below


# -- plain numbers -------------------------------------------------------------------------------------------------


def has_arithmetic(tree: Node, *, powers: bool) -> bool:
    r"""Whether plain numbers are left to add, multiply, divide or raise: ``17 \cdot 46/2``, ``20^2 - 3^2``, ``i^2``.

    Fractions of whole numbers, mixed numbers and ``3.91 \cdot 10^2`` are numbers. With `powers`, so is ``2^{10}``.
    """
    return any(_is_arithmetic(node, powers) for node in nodes(tree))


def _is_arithmetic(node: Node, powers: bool) -> bool:
    if node[0] == "add":
        return not is_mixed_number(node[1]) and sum(_is_plain(term, powers) for term in terms(node)) > 1
    if node[0] == "mul":
        numbers = [part for part in node[1] if _is_plain(part, powers) and abs(value_or_none(part) or 1) != 1]
        return len(numbers) > 1 and not is_scientific(node)
    if node[0] == "div":
        return _is_unfinished_quotient(node)
    if node[0] == "root":
        return value_or_none(node) is not None
    if node[0] == "pow" and node[1] == _I:
        return value_or_none(node[2]) is not None
    return node[0] == "pow" and not _is_power_of_ten(node) and _is_plain(node, powers)


def _is_plain(node: Node, powers: bool) -> bool:
    """Whether a term or factor is a number to work with. With `powers`, a multiple of a big power is finished."""
    if powers and any(map(is_big_power, over_under(node)[0])):
        return False
    return value_or_none(node) is not None


def _is_unfinished_quotient(node: Node) -> bool:
    """Whether a quotient of numbers is whole, or one of decimals or fractions."""
    top, bottom = (value_or_none(part) for part in node[1:])
    if top is None or bottom is None or abs(bottom) == 1:
        return False
    literals = [part[1] if part[0] == "neg" else part for part in node[1:]]
    return not top % bottom or any(
        part[0] in ("div", "pct") or (part[0] == "num" and part[1].denominator > 1) for part in literals
    )


def _is_power_of_ten(node: Node) -> bool:
    return node[0] == "pow" and value_or_none(node[1]) == 10 and (value_or_none(node[2]) or 0).denominator == 1


def is_scientific(node: Node) -> bool:
    r"""Whether a tree is ``a \cdot 10^n`` with a from 1 to 10."""
    node = node[1] if node[0] == "neg" else node
    if node[0] != "mul" or len(node[1]) != 2 or not _is_power_of_ten(node[1][1]):
        return False
    mantissa = node[1][0][1] if node[1][0][0] == "neg" else node[1][0]
    return bool(mantissa[0] == "num" and 1 <= mantissa[1] < 10)


def has_decimals(tree: Node) -> bool:
    """Whether a tree has a decimal or a percentage where a fraction could stand."""
    return any(node[0] == "pct" or (node[0] == "num" and node[1].denominator > 1) for node in nodes(tree))


# -- fractions -----------------------------------------------------------------------------------------------------


def content(tree: Node) -> int:
    """The largest whole number found to divide every term of a tree: 2 for ``2x - 4``; 1 if none is seen."""
    if tree[0] == "num":
        return abs(int(tree[1])) if tree[1].denominator == 1 and abs(tree[1]) < _LARGEST else 1
    if tree[0] == "neg":
        return content(tree[1])
    if tree[0] == "add":
        return gcd(*(content(part) for part in tree[1]))
    if tree[0] == "mul":
        return _product(tree[1])
    if tree[0] == "pow" and (n := value_or_none(tree[2])) is not None and n.denominator == 1 and 0 < n <= MOST_COPIES:
        return _product([tree[1]] * int(n))
    return 1


def _product(factors: tuple[Node, ...] | list[Node]) -> int:
    product = 1
    for part in factors:
        product *= content(part)
        if product > _LARGEST:
            return 1
    return product


def _bases(tree: Node) -> frozenset[Node]:
    """What is seen to divide a tree, beside numbers: x and x+1 for ``x(x+1)``, x for ``x^2+x``."""
    if tree[0] in ("neg", "pow", "div"):
        return _bases(tree[1])
    if tree[0] == "mul":
        return frozenset().union(*map(_bases, tree[1]))
    if tree[0] == "add":
        whole: frozenset[Node] = frozenset([("add", frozenset(tree[1]))])
        return whole | frozenset.intersection(*map(_bases, tree[1]))
    return frozenset([tree] if tree[0] in ("sym", "const", "fn", "root") else [])


def has_reducible_fraction(tree: Node) -> bool:
    r"""Whether something above and below a fraction bar is seen to cancel: ``4/6``, ``\frac{2x^2-2}{2}``."""
    for node in nodes(tree):
        if node[0] in ("mul", "div"):
            above, below = over_under(node)
            if below and (gcd(_product(above), _product(below)) > 1 or _divide(above) & _divide(below)):
                return True
    return False


def _divide(factors: list[Node]) -> frozenset[Node]:
    return frozenset().union(*map(_bases, factors))


def has_nested_fraction(tree: Node) -> bool:
    """Whether there is a fraction below a fraction bar."""
    return any(node[0] == "div" and any(part[0] == "div" for part in nodes(node[2])) for node in nodes(tree))


def degree_below(tree: Node) -> int:
    """The highest degree in letters that stands below a fraction bar; 0 if there are only numbers."""
    below = [over_under(node)[1] for node in nodes(tree) if node[0] in ("mul", "div", "pow")]
    return max((sum(map(_degree, factors)) for factors in below), default=0)


def _degree(tree: Node) -> int:
    if tree[0] == "sym":
        return 1
    if tree[0] == "add":
        return max(_degree(part) for part in tree[1])
    if tree[0] == "mul":
        return sum(_degree(part) for part in tree[1])
    if tree[0] == "div":
        return _degree(tree[1]) + _degree(tree[2])
    if tree[0] == "pow" and (n := value_or_none(tree[2])) is not None:
        return _degree(tree[1]) * int(abs(n)) if abs(n) < _LARGEST else _LARGEST
    return _degree(tree[1]) if tree[0] == "neg" else 0


# -- roots ---------------------------------------------------------------------------------------------------------


def has_open_root(tree: Node) -> bool:
    r"""Whether a root can be simplified: ``\sqrt{18}``, ``\sqrt{100/2}``, ``\sqrt[4]{2500}``, ``\frac{10}{\sqrt2}``."""
    return any(_is_open_root(node) for node in nodes(tree))


def _is_open_root(node: Node) -> bool:
    if node[0] == "root":
        return _can_be_drawn(node)
    if node[0] not in ("mul", "div"):
        return False
    above, below = over_under(node)
    for side in (above, below):
        degrees = [part[1] for part in side if part[0] == "root" and value_or_none(part[2]) is not None]
        if len(set(degrees)) < len(degrees):
            return True
    return any(part[0] == "root" and gcd(_product(above), content(part[2])) > 1 for part in below)


def _can_be_drawn(root: Node) -> bool:
    degree = value_or_none(root[1])
    if degree is None or degree.denominator > 1 or not 2 <= degree <= 64:
        return False
    k, radicand = int(degree), root[2]
    above, below = over_under(radicand)
    if below or has_decimals(radicand) or any(node[0] == "root" for node in nodes(radicand)):
        return True
    if any(part[0] == "pow" and (value_or_none(part[2]) or 0) >= k for part in above):
        return True
    inside = _product(above)
    powers = [p for p in _PRIMES if k % p == 0 and len(above) == 1 and above[0][0] == "num" and _is_power(inside, p)]
    return inside > 1 and (bool(powers) or _has_power(inside, k))


def _is_power(value: int, n: int) -> bool:
    root = round(value ** (1 / n)) if n > 2 else isqrt(value)
    return value > 1 and bool(root**n == value)


def _has_power(value: int, n: int) -> bool:
    """Whether the n-th power of a whole number above 1 divides a value, as far as small primes show."""
    for prime in _PRIMES:
        power: int = prime**n
        if power > value:
            return False
        if value % power == 0:
            return True
        while value % prime == 0:
            value //= prime
    return _is_power(value, n)


def has_root_below(tree: Node) -> bool:
    """Whether a root stands below a fraction bar."""
    return any(inner[0] == "root" for part in _below(tree) for inner in nodes(part))


def has_sum_below(tree: Node) -> bool:
    """Whether a sum stands below a fraction bar."""
    return any(part[0] == "add" for part in _below(tree))


def _below(tree: Node) -> Iterator[Node]:
    return (part for node in nodes(tree) if node[0] in ("mul", "div", "pow") for part in over_under(node)[1])
