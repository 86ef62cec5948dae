r"""The part of the ladder that runs in a worker process: math-verify on one pair, and a check of what it overlooks.

Only pairs that the cheap rungs could not decide come here. math-verify's own time-outs are off: after a fraction of a
second they silently make everything False, and their alarm cancels other alarms. The pool kills what runs too long.
`grade` returns its result as a pair of texts, since results travel between processes.
"""

from __future__ import annotations

from typing import Any, Literal

Grade = tuple[Literal["equal", "different", "overlooked", "gold", "answer"], str]
"""The result and the reason. gold, answer: that one cannot be parsed; overlooked: math-verify wrongly says equal."""

WARM_UP = (
    r"\max(a, \frac{x^{2}-1}{\sqrt{2}}) + \int_0^1 x^2 dx",
    r"\max(\frac{(x-1)(x+1)}{\sqrt{2}}, a) + \frac{1}{3}",
)
"""Grading this pair builds parser tables and caches, which takes half a second that no answer should pay for."""

DIGITS, ROUGH_DIGITS = 1000, 30
"""Significant digits to work out; the second with a sum, an integral or a limit that is left in a difference."""
AGREE, AGREE_ROUGHLY = 980, 12
"""Digits that must agree. math-verify rounds to six decimal places, and so accepts 0.0 for 1.6e-19."""


def grade(gold: str, answer: str) -> Grade:
    """Compare two answers in LaTeX, without boxes."""
    from math_verify import verify

    golds, answers = _parsed(gold), _parsed(answer)
    if not golds:
        return "gold", "math-verify cannot parse the gold"
    if not answers:
        return "answer", "math-verify cannot parse the answer"
    if not verify(golds, answers, timeout_seconds=None):
        return "different", "sympy finds no way to make them equal"
    return _recheck(golds, answers)


def _parsed(text: str) -> list[Any]:
    r"""Parse a text in a box; without one, math-verify refuses 315 of 1,646 real golds as answers to themselves."""
    from math_verify import LatexExtractionConfig, parse

    found = parse(
        rf"\boxed{{{text}}}",
        extraction_config=[LatexExtractionConfig()],
        fallback_mode="no_fallback",
        extraction_mode="first_match",
        parsing_timeout=None,
    )
    return [item for item in found if not isinstance(item, str)]


def _recheck(golds: list[Any], answers: list[Any]) -> Grade:
    for gold in golds:
        for answer in answers:
            difference = _overlooked_difference(gold, answer)
            if not difference:
                return "equal", ""
    return "overlooked", difference


def _overlooked_difference(gold: Any, answer: Any) -> str:
    """The difference in a pair that math-verify calls equal; empty if there is none."""
    from sympy import MatrixBase, Set, Tuple

    if isinstance(gold, (Set, Tuple)) or isinstance(answer, (Set, Tuple)):
        same = isinstance(answer, type(gold)) and len(gold.args) == len(answer.args)
        return "" if same else "a different kind or size of collection"
    if isinstance(gold, MatrixBase) or isinstance(answer, MatrixBase):
        return ""  # math-verify compares shapes and entries
    try:
        off = any(_are_apart(gold.subs(point), answer.subs(point)) for point in _points(gold, answer))
    except (AttributeError, TypeError):  # a relation, or an expression that has no value at a point
        return ""
    return "equal only within an absolute tolerance" if off else ""


def _points(gold: Any, answer: Any) -> list[dict[Any, int]]:
    """Whole numbers for all letters. One point, which changes nothing, where letters may bound a sum or an integral."""
    letters = sorted(gold.free_symbols | answer.free_symbols, key=str)
    if not letters or _is_rough(gold) or _is_rough(answer):
        return [{}]
    return [{letter: 2 + (3 + 4 * at) * (i + 1) % 11 for i, letter in enumerate(letters)} for at in range(2)]


def _is_rough(number: Any) -> bool:
    from sympy import Integral, Limit, Product, Sum

    return bool(number.has(Sum, Product, Integral, Limit))


def _are_apart(left: Any, right: Any) -> bool:
    """Whether two numbers differ. They stay numbers of sympy, since those of Python end at 1e308."""
    from sympy import Float

    difference = left - right
    digits, agree = (ROUGH_DIGITS, AGREE_ROUGHLY) if _is_rough(difference) else (DIGITS, AGREE)
    gap, *sizes = (abs(side.evalf(n)) for side, n in ((difference, digits), (left, 15), (right, 15)))
    return bool(gap > max(sizes) * Float(10) ** -agree)
