"""Golds that are one number: its value, and what stands around it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from justtinker_plugins.commands._audit.variants.forms import strip_wrapping

LARGEST_BOTTOM = 12
"""Nobody writes a mixed number with a larger denominator."""

_PART = r"\{[0-9]{1,9}\}|[0-9]"
_NUMBER = re.compile(
    r"(?P<sign>-?)(?P<money>(?:\\\$)?) ?(?:(?P<decimal>[0-9]{1,9}(?:\.[0-9]{1,6})?)"
    rf"|(?:(?P<whole>[0-9]{{1,9}}) *)?\\[dt]?frac *(?P<top>{_PART}) *(?P<bottom>{_PART})"
    r"|(?:(?P<whole_>[0-9]{1,9}) +)?(?P<top_>[0-9]{1,9})/(?P<bottom_>[0-9]{1,9}))"
    r"(?P<unit>(?: ?\\?%|\^\{?\\circ\}?|°)?)"
)
_PARTS = ("whole", "top", "bottom")


@dataclass(frozen=True, slots=True)
class Number:
    """A gold that is one number, with what stands around it."""

    value: Fraction
    """Positive."""
    sign: str
    money: str
    """A dollar sign, or nothing."""
    unit: str
    """A percent or degree sign, or nothing."""

    def write(self, number: str) -> str:
        """Write another number in the place of this one."""
        return f"{self.sign}{self.money}{number}{self.unit}"

    @property
    def parts(self) -> tuple[int, int, int] | None:
        """The mixed number as (whole, top, bottom); None if nobody would write it so."""
        whole, top = divmod(self.value.numerator, self.value.denominator)
        bottom = self.value.denominator
        return (whole, top, bottom) if top and whole and bottom <= LARGEST_BOTTOM else None


def read_number(gold: str) -> Number | None:
    """Read a gold that is one number other than 0; None for any other."""
    found = _NUMBER.fullmatch(strip_wrapping(gold))
    if found is None:
        return None
    whole, top, bottom = (int((found[name] or found[f"{name}_"] or "0").strip("{}")) for name in _PARTS)
    if not found["decimal"] and (bottom == 0 or (whole and bottom <= top)):
        return None
    value = Fraction(found["decimal"]) if found["decimal"] else whole + Fraction(top, bottom)
    return Number(value, found["sign"], found["money"], found["unit"]) if value else None


def same_number(gold: str, other: str) -> bool:
    """Return whether both are one number and may be the same, with or without percent signs."""
    a, b = read_number(gold), read_number(other)
    if a is None or b is None or a.sign != b.sign:
        return False
    return a.value in (b.value, b.value * 100, b.value / 100)
