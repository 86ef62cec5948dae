"""Compare two single values: without units and marks, as fractions if both are rational, otherwise at points.

These are the rungs `rational` and `probe`. A probe rejects in floating point; it accepts only if both sides are the
same fraction (`values`, `residues`), or the same number in as many digits as they can differ in (`digits`), at every
point. What no feasible number of digits can tell apart, such as towers of powers, is equal only part by part. Lists,
intervals and equations are left to `structure`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from typing import NamedTuple

from justtinker_plugins.shared.latex.digits import same_value, value_of
from justtinker_plugins.shared.latex.made_of import is_root
from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.residues import same_rational
from justtinker_plugins.shared.latex.tokens import TooLargeError, UnsupportedError
from justtinker_plugins.shared.latex.units import measure, same_measure
from justtinker_plugins.shared.latex.values import (
    InexactError,
    Point,
    UndefinedError,
    approximate,
    exact_value,
    is_scalar,
    map_parts,
    nodes,
    symbols,
    value_at,
)  # fmt: skip


class Comparison(NamedTuple):
    """The result of comparing an answer with a gold."""

    equal: bool | None
    """None: undecided."""
    rung: str
    """Which rung of the ladder decided."""
    reason: str = ""
    """Why they are not equal; empty if they are."""


RUNGS = ("string", "rational", "gate", "probe")


def equal_if_all(comparisons: list[Comparison]) -> Comparison:
    """Combine comparisons of parts: the first that differs, else the first undecided, else equal by the last rung."""
    for comparison in comparisons:
        if comparison.equal is False:
            return comparison
    for comparison in comparisons:
        if comparison.equal is None:
            return comparison
    return max(comparisons, key=lambda c: RUNGS.index(c.rung)) if comparisons else Comparison(True, "gate")


def equal_if_any(comparisons: list[Comparison]) -> Comparison:
    """Choose the kindest of several readings: equal before undecided before different."""
    order = {True: 0, None: 1, False: 2}
    return min(comparisons, key=lambda comparison: order[comparison.equal])


def compare_ratio(gold: Node, answer: Node) -> Comparison:
    """Compare two expressions that are zero in equations: equal if their ratio is constant."""
    if symbols(gold) != symbols(answer) or not is_scalar(gold) or not is_scalar(answer):
        return Comparison(False, "gate", "an equation in different symbols")
    ratio: Node = _without_calls(("div", answer, gold))
    at: list[Node] = [_at_point(ratio, {name: value_at(name, seed) for name in symbols(gold)}) for seed in range(3)]
    try:
        equal = bool(value_of(at[0])) and all(same_value(at[0], other) for other in at[1:])
    except (TooLargeError, UnsupportedError, UndefinedError):
        return Comparison(None, "probe", "the equations cannot be probed")
    return Comparison(equal, "probe", "" if equal else "a different equation")


def _at_point(node: Node, point: Point) -> Node:
    """Write a number for each symbol of a tree."""
    if node[0] == "sym":
        return ("num", point[node[1]])
    return map_parts(node, lambda part: _at_point(part, point))


def _without_calls(node: Node) -> Node:
    """Write some smooth function, which differs from one name to the other, for each that is nothing but its name."""
    if not any(n[0] == "call" for n in nodes(node)):
        return node
    if node[0] != "call":
        return map_parts(node, _without_calls)
    name: Node = ("sym", node[1])
    terms = ((("pow", name, ("num", Fraction(at))), _without_calls(part)) for at, part in enumerate(node[2]))
    place: Node = ("add", (("num", Fraction(0)), *(("mul", factors) for factors in terms)))
    return ("add", (("fn", "cos", ("add", (name, place))), ("pow", place, ("num", Fraction(3)))))


def strip_marks(node: Node) -> tuple[Node, set[str]]:
    """Take units, degree and percent signs off a value; return the bare value and the marks it had."""
    marks: set[str] = set()
    while node[0] in ("unit", "deg", "pct") or (node[0] == "neg" and node[1][0] in ("unit", "deg", "pct")):
        if node[0] == "neg":
            node = (node[1][0], ("neg", node[1][1]), *node[1][2:])
        marks.add(measure(node[2]) if node[0] == "unit" else node[0])
        node = node[1]
    return node, marks - {""}


def same_marks(some: set[str], others: set[str]) -> bool:
    """Whether two sets of marks, as `strip_marks` returns them, can be the same."""
    return len(some) == len(others) and all(map(same_measure, sorted(some), sorted(others)))


def compare_values(gold: Node, answer: Node) -> Comparison:
    """Compare two trees that are single values, perhaps with units."""
    gold, gold_marks = strip_marks(gold)
    answer, marks = strip_marks(answer)
    if gold[0] == "base" or answer[0] == "base":
        return _compare_bases(gold, answer)
    if gold_marks and marks and not same_marks(gold_marks, marks):
        return Comparison(False, "gate", f"{'/'.join(sorted(marks))} where the gold has {'/'.join(sorted(gold_marks))}")
    if not (is_rational(gold) or is_scalar(gold)) or not (is_rational(answer) or is_scalar(answer)):
        return Comparison(False if is_scalar(gold) else None, "gate", "not a single value")
    found = _compare_numbers(gold, answer)
    if "pct" in marks ^ gold_marks and (not found.equal or "pct" in marks):
        found = _compare_percent(gold, answer, found, "pct" in marks)
    elif "deg" in marks ^ gold_marks and found.equal is False and not symbols(gold):
        radians = _compare_numbers(("deg", gold), answer) if "deg" in gold_marks else found
        found = radians if radians.equal and _has_pi(answer) else found
    return found


def is_rational(node: Node) -> bool:
    """Whether a tree is seen at once to be a number: ``-12``, ``3/4``."""
    if node[0] == "div":
        return bool(node[1][0] == "num" == node[2][0])
    return bool((node[1] if node[0] == "neg" else node)[0] == "num")


def _has_pi(node: Node) -> bool:
    return any(n == ("const", "\\pi") for n in nodes(node))


_HUNDRED = Fraction(100)


def _compare_percent(gold: Node, answer: Node, literal: Comparison, on_answer: bool) -> Comparison:
    """Accept ``50%`` for 0.5 and vice versa, and ``10%`` for a gold of 10, which may answer "what percent"."""
    hundredth = (
        _compare_numbers(gold, ("div", answer, ("num", _HUNDRED)))
        if on_answer
        else _compare_numbers(("div", gold, ("num", _HUNDRED)), answer)
    )
    if hundredth.equal or not (on_answer and literal.equal):
        return hundredth
    return literal if _above_one(gold) else Comparison(False, "rational", "a percentage of the gold")


def _above_one(gold: Node) -> bool:
    try:
        return bool(abs(value_of(gold)) > 1)
    except TooLargeError:
        return True
    except ValueError:  # a letter
        return False


def _compare_bases(gold: Node, answer: Node) -> Comparison:
    if gold[0] != answer[0]:
        return Comparison(False, "gate", "only one of gold and answer is written in a base")
    equal = gold[1].lstrip("0") == answer[1].lstrip("0") and base_in_digits(gold[2]) == base_in_digits(answer[2])
    return Comparison(equal, "gate", "" if equal else "a different number or base")


_NUMERALS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_BASES = {name: str(n) for n, name in enumerate(_NUMERALS, 2)}


def base_in_digits(name: str) -> str:
    """The name of a base in digits: "eight" is 8. A name that is no numeral stays as it is."""
    return _BASES.get(name, name)


def _compare_numbers(gold: Node, answer: Node) -> Comparison:
    try:
        target = exact_value(gold)
    except ValueError:
        return _probe(gold, answer)
    try:
        value = exact_value(answer)
    except TooLargeError as error:
        return Comparison(False, "gate", f"the answer needs {error}")
    except UndefinedError as error:
        return Comparison(False, "gate", f"the answer is undefined: {error}")
    except ValueError:
        return _probe(gold, answer)
    equal = value == target
    return Comparison(equal, "rational", "" if equal else "a different number")


def _probe(gold: Node, answer: Node) -> Comparison:
    r"""Compare at points. Where i occurs, ``(-8)^{1/3}`` may also be meant as a complex number."""
    if symbols(gold) != symbols(answer):
        return Comparison(False, "gate", "different symbols than the gold")
    if gold == answer:
        return Comparison(True, "probe")
    gold, answer = _without_calls(gold), _without_calls(answer)
    is_complex = ("const", "i") in (*nodes(gold), *nodes(answer))
    return equal_if_any([_probe_reading(gold, answer, principal) for principal in (False, True)[: 1 + is_complex]])


def _probe_reading(gold: Node, answer: Node, principal: bool) -> Comparison:
    found: list[Comparison] = []
    too_large = False
    for point in _probe_points(gold, answer):
        try:
            found.append(_compare_at(gold, answer, point, principal))
        except UndefinedError:  # the gold has no value there
            continue
        except TooLargeError:
            too_large = True
        if too_large or found[-1].equal is False:
            break
    if too_large:
        return _compare_parts(gold, answer)
    return equal_if_all(found) if found else Comparison(None, "probe", "no point where both are defined")


def _compare_parts(gold: Node, answer: Node) -> Comparison:
    """Compare the parts of two numbers that are too large, or too close, to tell apart: equal if all parts are."""
    parts, others = _parts(gold), _parts(answer)
    if len(parts) == len(others) > 0 and _without_parts(gold) == _without_parts(answer):
        found = equal_if_all([_compare_numbers(a, b) for a, b in zip(parts, others, strict=True)])
        if found.equal:
            return found
    return Comparison(False, "probe", "the answer cannot be told from the gold, and their parts differ")


def _parts(node: Node) -> tuple[Node, ...]:
    return node[1] if node[0] in ("add", "mul") else tuple(part for part in node if isinstance(part, tuple))


def _without_parts(node: Node) -> Node:
    return tuple(part for part in node if not isinstance(part, tuple))


_COUNTERS = frozenset("nmkdijrspqNMKLTS")
"""Letters that stand for whole numbers in expressions with a factorial, a binomial or a rounding."""


def _probe_points(gold: Node, answer: Node) -> list[Point]:
    """Choose the points to compare at: positive, whole for counters such as n, of both signs for ``|x|``.

    Steps, corners and roots need many points, also beyond the numbers that occur: with few, different expressions
    agree by chance, as ``7 - x`` and ``|x - 7|`` do.
    """
    names = sorted(symbols(gold))
    if not names:
        return [{}]
    parts = [*nodes(gold), *nodes(answer)]
    used = {n[1] if n[0] == "fn" else n[0] for n in parts}
    steps = used & {"floor", "ceil"}
    if (steps or used & {"fact", "binom"}) and all(name[0] in _COUNTERS for name in names):
        return _whole_number_points(names, many=bool(steps))
    points: list[Point] = [{name: value_at(name, seed) for name in names} for seed in range(2)]
    far = 1 + _largest_number(parts)
    if "abs" in used:
        points += [{n: value_at(n, seed) * (-1) ** (seed >> i) for i, n in enumerate(names)} for seed in range(2, 14)]
        points += [{n: p[n] * far for n in names} for p in points[2:]]
    if steps:
        points += [{n: _STAIRS[(k + 5 * i) % len(_STAIRS)] for i, n in enumerate(names)} for k in range(len(_STAIRS))]
    if any(map(_is_root_of_letters, parts)):
        near: list[Point] = [{n: value_at(n, seed) for n in names} for seed in range(2, 10)]
        points += [*near, *({n: p[n] * far for n in names} for p in near[:4])]
    return points


def _largest_number(parts: list[Node]) -> Fraction:
    """The largest number of some trees, at most 100: ``|x - 7|`` has its corner there."""
    return min(max((abs(n[1]) for n in parts if n[0] == "num"), default=Fraction(0)), Fraction(100))


def _is_root_of_letters(node: Node) -> bool:
    """Whether a root has letters below it, or in the quotient that is its exponent."""
    return bool(symbols(node)) and (is_root(node) or (node[0] == "pow" and node[2][0] == "div"))


def _whole_number_points(names: list[str], *, many: bool) -> list[Point]:
    few: list[Point] = [{name: Fraction(3 + (k * 7 + i * 5) % 17) for i, name in enumerate(names)} for k in range(8)]
    return few + [{name: Fraction(k + i * 5) for i, name in enumerate(names)} for k in range(2, 42) if many]


_STAIRS = [n + Fraction(part, 100) for n in range(4) for part in (0, 1, 33, 50, 60, 91, 99)]
"""Points on steps, and just before and after them."""


def _compare_at(gold: Node, answer: Node, point: Point, principal: bool) -> Comparison:
    """Compare at one point. Raises UndefinedError if the gold is, and TooLargeError if they cannot be told apart."""
    with suppress(TooLargeError, UndefinedError, UnsupportedError):
        target, value = (approximate(node, point, principal=principal) for node in (gold, answer))
        difference = abs(value.value - target.value)
        largest = max(abs(value.value), abs(target.value))
        if difference > 1e-6 * largest and difference > 1e-10 * max(value.peak, target.peak):
            return Comparison(False, "probe", "a different value")
    return _compare_precisely(gold, answer, point, principal)


def _compare_precisely(gold: Node, answer: Node, point: Point, principal: bool) -> Comparison:
    """Settle a point where floating point shows no difference: in fractions, modulo a number, or in many digits."""
    try:
        try:
            equal = _same_number(gold, answer, point, principal)
        except UndefinedError as error:
            value_of(gold, point)  # raises if the gold is undefined
            return Comparison(False, "probe", f"the answer: {error}")
    except UnsupportedError as error:
        return Comparison(None, "probe", str(error))
    return Comparison(equal, "probe", "" if equal else "a different value")


def _same_number(gold: Node, answer: Node, point: Point, principal: bool) -> bool:
    ways: tuple[Callable[[], bool], ...] = (
        lambda: exact_value(gold, point) == exact_value(answer, point),
        lambda: same_rational(gold, answer, point),
    )
    for way in ways:
        with suppress(InexactError, TooLargeError):
            return way()
    return same_value(gold, answer, point, principal=principal)
