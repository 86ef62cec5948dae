"""Compare two single values: without units and marks, as fractions if both are rational, otherwise at points.

These are the rungs `rational` and `probe`. A probe rejects in floating point; it accepts only if both sides are the
same fraction, or agree to 60 digits, at every point. Lists, intervals and equations are left to `structure`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.tokens import TooLargeError, UnsupportedError
from justtinker_plugins.shared.latex.units import measure
from justtinker_plugins.shared.latex.values import (
    FLOAT,
    Point,
    UndefinedError,
    approximate,
    exact_value,
    high_precision,
    is_scalar,
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
    points: list[Point] = [{name: value_at(name, seed) for name in symbols(gold)} for seed in range(3)]
    try:
        field = high_precision()
        ratios = [approximate(answer, field, p).value / approximate(gold, field, p).value for p in points]
    except (TooLargeError, UnsupportedError, UndefinedError, ZeroDivisionError):
        return Comparison(None, "probe", "the equations cannot be probed")
    equal = bool(ratios[0]) and all(_agree(ratio, ratios[0]) for ratio in ratios)
    return Comparison(equal, "probe", "" if equal else "a different equation")


def _strip_marks(node: Node) -> tuple[Node, set[str]]:
    """Take units, degree and percent signs off a value; return the bare value and the marks it had."""
    marks: set[str] = set()
    while node[0] in ("unit", "deg", "pct") or (node[0] == "neg" and node[1][0] in ("unit", "deg", "pct")):
        if node[0] == "neg":
            node = (node[1][0], ("neg", node[1][1]), *node[1][2:])
        name = measure(node[2]) if node[0] == "unit" else node[0]
        marks.add({"degree": "deg", "percent": "pct"}.get(name, name))
        node = node[1]
    return node, marks - {""}


def compare_values(gold: Node, answer: Node) -> Comparison:
    """Compare two trees that are single values, perhaps with units."""
    gold, gold_marks = _strip_marks(gold)
    answer, marks = _strip_marks(answer)
    if gold[0] == "base" or answer[0] == "base":
        return _compare_bases(gold, answer)
    if gold_marks and marks and gold_marks != marks:
        return Comparison(False, "gate", f"{'/'.join(sorted(marks))} where the gold has {'/'.join(sorted(gold_marks))}")
    if not (is_scalar(gold) and is_scalar(answer)):
        return Comparison(False if is_scalar(gold) else None, "gate", "not a single value")
    found = _compare_numbers(gold, answer)
    if "pct" in marks ^ gold_marks and (not found.equal or "pct" in marks):
        found = _compare_percent(gold, answer, found, "pct" in marks)
    elif "deg" in marks ^ gold_marks and found.equal is False and not symbols(gold):
        radians = _compare_numbers(("deg", gold), answer) if "deg" in gold_marks else found
        found = radians if radians.equal and _has_pi(answer) else found
    return found


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
        return bool(abs(approximate(gold, FLOAT).value) > 1)
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
    if symbols(gold) != symbols(answer):
        return Comparison(False, "gate", "different symbols than the gold")
    found: list[Comparison] = []
    for point in _probe_points(gold, answer):
        if comparison := _compare_at(gold, answer, point):
            found.append(comparison)
            if comparison.equal is False:
                break
    return equal_if_all(found) if found else Comparison(None, "probe", "no point where both are defined")


_COUNTERS = frozenset("nmkdijrspqNMKLTS")
"""Letters that stand for whole numbers in expressions with a factorial, a binomial or a rounding."""


def _probe_points(gold: Node, answer: Node) -> list[Point]:
    """Choose the points to compare at: positive, whole for counters such as n, of both signs for ``|x|``.

    Steps, corners, and a root on one side only need many points: with few, different expressions agree by chance.
    """
    names = sorted(symbols(gold))
    if not names:
        return [{}]
    used, other = ({n[1] if n[0] == "fn" else n[0] for n in nodes(side)} for side in (gold, answer))
    steps = (used | other) & {"floor", "ceil"}
    if (steps or (used | other) & {"fact", "binom"}) and all(name[0] in _COUNTERS for name in names):
        return _whole_number_points(names, many=bool(steps))
    points: list[Point] = [{name: value_at(name, seed) for name in names} for seed in range(2)]
    if "abs" in used | other:
        points += [{n: value_at(n, seed) * (-1) ** (seed >> i) for i, n in enumerate(names)} for seed in range(2, 14)]
    if steps:
        points += [{n: _STAIRS[(k + 5 * i) % len(_STAIRS)] for i, n in enumerate(names)} for k in range(len(_STAIRS))]
    if "root" in used ^ other:
        points += [{name: value_at(name, seed) for name in names} for seed in range(2, 10)]
    return points


def _whole_number_points(names: list[str], *, many: bool) -> list[Point]:
    few: list[Point] = [{name: Fraction(3 + (k * 7 + i * 5) % 17) for i, name in enumerate(names)} for k in range(8)]
    return few + [{name: Fraction(k + i * 5) for i, name in enumerate(names)} for k in range(2, 42) if many]


_STAIRS = [n + Fraction(part, 100) for n in range(4) for part in (0, 1, 33, 50, 60, 91, 99)]
"""Points on steps, and just before and after them."""


def _compare_at(gold: Node, answer: Node, point: Point) -> Comparison | None:
    """Compare at one point; return None if the gold is undefined or too large there."""
    try:
        target = approximate(gold, FLOAT, point)
    except (UndefinedError, TooLargeError):
        return None
    except ValueError as error:
        return Comparison(None, "probe", f"the gold: {error}")
    try:
        value = approximate(answer, FLOAT, point)
    except (UndefinedError, TooLargeError) as error:
        return Comparison(False, "probe", f"the answer: {error}")
    except ValueError as error:
        return Comparison(None, "probe", f"the answer: {error}")
    difference = abs(value.value - target.value)
    largest = max(abs(value.value), abs(target.value))
    if difference > 1e-6 * largest and difference > 1e-10 * max(value.peak, target.peak):
        return Comparison(False, "probe", "a different value")
    return _compare_precisely(gold, answer, point)


def _compare_precisely(gold: Node, answer: Node, point: Point) -> Comparison:
    """Settle a point where floating point shows no difference: in fractions, or in 60 digits."""
    try:
        equal = exact_value(gold, point) == exact_value(answer, point)
    except ValueError:
        try:
            equal = _same_number(gold, answer, point)
        except ValueError as error:
            return Comparison(None, "probe", str(error))
    return Comparison(equal, "probe", "" if equal else "a different value")


def _same_number(gold: Node, answer: Node, point: Point) -> bool:
    value, target = (approximate(node, high_precision(), point).value for node in (answer, gold))
    if max(abs(value), abs(target)) > 1e-25:
        return _agree(value, target)
    # Both are close to zero: what is only a rounding error shrinks with more digits.
    finer, finest = (approximate(node, high_precision(120), point).value for node in (answer, gold))
    return _agree(_or_zero(value, finer), _or_zero(target, finest))


def _or_zero(coarse: Any, fine: Any) -> Any:
    return 0 * fine if abs(fine) <= abs(coarse) * 1e-30 else fine


def _agree(a: Any, b: Any) -> bool:
    return bool(abs(a - b) <= max(abs(a), abs(b)) * 1e-35)
