r"""What runs in a worker process: math-verify on one pair, and a check of what it forgets.

Only pairs that the cheap rungs could not decide come here. math-verify's own time-outs are off (a fraction of a second
silently makes everything False, and its alarm cancels those of others): the pool kills what runs too long. What it
does not: raise. `grade` returns what happened as a pair of texts, because results travel between processes.
"""

from __future__ import annotations

from typing import Any, Literal

Grade = tuple[Literal["equal", "different", "forgotten", "gold", "answer"], str]
"""What was found, and why. gold, answer: that one cannot be parsed; forgotten: math-verify wrongly says equal."""

WARM_UP = (
    r"\max(a, \frac{x^{2}-1}{\sqrt{2}}) + \int_0^1 x^2 dx",
    r"\max(\frac{(x-1)(x+1)}{\sqrt{2}}, a) + \frac{1}{3}",
)
"""A pair whose grading builds parser tables and caches: half a second that must not count against an answer."""

TOLERANCE = 1e-12
"""Relative: math-verify rounds to six decimal places, and takes 0.0 for 1.6e-19."""


def grade(gold: str, answer: str) -> Grade:
    """Compare two answers, given as LaTeX without a box around them."""
    from math_verify import verify

    golds, answers = _parsed(gold), _parsed(answer)
    if not golds:
        return "gold", "math-verify cannot parse the gold"
    if not answers:
        return "answer", "math-verify cannot parse the answer"
    if not verify(golds, answers, timeout_seconds=None):
        return "different", "sympy finds no way to make them equal"
    return _after_check(golds, answers)


def _parsed(text: str) -> list[Any]:
    r"""The sympy object of a text in a box; unboxed, math-verify fails 315 of 1,646 real golds against themselves."""
    from math_verify import LatexExtractionConfig, parse

    found = parse(
        rf"\boxed{{{text}}}",
        extraction_config=[LatexExtractionConfig()],
        fallback_mode="no_fallback",
        extraction_mode="first_match",
        parsing_timeout=None,
    )
    return [item for item in found if not isinstance(item, str)]


def _after_check(golds: list[Any], answers: list[Any]) -> Grade:
    for gold in golds:
        for answer in answers:
            trouble = _forgotten(gold, answer)
            if not trouble:
                return "equal", ""
    return "forgotten", trouble


def _forgotten(gold: Any, answer: Any) -> str:
    """What a careful person holds against a pair that math-verify calls equal; empty if nothing."""
    from sympy import MatrixBase, Set, Tuple

    if isinstance(gold, (Set, Tuple)) or isinstance(answer, (Set, Tuple)):
        same = isinstance(answer, type(gold)) and len(gold.args) == len(answer.args)
        return "" if same else "another kind of collection, or another size"
    if isinstance(gold, MatrixBase) or isinstance(answer, MatrixBase):
        return ""  # math-verify compares shapes and entries
    try:
        left, right = complex(gold.evalf(30)), complex(answer.evalf(30))
    except (AttributeError, TypeError):  # a relation, or an expression with symbols: nothing was rounded
        return ""
    if abs(left - right) > TOLERANCE * max(abs(left), abs(right)):
        return "equal only within an absolute tolerance"
    return ""
