r"""Numbers in English words: "forty-two", "two thirds"; and words that multiply the number before them: "million".

"12 million" is a product, so whoever writes it for a gold of 12 is wrong. Words in another order, and numbers side by
side as in "four two", are no number.
"""

from __future__ import annotations

import re

from justtinker_plugins.shared.latex.units import LETTERS

_BELOW_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL = {word: n for n, word in enumerate(_BELOW_TWENTY.split())}
_SMALL |= {word: 10 * n for n, word in enumerate(_TENS.split(), 2)}
_POWERS = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_PARTS = "half third quarter fourth fifth sixth seventh eighth ninth tenth eleventh twelfth hundredth thousandth halve"
_DENOMINATORS = dict(zip(_PARTS.split(), (2, 3, 4, 4, *range(5, 13), 100, 1000, 2), strict=True))

SMALL_NUMBERS = frozenset(_SMALL)
NUMBER_WORDS = SMALL_NUMBERS | frozenset([*_POWERS, *_DENOMINATORS, "hundred", "dozen"])
"""The words that numbers are made of."""
FACTORS = {name: f"10^{{{power}}}" for word, power in {**_POWERS, "hundred": 2}.items() for name in (word, word + "s")}
FACTORS |= dict.fromkeys(("dozen", "dozens", "docena", "docenas"), "12") | {"mil": "10^{3}"}
FACTORS |= dict.fromkeys(("mill\u00f3n", "millones"), "10^{6}")
_CHINESE = {"\u767e": "10^{2}", "\u5343": "10^{3}", "\u4e07": "10^{4}", "\u4ebf": "10^{8}"}
FACTOR = re.compile(
    rf"(?<=[0-9}}]) *(\\text *\{{ *)?(?:({'|'.join(FACTORS)})(?![{LETTERS}])|([{''.join(_CHINESE)}])(?![\u514b\u7c73]))"
)
"""A word that multiplies the number before it: "million", "dozen", and their like. Not the thousand of 千克."""


def factor_of(match: re.Match[str]) -> str:
    """The product in LaTeX for a match of `FACTOR`; what else stands in the same ``\\text`` stays."""
    return rf"\cdot {FACTORS.get(match[2]) or _CHINESE[match[3]]}{match[1] or ' '}"


_IN_WORDS = re.compile(r"(?:\\text *\{ *)?([A-Za-z]+(?:[ -]+[A-Za-z]+){0,15})\.? *\}?")


def in_digits(text: str) -> str:
    """Write a number in words, perhaps in ``\\text``, in digits; return any other text as it is."""
    words = _IN_WORDS.fullmatch(text)
    return (words and (digits_of(re.split("[ -]+", words[1].lower())))) or text


def digits_of(words: list[str]) -> str:
    """A number in words as LaTeX: a whole number or a simple fraction; "" if the words are none."""
    if words[:1] in (["minus"], ["negative"]):
        return "-" + digits if (digits := digits_of(words[1:])) and digits[0] != "-" else ""
    if words[:1] in (["a"], ["an"]) and len(words) > 1:
        words = ["one", *words[1:]]
    if words == ["one", "dozen"]:
        return "12"
    bottom = _DENOMINATORS.get(words[-1].removesuffix("s")) if words else None
    value = _whole_number(words[:-1] if bottom else words)
    if value is None or (bottom and (value == 1) == words[-1].endswith("s")):
        return ""
    return rf"\frac{{{value}}}{{{bottom}}}" if bottom else str(value)


def _whole_number(words: list[str]) -> int | None:
    """Read "two thousand three hundred and five". Each part must fit into the room that the part before leaves."""
    if words == ["zero"]:
        return 0
    total, group, room, power = 0, 0, 1000, 15
    for i, word in enumerate(words):
        value = _SMALL.get(word, 0)
        if 0 < value < room:
            group, room = group + value, 10 if value >= 20 else 1
        elif word == "hundred" and 0 < group < 10:
            group, room = 100 * group, 100
        elif 0 < _POWERS.get(word, 0) < power and group:
            power = _POWERS[word]
            total, group, room = total + group * 10**power, 0, 1000
        elif word != "and" or room < 100 or not i or i == len(words) - 1:
            return None
    return total + group if words else None
