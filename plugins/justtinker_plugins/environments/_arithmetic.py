"""Exact arithmetic on a text that a policy wrote: parsed and computed token by token, never run.

Python's own `ast` could parse it too, but until Python 3.12.1 all threads share its count of depth, so it sometimes
fails with SystemError (CPython issue 106905); verifiers run in several threads.

It reads whole and decimal numbers (``1,000`` and ``.5`` too), ``+ - * /`` in typographic and LaTeX signs too, a leading
minus, and brackets. It knows no powers, names or functions, and no sign may be left out: ``3(4)`` is refused. So no
result has more digits than the text, which has at most `MOST_CHARS` characters.

>>> from justtinker_plugins.environments._arithmetic import compute
>>> compute("0.5*8")
Computed(value=Fraction(4, 1), numbers=[Fraction(1, 2), Fraction(8, 1)], operations='*', negated=False)
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

MOST_CHARS = 200

_NOT_WHOLE = "not a whole expression"

_REPLACEMENTS = (  # in this order
    (re.compile(r"[\u00d7\u00b7\u22c5\u2217]|\\(?:times|cdot|ast)(?![a-zA-Z])|\\\*"), "*"),
    (re.compile(r"[\u00f7\u2215\u2044]|\\div(?![a-zA-Z])"), "/"),
    (re.compile(r"[\u2212\u2010\u2011\u2013\uff0d]"), "-"),
    (re.compile(r"\\(?:left|right|[bB]igg?[lmr]?|q?quad|(?:text|display)style)(?![a-zA-Z])|\\[,;:!> ()[\]]"), " "),
    (re.compile(r"[$~\u00a0\u2009\u202f]"), " "),
    (re.compile(r"\{,\}"), ","),
)
_THOUSANDS = re.compile(r"(?<![0-9.,])[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9,])")
_PART = r"\s*(?:\{([^{}]*)\}|([0-9]))"
_FRACTION = re.compile(rf"\\[cdt]?frac{_PART}{_PART}")
_BRACKETS = str.maketrans("[]{}", "()()")
_TOKEN = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|\.[0-9]+|[-+*/()]")
_LOOSE = {"+": operator.add, "-": operator.sub}
_TIGHT = {"*": operator.mul, "/": operator.truediv}


@dataclass
class Computed:
    """A value, and the numbers and operations it was computed from, in the order of the text."""

    value: Fraction = Fraction(0)
    numbers: list[Fraction] = field(default_factory=list)
    operations: str = ""
    """One sign each."""
    negated: bool = False
    """Whether there is a leading minus, which is no operation on two numbers."""


def compute(text: str) -> Computed:
    """Compute an expression. ValueError says in a few words why it has no value, and quotes nothing of the text."""
    if len(text) > MOST_CHARS:
        raise ValueError(f"longer than {MOST_CHARS} characters")
    for pattern, replacement in _REPLACEMENTS:
        text = pattern.sub(replacement, text)
    text = _THOUSANDS.sub(lambda number: number[0].replace(",", ""), text)
    while (simpler := _FRACTION.sub(r"((\1\2)/(\3\4))", text)) != text:
        text = simpler
    text = text.translate(_BRACKETS).strip().removesuffix(".")
    if _TOKEN.sub("", text).strip(" "):
        raise ValueError("not an expression of numbers, + - * / and parentheses")
    parser = _Parser(text)
    try:
        parser.found.value = parser.expression()
    except RecursionError:
        raise ValueError(_NOT_WHOLE) from None
    except ZeroDivisionError:
        raise ValueError("division by zero") from None
    return parser.found


class _Parser:
    """Parses tokens from the left; each method takes its own tokens and leaves the rest."""

    def __init__(self, text: str) -> None:
        self.tokens = ["", *reversed(_TOKEN.findall(text))]
        self.found = Computed()

    def expression(self) -> Fraction:
        value = self.terms()
        self.take("")
        return value

    def take(self, token: str) -> None:
        if self.tokens.pop() != token:
            raise ValueError(_NOT_WHOLE)

    def terms(self) -> Fraction:
        return self.chain(_LOOSE, self.factors)

    def factors(self) -> Fraction:
        return self.chain(_TIGHT, self.signed)

    def chain(
        self, signs: Mapping[str, Callable[[Fraction, Fraction], Fraction]], operand: Callable[[], Fraction]
    ) -> Fraction:
        value = operand()
        while apply := signs.get(self.tokens[-1]):
            self.found.operations += self.tokens.pop()
            value = apply(value, operand())
        return value

    def signed(self) -> Fraction:
        token = self.tokens.pop()
        if token == "-":
            self.found.negated = True
            return -self.signed()
        if token == "(":
            value = self.terms()
            self.take(")")
            return value
        if not token[-1:].isdigit():
            raise ValueError(_NOT_WHOLE)
        self.found.numbers.append(Fraction(token))
        return self.found.numbers[-1]
