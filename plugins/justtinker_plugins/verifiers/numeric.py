r"""The verifier for answers that are one number. It reads every number as an exact rational; no floats are involved.

It reads integers, decimals, thousands (``3,159``, ``3{,}159``, ``3\,159``), fractions (``1/2``, ``\frac{1}{2}``,
``\frac12``), mixed numbers (``1 1/2``), scientific notation (``1.2e-8``, ``1.2 \times 10^{-8}``), percentages and
currency signs. An answer that is not one number from end to end is wrong: ``4 or 5``, ``x = 4``, ``2 + 2``, ``0,5``,
``12 or so``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field

from justtinker_core import Problem, Rollout, Verdict, hookimpl, plugin
from justtinker_plugins.shared.answers import Pipeline, gold_text, judge_rollouts

MAX_EXPONENT = 1000  # the cost of a number grows with its exponent, not with its length

_SPELLINGS = (
    (re.compile("[\u2212\u2013\ufe63\uff0d]"), "-"),
    (re.compile(r"\\!|\\left(?![a-z])|\\right(?![a-z])"), ""),
    (re.compile(r"\{,\}|(?<=[0-9])\\,(?=[0-9]{3})"), ","),
    (re.compile(r"\\[,;: ]|~|\s"), " "),
    (re.compile(r"\\[dtc]frac"), r"\\frac"),
    (re.compile(r" *(?:\\times|\\cdot|\u00d7|\*) *10 *\^ *(?:\{ *([+-]?[0-9]+) *\}|([+-]?[0-9]+))"), r"e\1\2"),
)
_DIGITS = r"(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)"
_WHOLE = re.compile(r"(?P<sign>[+-]?) *(?:\\?\$|€|£)? *(?P<inner>[+-]?)(?P<body>[^%]*?) *(?P<percent>\\?%)?")
_DECIMAL = re.compile(rf"(?P<digits>{_DIGITS}|(?=\.[0-9]))(?:\.(?P<places>[0-9]*))?(?:[eE](?P<exponent>[+-]?[0-9]+))?")
_SLASH = re.compile(rf"(?:(?P<whole>{_DIGITS}) +)?(?P<top>{_DIGITS}) */ *(?P<bottom>{_DIGITS})")
_FRAC = re.compile(
    rf"(?P<whole>{_DIGITS})? *\\frac *(?:\{{ *(?P<top>-?{_DIGITS}) *\}}|(?P<top1>[0-9]))"
    rf" *(?:\{{ *(?P<bottom>-?{_DIGITS}) *\}}|(?P<bottom1>[0-9]))"
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number and how it was written."""

    value: Fraction
    exact: bool
    """Whether it is an integer or a fraction. A decimal may be rounded."""
    percent: bool = False


@plugin
class Numeric:
    """Compares one number with the gold."""

    kinds: tuple[str, ...] = ("math", "number")
    """Kinds of problems that it judges, as in `Problem.kind`."""
    pipeline: Pipeline = "strict"
    """strict: boxed answers only. flexible: without a box, also ``Answer: x``, ``#### x``, ``the answer is x``.
    gsm8k: ``#### x`` only."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest relative difference if either number is a decimal. Integers and fractions must be equal."""
    percent: Literal["hundredth", "ignore", "refuse"] = "hundredth"
    """hundredth: 50 % is 1/2. ignore: 50 % is 50. refuse: a percentage only equals a percentage."""
    max_chars: Annotated[int, Field(ge=1, le=1000)] = 200
    """Longer answers are wrong."""

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """Judge each rollout; all are unscored if the gold is not a number."""
        if problem.kind not in self.kinds:
            return None
        text = gold_text(problem.answer)
        gold = read_number(text) if len(text) <= self.max_chars else None
        gold_or_reason = gold or f"the gold {text[:50]!r} is not one number"
        return judge_rollouts(rollouts, self.pipeline, self.max_chars, gold_or_reason, self._mismatch, self._vote)

    def _vote(self, answer: str) -> str | None:
        found = read_number(answer)
        sign = "%" if found and found.percent and self.percent == "refuse" else ""
        return f"{self._comparable_value(found)}{sign}" if found else None

    def _comparable_value(self, found: Number) -> Fraction:
        return found.value / 100 if found.percent and self.percent == "hundredth" else found.value

    def _mismatch(self, gold: Number, answer: str) -> str:
        found = read_number(answer)
        if found is None:
            return "not one number"
        if self.percent == "refuse" and gold.percent != found.percent:
            return "only one of gold and answer is a percentage"
        return "" if self._is_close(gold, found) else "not the gold's number"

    def _is_close(self, gold: Number, found: Number) -> bool:
        a, b = self._comparable_value(gold), self._comparable_value(found)
        if gold.exact and found.exact:
            return a == b
        return abs(a - b) <= Fraction(str(self.tolerance)) * max(abs(a), abs(b))


def read_number(text: str) -> Number | None:
    """Read a text as one number; None if it is anything else. Exponents are capped here, the text by its caller."""
    text = text.strip()
    if len(text) > 2 and text.startswith("$") and text.endswith("$"):
        text = text[1:-1]
    for pattern, replacement in _SPELLINGS:
        text = pattern.sub(replacement, text)
    parts = _WHOLE.fullmatch(text.strip())
    if parts is None or (parts["sign"] and parts["inner"]):
        return None
    found = _read_fraction(parts["body"]) or _read_decimal(parts["body"])
    if found is None:
        return None
    minus = "-" in (parts["sign"], parts["inner"])
    return Number(-found.value if minus else found.value, found.exact, parts["percent"] is not None)


def _read_fraction(body: str) -> Number | None:
    match = _SLASH.fullmatch(body) or _FRAC.fullmatch(body)
    if match is None:
        return None
    group = match.groupdict()
    top, bottom = _to_int(group["top"] or group["top1"]), _to_int(group["bottom"] or group["bottom1"])
    if bottom == 0:
        return None
    value = Fraction(top, bottom)
    if group["whole"]:
        if not 0 < value < 1:  # nobody writes a mixed number like that
            return None
        value += _to_int(group["whole"])
    return Number(value, exact=True)


def _read_decimal(body: str) -> Number | None:
    match = _DECIMAL.fullmatch(body)
    if match is None:
        return None
    places, exponent = match["places"] or "", match["exponent"]
    power = int(exponent or "0")
    if abs(power) > MAX_EXPONENT:
        return None
    value = Fraction(int(match["digits"].replace(",", "") + places)) * Fraction(10) ** (power - len(places))
    return Number(value, exact=not places and exponent is None)


def _to_int(digits: str) -> int:
    return int(digits.replace(",", ""))
