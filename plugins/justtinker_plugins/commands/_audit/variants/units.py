"""What stands beside a number: units, degrees, money, the base."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from justtinker_plugins.commands._audit.variants.forms import BASE, DEGREES, Variant, decimal_text

NUMBER_WORDS = {"5": "five", "6": "six", "8": "eight", "9": "nine"}


def _degrees_and_bases(text: str) -> Iterator[Variant]:
    if match := DEGREES.fullmatch(text):
        n = match.group(1)
        for unit in ("", r"^\circ", r"^{\circ}", "°", r"\degree", r" \text{ degrees}", r"\,^\circ", r"^\circ."):
            yield "degrees", n + unit
        yield "named", rf"\angle ABC = {n}^\circ"
    if match := BASE.fullmatch(text):
        n, base = match.groups()
        yield from (
            ("base", f"{n}_{{{base}}}"),
            ("base", f"{n}_{base}"),
            ("base", rf"{n}_{{\text{{{NUMBER_WORDS.get(base, base)}}}}}"),
        )


def _units(text: str) -> Iterator[Variant]:
    if match := re.fullmatch(r"([0-9.]+) ?\\?%", text):
        n = match.group(1)
        yield from (
            ("percent", rf"{n}\%"),
            ("percent", f"{n}%"),
            ("percent", rf"{n} \%"),
            ("percent", n),
            ("percent", rf"{n} \text{{ percent}}"),
        )
        yield "decimal", decimal_text(Fraction(n) / 100)
    if match := re.fullmatch(r"\\\$([0-9.,\\!]+)", text):
        n = re.sub(r"[,\\!]", "", match.group(1))
        yield from (("money", n), ("money", rf"\${n}"), ("money", rf"{n} \text{{ dollars}}"))
    if match := re.fullmatch(r"([0-9.]+) ?\\(?:text|mbox)\{ ?([a-z]+)\}(\^2)?", text):
        n, unit, power = match.groups()
        yield from (
            ("unit", n),
            ("unit", rf"{n}\ \mathrm{{{unit}}}{power or ''}"),
            ("unit", rf"{n}~\text{{{unit}}}{power or ''}"),
        )
    if match := re.fullmatch(r"([0-9]+(?:,\\?!? ?[0-9]{3})+)", text):
        n = re.sub(r"[,\\! ]", "", text)
        yield from (
            ("thousands", n),
            ("thousands", f"{int(n):,}"),
            ("thousands", f"{int(n):,}".replace(",", r"\,")),
            ("thousands", f"{int(n):,}".replace(",", "{,}")),
        )


RULES = (_degrees_and_bases, _units)
