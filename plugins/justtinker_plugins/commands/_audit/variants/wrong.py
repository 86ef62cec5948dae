"""Another answer, written nearly the same: near misses that a careful person rejects."""

from __future__ import annotations

import re
from collections.abc import Iterator

from justtinker_plugins.commands._audit.variants.forms import (
    DECIMAL,
    FRACTION,
    INTEGER,
    SCIENTIFIC,
    Variant,
    dressed_as,
    is_list,
    is_single_expression,
    letter_of,
    split_list,
    strip_wrapping,
    word_of,
)
from justtinker_plugins.commands._audit.variants.single_numbers import same_number

_OPPOSITES = (
    ("yes", "no"), ("true", "false"), ("even", "odd"), ("left", "right"), ("east", "west"), ("north", "south"),
    ("convergent", "divergent"), ("converges", "diverges"), ("rational", "irrational"), ("red", "blue"),
)  # fmt: skip
_OPPOSITE = {word: other for a, b in _OPPOSITES for word, other in ((a, b), (b, a))}


def wrong_variants(gold: str, neighbours: list[str]) -> Iterator[Variant]:
    """Yield near misses: off by one, another sign, digit, power, letter or word, a neighbour's gold."""
    text = strip_wrapping(gold)
    yield from _other_word(text)
    if not word_of(text) and not letter_of(text) and not text.startswith(r"\text"):
        yield from _off_by_one(text)
        yield from _other_sign(text)
        yield from _other_digit(text)
        yield from _other_power(text)
    for neighbour in map(strip_wrapping, neighbours):
        if not _may_be_equal(neighbour, text):
            yield "neighbour", neighbour


def _other_word(text: str) -> Iterator[Variant]:
    """Yield another letter of a choice, dressed alike, or the opposite of a word."""
    if letter := letter_of(text):
        yield from (("letter", dressed_as(text, letter, other)) for other in "ABCD" if other != letter)
    if (word := word_of(text)) and (other := _OPPOSITE.get(word.lower())):
        yield "word", dressed_as(text, word, other.capitalize() if word[0].isupper() else other)


def _may_be_equal(one: str, other: str) -> bool:
    """Return whether two golds are the same number, letter or word, or hold the same characters."""
    if _letters_of(one) == _letters_of(other) or same_number(one, other):
        return True
    names = [letter_of(text) or word_of(text).casefold() for text in (one, other)]
    return names[0] == names[1] != ""


def _letters_of(text: str) -> str:
    """Return a gold's characters, sorted, without names, typesetting and units: equal ones may mean the same."""
    text = re.sub(
        r"\\(?:left|right|[dt]?frac|text|mbox|circ|%|\$)|[{}$^%\s,.]|^[a-zA-Z](?:\([a-z]\))?=",
        "",
        text.replace(" ", ""),
    )
    return "".join(sorted(text.lower()))


def _off_by_one(text: str) -> Iterator[Variant]:
    if INTEGER.fullmatch(text):
        yield from (
            ("off by one", str(int(text) + 1)),
            ("off by one", str(int(text) - 1)),
            ("off by ten", str(int(text) + 10)),
        )
        yield from (("ten times", text + "0"), ("off by one", f"x = {int(text) + 1}")) if int(text) else ()
        yield from (
            ("half off", text + ".5"),
            ("two", f"{text}, {int(text) + 1}"),
            ("either", rf"{int(text) - 1} \text{{ or }} {text}"),
        )
    elif is_single_expression(text):
        yield from (("off by one", f"{text} + 1"), ("off by one", f"{text} - 1"))
    elif is_list(text):
        items = split_list(text)
        yield from (("one missing", ", ".join(items[1:])), ("one twice", ", ".join([*items, items[0]])))


def _other_sign(text: str) -> Iterator[Variant]:
    if INTEGER.fullmatch(text) or FRACTION.fullmatch(text) or DECIMAL.fullmatch(text) or SCIENTIFIC.fullmatch(text):
        if text not in ("0", "-0"):
            yield "sign", text[1:] if text.startswith("-") else f"-{text}"
    elif is_single_expression(text) and text != "0":
        yield "sign", f"-({text})"


def _other_digit(text: str) -> Iterator[Variant]:
    r"""Yield the text with one of its first six digits changed; a digit right after ``\frac`` stays."""
    for match in list(re.finditer(r"[0-9]", text))[:6]:
        at = match.start()
        if not text[:at].endswith(r"\frac"):
            yield "digit", text[:at] + str((int(match.group()) + 3) % 10) + text[at + 1 :]


def _other_power(text: str) -> Iterator[Variant]:
    for found in re.finditer(r"\^\{?([2-9])\}?(?![0-9])", text):
        at = found.start(1)
        yield "power", text[:at] + str(int(found.group(1)) + 1) + text[at + 1 :]
    if match := SCIENTIFIC.fullmatch(text):
        mantissa, sign, exponent = match.groups()
        yield from (
            ("power", f"{mantissa}e{sign}{int(exponent) + 1}"),
            ("power", rf"{mantissa} \times 10^{{{sign}{int(exponent) - 1}}}"),
        )
        yield (
            "power sign",
            rf"{mantissa} \times 10^{{{'' if sign else '-'}{exponent}}}" if int(exponent) else f"{mantissa}1",
        )
    if INTEGER.fullmatch(text) and abs(int(text)) > 1:
        yield from (("power", f"{text.lstrip('-')}^2"), ("root", rf"\sqrt{{{text.lstrip('-')}}}"))
