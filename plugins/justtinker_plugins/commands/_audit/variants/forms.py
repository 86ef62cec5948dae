"""The forms of golds that the variants tell apart."""

from __future__ import annotations

import re
from fractions import Fraction

Variant = tuple[str, str]
INTEGER = re.compile(r"-?[0-9]+")
DECIMAL = re.compile(r"-?[0-9]*\.[0-9]+")
SCIENTIFIC = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)e(-?)([0-9]+)")
FRACTION = re.compile(r"(-?)\\[dt]?frac\{([0-9]+)\}\{([0-9]+)\}")
DEGREES = re.compile(r"([0-9.]+)\^\{?\\circ\}?")
BASE = re.compile(r"([0-9]+)_\{?([0-9]+)\}?")
NAMED = re.compile(r"([A-Za-z](?:\([a-z]\))?) ?= ?([^=,]+)")

_STYLED = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox) ?\{ ?([^{}]*?)[ .]*\}\.?")
_PHRASE = re.compile(r"[A-Za-z][A-Za-z'-]+(?: [A-Za-z'-]+)*")
_PLAIN_WORD = re.compile(r"[A-Z][a-z]{2,}|[a-z]{4,}|[Yy]es|[Nn]o|[Oo]dd")
_LETTER = re.compile(r"\(?([A-Z])\)?")


def word_of(gold: str) -> str:
    r"""Return the word or words that a gold is, without ``\text{}`` or the like; empty if it is anything else.

    Without it only what is no product of letters counts: ``Rome`` and ``odd``, not ``ab``.
    """
    styled = _STYLED.fullmatch(gold)
    text = styled[1] if styled else gold
    plain = styled is not None or any(map(_PLAIN_WORD.fullmatch, text.split(" ")))
    return text if plain and _PHRASE.fullmatch(text) else ""


def letter_of(gold: str) -> str:
    r"""Return the capital letter that a gold is, as of a choice: ``B``, ``(B)``, ``\text{(B)}``; else empty."""
    styled = _STYLED.fullmatch(gold)
    letter = _LETTER.fullmatch(styled[1] if styled else gold)
    return letter[1] if letter else ""


def dressed_as(gold: str, name: str, other: str) -> str:
    """Return the gold with another word or letter in place of its own."""
    before, _, after = gold.rpartition(name)
    return before + other + after


def strip_wrapping(gold: str) -> str:
    r"""Strip ``\boxed{}`` and dollar signs from a gold."""
    gold = gold.strip()
    if gold.startswith(r"\boxed{"):
        gold = gold[7:-1]
    return re.sub(r"(?<!\\)\$", "", gold).strip()


def split_list(text: str) -> list[str]:
    """Split a list at its outer commas; a text that is no list gives one item."""
    items, depth = [""], 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        if char == "," and not depth:
            items.append("")
        else:
            items[-1] += char
    return [item.strip() for item in items]


def is_list(text: str) -> bool:
    """Return whether the text is a bare list, such as ``1, 2``, and no number with thousands separators."""
    items = split_list(text)
    grouped = re.fullmatch(r"\\?\$?[0-9]{1,3}(,[\\! ]*[0-9]{3})+", text) is not None
    return len(items) > 1 and all(items) and not grouped and not any(c in text for c in (r"\text", r"\pm"))


def is_single_expression(text: str) -> bool:
    """Return whether the text is one expression: no list, relation, interval, matrix, unit or words."""
    return not is_list(text) and not re.search(
        r"[=<>]|\\(?:in|le|ge|cup|pm|begin|text|mbox)|_[0-9]|^\\?[{(\[]|^\\left|\\?%|\\circ|,", text
    )


def decimal_text(value: Fraction) -> str:
    """Write a fraction whose decimals end as a decimal number, in full."""
    places = 0
    while (value * 10**places).denominator > 1:
        places += 1
    digits = str(abs(int(value * 10**places))).rjust(places + 1, "0")
    whole, part = digits[: len(digits) - places], digits[len(digits) - places :]
    return ("-" if value < 0 else "") + (f"{whole}.{part}" if part else whole)


def has_finite_decimals(bottom: int) -> bool:
    """Return whether fractions with this denominator have decimals that end."""
    for prime in (2, 5):
        while bottom % prime == 0:
            bottom //= prime
    return bottom == 1
