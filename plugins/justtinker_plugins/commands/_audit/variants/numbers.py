"""One number written differently: integers, decimals, powers of ten, fractions."""

# ruff: noqa: RUF001 (letters that look like others)
from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from justtinker_plugins.commands._audit.variants.forms import (
    DECIMAL,
    FRACTION,
    INTEGER,
    SCIENTIFIC,
    Variant,
    decimal_text,
    has_finite_decimals,
)


def _integers(text: str) -> Iterator[Variant]:
    if not INTEGER.fullmatch(text):
        return
    n = int(text)
    yield from (("decimal point", f"{n}."), ("decimal", f"{n}.0"), ("decimal", f"{n}.00"), ("bold", rf"\mathbf{{{n}}}"))
    yield from (
        ("text", rf"\text{{{n}}}") if n >= 0 else ("bold", rf"\boldsymbol{{{n}}}"),
        ("box in box", rf"\boxed{{{n}}}"),
    )
    yield from (("fraction", rf"\frac{{{2 * n}}}{{2}}"), ("over one", f"{n}/1"), ("chain", f"{n - 3} + 3 = {n}"))
    yield from (
        ("named chain", f"x = {n - 3} + 3 = {n}"),
        ("backwards", f"{n} = x"),
        ("brackets", f"({n})"),
        ("set", rf"\{{{n}\}}"),
    )
    for unit in (r"~\text{units}", r"\text{ units}", " units", r" \text{ ways}", r" \text{ square units}"):
        yield "unit", f"{n}{unit}"  # any other may contradict the question
    if n >= 0:
        yield from (("plus sign", f"+{n}"), ("leading zero", f"0{n}"))
    if abs(n) >= 1000:
        for separator in (",", r"\,", "{,}", r",\!", " "):
            yield "thousands", f"{n:,}".replace(",", separator)
    if n:
        yield from _powers_of_ten(Fraction(n))


def _powers_of_ten(value: Fraction) -> Iterator[Variant]:
    r"""Yield a value that has few digits as ``a \times 10^{b}``."""
    sign, value = ("-", -value) if value < 0 else ("", value)
    exponent = 0
    while value >= 10:
        value, exponent = value / 10, exponent + 1
    while value < 1:
        value, exponent = value * 10, exponent - 1
    mantissa = sign + decimal_text(value)
    for template in (r"{} \times 10^{{{}}}", r"{} \cdot 10^{{{}}}", "{}e{}", "{}*10^{{{}}}"):
        yield "powers of ten", template.format(mantissa, exponent)


def _decimals(text: str) -> Iterator[Variant]:
    if not DECIMAL.fullmatch(text):
        return
    value = Fraction(text)
    yield from (("trailing zero", text + "0"), ("fraction", rf"\frac{{{value.numerator}}}{{{value.denominator}}}"))
    yield "leading zero", decimal_text(value)
    if text.startswith("0."):
        yield "no leading zero", text[1:]
    yield from (("slash", f"{value.numerator}/{value.denominator}"), ("percent", rf"{decimal_text(value * 100)}\%"))
    yield from (("unit", text + r" \text{ units}"), ("unit", text + r"\ \mathrm{units}"))
    yield from _powers_of_ten(value)


def _scientific(text: str) -> Iterator[Variant]:
    match = SCIENTIFIC.fullmatch(text)
    if not match:
        return
    mantissa, sign, exponent = match.groups()
    for template in (
        r"{} \times 10^{{{}}}", r"{}\times10^{{{}}}", r"{} \cdot 10^{{{}}}", "{}*10^{}", "{} * 10^{{{}}}", "{}E{}",
        r"{} × 10^{{{}}}", r"{}\,\times\,10^{{{}}}", r"{} \times {{10}}^{{{}}}",
        r"{} \times 10^{{{}}} \text{{ units}}", r"{}\times 10^{{{}}}~\mathrm{{units}}",
    ):  # fmt: skip
        yield "scientific", template.format(mantissa, sign + exponent)
    yield "scientific", f"{mantissa}e{sign or '+'}{exponent.rjust(2, '0')}"
    yield (
        "scientific",
        rf"{mantissa}0 \times 10^{{{sign}{exponent}}}"
        if "." in mantissa
        else rf"{mantissa}.0 \times 10^{{{sign}{exponent}}}",
    )
    if int(exponent) < 30:
        yield "written out", decimal_text(Fraction(text))
    if mantissa == "1":
        yield "power of ten", f"10^{{{sign}{exponent}}}"


def _fractions(text: str) -> Iterator[Variant]:
    match = FRACTION.fullmatch(text)
    if not match:
        return
    sign, top, bottom = match.group(1), int(match.group(2)), int(match.group(3))
    yield from (
        ("slash", f"{sign}{top}/{bottom}"),
        ("spaced slash", f"{sign}{top} / {bottom}"),
        ("braces slash", f"{sign}{{{top}}}/{{{bottom}}}"),
    )
    yield from (("not reduced", rf"{sign}\frac{{{k * top}}}{{{k * bottom}}}") for k in (2, 3, 10))
    yield from (
        ("brackets", rf"{sign}\left(\frac{{{top}}}{{{bottom}}}\right)"),
        ("both signs", rf"{sign}\frac{{-{top}}}{{-{bottom}}}"),
    )
    if sign:
        yield from (("sign above", rf"\frac{{-{top}}}{{{bottom}}}"), ("sign below", rf"\frac{{{top}}}{{-{bottom}}}"))
    if top > bottom and top % bottom:
        yield "mixed", rf"{sign}{top // bottom}\frac{{{top % bottom}}}{{{bottom}}}"
        yield "mixed", f"{sign}{top // bottom} {top % bottom}/{bottom}"
    if has_finite_decimals(bottom):
        yield "decimal", decimal_text(Fraction(f"{sign}{top}/{bottom}"))
    yield "approximation", rf"{text} \approx {float(Fraction(f'{sign}{top}/{bottom}')):.3f}"
    if bottom < 10 and top < 10:
        yield "no braces", rf"{sign}\frac{top}{bottom}"


RULES = (_integers, _decimals, _scientific, _fractions)
