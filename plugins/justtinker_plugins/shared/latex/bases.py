r"""The number base that a question asks for: "Write eleven in base two" is answered by ``1011`` and by ``1011_2``.

A subscript that says another base is another number. A question asks for a base behind "to base", or behind a verb such
as "write" or "find" if it names no other base; not where it counts ("find the number of digits in base two"). If none
is certain, a base has to be written as in the gold.
"""

from __future__ import annotations

import re
from functools import lru_cache

from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.numbers import base_in_digits

_NAMES = {"binary": "2", "ternary": "3", "octal": "8", "hexadecimal": "16", "decimal": "10"}
_NAME = r"base[- ]*\$?\{?([a-z]+|[0-9]{1,2})\b"
_VERB = r"\b(?:express|giv|write|leav|stat|answer|enter|convert|compute|calculate|evaluate|find|what is|what's)"
_SYSTEM = r"\b(?:in|to|into|as an?) (binary|ternary|octal|hexadecimal|decimal)\b"
_NAMED = re.compile(rf"\b{_NAME}|{_SYSTEM}", re.IGNORECASE)
_TARGET = re.compile(rf"\b(?:to|into) +{_NAME}", re.IGNORECASE)
_ASKED = re.compile(
    rf"{_VERB}[a-z]*\b(?:(?!number of|how many|digit)[^.?!]){{0,80}}?\bin +{_NAME}|{_SYSTEM}", re.IGNORECASE
)
_WRITTEN = re.compile(r"(-?[0-9A-Za-z]+) *_ *\{? *\(?(?:\\text *\{)? *([a-z]+|[0-9]{1,2}) *\}?\)?\}?")
_DIGITS = re.compile(r"-?[0-9]+")


@lru_cache(maxsize=256)
def asked_base(question: str) -> str:
    """The base in digits that a question asks for; "" if none is certain."""
    named = _found(_NAMED, question)
    asked = _found(_TARGET, question) or (_found(_ASKED, question) if len(named) == 1 else set())
    return asked.pop() if len(asked) == 1 else ""


def _found(pattern: re.Pattern[str], question: str) -> set[str]:
    names = ("".join(groups) if isinstance(groups, tuple) else groups for groups in pattern.findall(question))
    return {base for name in names if (base := _digits(name)).isdigit()}


def _digits(name: str) -> str:
    return _NAMES.get(name.lower(), base_in_digits(name.lower()))


def _split(text: str) -> tuple[str, str]:
    """The digits of a number and its base in digits, "" if it has none; two empty texts if it is no such number."""
    normal = normalise(text)
    if found := _WRITTEN.fullmatch(normal):
        return found[1], _digits(found[2])
    return (normal, "") if _DIGITS.fullmatch(normal) else ("", "")


def _are_digits(text: str, base: str) -> bool:
    return all(int(digit, 36) < int(base) for digit in text.lstrip("-"))


def with_asked_base(question: str, gold: str, answer: str) -> str:
    """Write an answer with a base as the gold does, if the base is the one that the question asks for."""
    (wanted, base), (digits, given) = _split(gold), _split(answer)
    asked = asked_base(question) if wanted and digits and base != given else ""
    if asked and not base and given == asked and _are_digits(digits, asked):
        return digits
    return f"{digits}_{{{base}}}" if asked and base == asked and not given else answer


def other_base(question: str, gold: str, answer: str) -> str:
    """Why an answer is in another base than the question asks for, "" if it is not."""
    (_, base), (_, given) = _split(gold), _split(answer)
    asked = asked_base(question) if given and not base else ""
    return f"the answer is in base {given}, where base {asked} is asked" if asked and asked != given else ""
