"""Two values compared: units and signs off, exactly as fractions where that goes, else at points.

The rungs `rational` and `probe`. A probe rejects in floating point; to accept it needs the same fraction, or the same
60 digits, at every point. What it does not: look into lists, intervals or equations (`_structure` does).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

from justtinker_plugins.shared.latex.parse import Node, TooLargeError, UnsupportedError
from justtinker_plugins.shared.latex.units import measure
from justtinker_plugins.shared.latex.values import (
    FLOAT,
    Point,
    UndefinedError,
    exact,
    nodes,
    numeric,
    place,
    precise,
    symbols,
)  # fmt: skip


class Finding(NamedTuple):
    """What a comparison found: equal, different, or None where it cannot tell; by which rung; and why."""

    equal: bool | None
    rung: str
    reason: str = ""


def all_of(found: list[Finding]) -> Finding:
    """Equal if all are; the first difference, or the last rung that was needed."""
    for finding in found:
        if finding.equal is False:
            return finding
    for finding in found:
        if finding.equal is None:
            return finding
    return max(found, key=lambda finding: RUNGS.index(finding.rung)) if found else Finding(True, "gate")


RUNGS = ("string", "rational", "gate", "probe")


def best(found: list[Finding]) -> Finding:
    """Of several readings the kindest one: equal before undecided before different."""
    order = {True: 0, None: 1, False: 2}
    return min(found, key=lambda finding: order[finding.equal])


def proportional(gold: Node, answer: Node) -> Finding:
    if symbols(gold) != symbols(answer) or not plain(gold) or not plain(answer):
        return Finding(False, "gate", "an equation of other symbols")
    points: list[Point] = [{name: place(name, seed) for name in symbols(gold)} for seed in range(3)]
    try:
        ratios = [numeric(answer, precise(), p).value / numeric(gold, precise(), p).value for p in points]
    except (TooLargeError, UnsupportedError, UndefinedError, ZeroDivisionError):
        return Finding(None, "probe", "the equations cannot be probed")
    equal = bool(ratios[0]) and all(_close(ratio, ratios[0]) for ratio in ratios)
    return Finding(equal, "probe", "" if equal else "another equation")


def plain(node: Node) -> bool:
    return not any(
        n[0] in ("tuple", "list", "set", "matrix", "union", "text", "rel", "base", "without", "both")
        for n in nodes(node)
    )


def rounds(value: Node, decimal: Node) -> bool:
    """Whether a decimal is the value, rounded or cut off at its own last place."""
    try:
        last = exact(decimal)
        places, target = _places(last), float(last)
        number = numeric(value, FLOAT).value
    except (ValueError, OverflowError):
        return False
    unit = 10.0**-places
    near = abs(number - target) <= 0.5001 * unit
    return bool(near or (number.imag == 0 and 0 <= abs(number) - abs(target) < unit))


def _places(value: Fraction) -> int:
    denominator, places = value.denominator, 0
    while 10**places % denominator and places < 30:
        places += 1
    return places


def _strip(node: Node) -> tuple[Node, set[str]]:
    """A value without its units, degree and percent signs, and which of them it had."""
    marks: set[str] = set()
    while node[0] in ("unit", "deg", "pct") or (node[0] == "neg" and node[1][0] in ("unit", "deg", "pct")):
        if node[0] == "neg":
            node = (node[1][0], ("neg", node[1][1]), *node[1][2:])
        name = measure(node[2]) if node[0] == "unit" else node[0]
        marks.add({"degree": "deg", "percent": "pct"}.get(name, name))
        node = node[1]
    return node, marks - {""}


def values_equal(gold: Node, answer: Node) -> Finding:
    gold, gold_marks = _strip(gold)
    answer, marks = _strip(answer)
    if gold[0] == "base" or answer[0] == "base":
        return _bases(gold, answer)
    if gold_marks and marks and gold_marks != marks:
        return Finding(False, "gate", f"{'/'.join(sorted(marks))} where the gold has {'/'.join(sorted(gold_marks))}")
    if not (plain(gold) and plain(answer)):
        return Finding(False if plain(gold) else None, "gate", "no plain value")
    found = _numbers(gold, answer)
    if "pct" in marks ^ gold_marks and (not found.equal or "pct" in marks):
        found = _percent(gold, answer, found, "pct" in marks)
    elif "deg" in marks ^ gold_marks and found.equal is False and not symbols(gold):
        radians = _numbers(("deg", gold), answer) if "deg" in gold_marks else found
        found = radians if radians.equal and _mentions_pi(answer) else found
    return found


def _mentions_pi(node: Node) -> bool:
    return any(n == ("const", "\\pi") for n in nodes(node))


_HUNDRED = Fraction(100)


def _percent(gold: Node, answer: Node, literal: Finding, on_answer: bool) -> Finding:
    """``50%`` for 0.5 and the other way round. ``10%`` for 10 is how "what percent" golds are written."""
    hundredth = (
        _numbers(gold, ("div", answer, ("num", _HUNDRED)))
        if on_answer
        else _numbers(("div", gold, ("num", _HUNDRED)), answer)
    )
    if hundredth.equal or not (on_answer and literal.equal):
        return hundredth
    return literal if _above_one(gold) else Finding(False, "rational", "a percentage of the gold")


def _above_one(gold: Node) -> bool:
    try:
        return bool(abs(numeric(gold, FLOAT).value) > 1)
    except TooLargeError:
        return True
    except ValueError:  # a letter
        return False


def _bases(gold: Node, answer: Node) -> Finding:
    if gold[0] != answer[0]:
        return Finding(False, "gate", "one of gold and answer has a base, the other has none")
    equal = gold[1].lstrip("0") == answer[1].lstrip("0") and _base(gold[2]) == _base(answer[2])
    return Finding(equal, "gate", "" if equal else "another number or another base")


_NUMERALS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_BASES = {name: str(n) for n, name in enumerate(_NUMERALS, 2)}


def _base(name: str) -> str:
    return _BASES.get(name, name)


def _numbers(gold: Node, answer: Node) -> Finding:
    try:
        target = exact(gold)
    except ValueError:
        return _probe(gold, answer)
    try:
        value = exact(answer)
    except TooLargeError as error:
        return Finding(False, "gate", f"the answer needs {error}")
    except UndefinedError as error:
        return Finding(False, "gate", f"the answer is {error}")
    except ValueError:
        return _probe(gold, answer)
    equal = value == target
    return Finding(equal, "rational", "" if equal else "another number")


def _probe(gold: Node, answer: Node) -> Finding:
    if symbols(gold) != symbols(answer):
        return Finding(False, "gate", "other symbols than the gold")
    found: list[Finding] = []
    for point in _points(gold, answer):
        if finding := _differ(gold, answer, point):
            found.append(finding)
            if finding.equal is False:
                break
    return all_of(found) if found else Finding(None, "probe", "no point where both are defined")


_COUNTERS = frozenset("nmkdijrspqNMKLTS")
"""Letters that stand for whole numbers where a factorial, a binomial or a rounding is about."""


def _points(gold: Node, answer: Node) -> list[Point]:
    """Where to compare: anywhere positive; at whole numbers for what counts; on both sides of zero for ``|x|``.

    What has steps, corners or a root on one side only is compared at many points, or it would agree by chance.
    """
    names = sorted(symbols(gold))
    if not names:
        return [{}]
    used, other = ({n[1] if n[0] == "fn" else n[0] for n in nodes(side)} for side in (gold, answer))
    steps = (used | other) & {"floor", "ceil"}
    if (steps or (used | other) & {"fact", "binom"}) and all(name[0] in _COUNTERS for name in names):
        return _whole_points(names, many=bool(steps))
    points: list[Point] = [{name: place(name, seed) for name in names} for seed in range(2)]
    if "abs" in used | other:
        points += [{n: place(n, seed) * (-1) ** (seed >> i) for i, n in enumerate(names)} for seed in range(2, 14)]
    if steps:
        points += [{n: _STAIRS[(k + 5 * i) % len(_STAIRS)] for i, n in enumerate(names)} for k in range(len(_STAIRS))]
    if "root" in used ^ other:
        points += [{name: place(name, seed) for name in names} for seed in range(2, 10)]
    return points


def _whole_points(names: list[str], *, many: bool) -> list[Point]:
    few: list[Point] = [{name: Fraction(3 + (k * 7 + i * 5) % 17) for i, name in enumerate(names)} for k in range(8)]
    return few + [{name: Fraction(k + i * 5) for i, name in enumerate(names)} for k in range(2, 42) if many]


_STAIRS = [n + Fraction(part, 100) for n in range(4) for part in (0, 1, 33, 50, 60, 91, 99)]
"""On steps, and just before and behind them."""


def _differ(gold: Node, answer: Node, point: Point) -> Finding | None:
    """At one point: equal, different, undecided; None where the gold is not defined there, or too large."""
    try:
        target = numeric(gold, FLOAT, point)
    except (UndefinedError, TooLargeError):
        return None
    except ValueError as error:
        return Finding(None, "probe", f"the gold: {error}")
    try:
        value = numeric(answer, FLOAT, point)
    except (UndefinedError, TooLargeError) as error:
        return Finding(False, "probe", f"the answer: {error}")
    except ValueError as error:
        return Finding(None, "probe", f"the answer: {error}")
    difference = abs(value.value - target.value)
    largest = max(abs(value.value), abs(target.value))
    if difference > 1e-6 * largest and difference > 1e-10 * max(value.peak, target.peak):
        return Finding(False, "probe", "another value")
    return _precisely(gold, answer, point)


def _precisely(gold: Node, answer: Node, point: Point) -> Finding:
    """The last word on a point where floating point sees no difference: in fractions, or in 60 digits."""
    try:
        equal = exact(gold, point) == exact(answer, point)
    except ValueError:
        try:
            equal = _same_number(gold, answer, point)
        except ValueError as error:
            return Finding(None, "probe", str(error))
    return Finding(equal, "probe", "" if equal else "another value")


def _same_number(gold: Node, answer: Node, point: Point) -> bool:
    value, target = (numeric(node, precise(), point).value for node in (answer, gold))
    if max(abs(value), abs(target)) > 1e-25:
        return _close(value, target)
    # Both are next to nothing: what is nothing but rounding shrinks with more digits.
    finer, finest = (numeric(node, precise(120), point).value for node in (answer, gold))
    return _close(_or_zero(value, finer), _or_zero(target, finest))


def _or_zero(coarse: Any, fine: Any) -> Any:
    return 0 * fine if abs(fine) <= abs(coarse) * 1e-30 else fine


def _close(a: Any, b: Any) -> bool:
    return bool(abs(a - b) <= max(abs(a), abs(b)) * 1e-35)
