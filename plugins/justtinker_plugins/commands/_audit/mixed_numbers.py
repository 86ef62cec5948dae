r"""Golds that are one number, and mixed numbers: ``12\frac{1}{2}\%`` is twelve and a half percent and no product."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from fractions import Fraction

from justtinker_plugins.commands._audit.items import Battery, Item, Topic, register_in
from justtinker_plugins.commands._audit.variants.forms import decimal_text, has_finite_decimals
from justtinker_plugins.commands._audit.variants.single_numbers import read_number

WRONG: dict[str, Battery] = {}
HONEST: dict[str, Battery] = {}
_FIXED_FORM = re.compile(r"improper|common fraction|decimal|nearest|in the form", re.IGNORECASE)


def write_mixed(whole: int, top: int, bottom: int) -> Iterator[str]:
    """Write a mixed number, or a product that looks like one."""
    yield f"{whole}\\frac{{{top}}}{{{bottom}}}"
    yield from (
        f"{whole} \\frac{{{top}}}{{{bottom}}}",
        f"{whole}\\tfrac{{{top}}}{{{bottom}}}",
        f"{whole} {top}/{bottom}",
    )
    if top < 10 and bottom < 10:
        yield f"{whole}\\frac{top}{bottom}"


@register_in(WRONG)
def mixed_numbers_as_products(item: Item) -> Iterator[str]:
    """A mixed number whose parts multiply to the gold; for a mixed gold, the product of its parts, or a part."""
    number = read_number(item.gold) if item.mathematical else None
    if number is None:
        return
    texts = []
    if number.parts:
        whole, top, bottom = number.parts
        product = Fraction(whole * top, bottom)
        texts += [
            plain_text(product),
            f"\\frac{{{whole * top}}}{{{bottom}}}",
            f"{whole} \\cdot \\frac{{{top}}}{{{bottom}}}",
        ]
        texts += [f"{whole}", *write_mixed(whole + 1, top, bottom)]
        if int(f"{whole}{top}") != whole * bottom + top:
            texts.append(f"\\frac{{{whole}{top}}}{{{bottom}}}")
    top, bottom = number.value.numerator, number.value.denominator
    for k in (1, 2, 3) if bottom > 1 else (2, 3, 4):
        texts += write_mixed(k * top, 1, k * bottom)
    yield from (item.respond(item.format(number.write(text))) for text in texts)


@register_in(HONEST)
def mixed_numbers(item: Item) -> Iterator[str]:
    """A number as a mixed number, a fraction or a decimal, in front of the gold's percent or degree sign."""
    number = read_number(item.gold) if item.mathematical else None
    if number is None or number.parts is None or _FIXED_FORM.search(item.problem.question):
        return
    whole, top, bottom = number.parts
    texts = [*write_mixed(whole, top, bottom)]
    if has_finite_decimals(bottom):
        cents = number.value * 100
        texts.insert(
            0, f"{float(cents) / 100:.2f}" if number.money and cents.denominator == 1 else plain_text(number.value)
        )
    if not number.money:
        texts.append(f"\\frac{{{whole * bottom + top}}}{{{bottom}}}")
    yield from (item.respond(item.format(number.write(text))) for text in texts if number.write(text) != item.gold)


def plain_text(value: Fraction) -> str:
    """Write a number as a decimal if its decimals end, else as a fraction."""
    if has_finite_decimals(value.denominator):
        return decimal_text(value)
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}"


def draw_problems(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Draw problems whose golds are mixed numbers, plain, in percent, in degrees and in dollars, and their equals."""
    n, thirds = rng.randrange(7, 40), rng.choice((1, 2))
    yield (
        f"A cook fills {3 * n + thirds} cups into three equal jars. How many cups does a jar hold?",
        (f"{n}\\frac{{{thirds}}}{{3}}"),
    )
    eighths = rng.choice((1, 3, 5, 7))
    percent = Fraction(100 * eighths, 8)
    whole = percent.numerator // percent.denominator
    question = f"Of 8 equal parts of a field, {eighths} are mown. What percentage of the field is mown?"
    yield question, f"{whole}\\frac{{1}}{{2}}\\%"
    yield question, f"{whole}.5\\%"
    yield "One of six equal parts of a cake is eaten. What percentage is left?", "83\\frac{1}{3}\\%"
    odd = 2 * rng.randrange(11, 44) + 1
    question = f"An angle of ${odd}$ degrees is bisected. How large is each half?"
    yield from ((question, f"{odd // 2}\\frac{{1}}{{2}}^\\circ"), (question, f"{odd / 2}^\\circ"))
    question = f"Two friends share a bill of {odd} dollars equally. How much does each pay?"
    yield from ((question, f"\\${odd // 2}\\frac{{1}}{{2}}"), (question, f"\\${odd / 2:.2f}"))
    yield f"What percentage of {8 * n} is {n * 2}?", "25\\%"


TOPIC = Topic(WRONG, HONEST, draw_problems)
