r"""The tokenizer of `parse`: numbers, letters, commands, words and signs of a normalised LaTeX answer.

It knows which words are functions, Greek letters or units, and nothing of grammar. It caps the number of tokens and
the digits of each number, so that no text can make the reader slow.
"""

from __future__ import annotations

import re
from fractions import Fraction
from string import ascii_letters
from typing import NamedTuple

from justtinker_plugins.shared.latex.units import CJK, RAW_UNITS

MAX_TOKENS, MAX_DIGITS, MAX_EXPONENT = 1500, 2000, 5000


class MalformedError(ValueError):
    """The text is not an answer in any reading."""


class UnsupportedError(ValueError):
    """The text looks well-formed, but uses a command that this reader does not know."""


class TooLargeError(ValueError):
    """The text is longer, deeper or bigger than the caps allow."""


class Token(NamedTuple):
    kind: str
    value: str
    upright: bool = False
    """A letter in ``\\mathrm``, which may be a unit after a number."""


END = Token("end", "")

FUNCTIONS = frozenset(
    "sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan ln log exp lg abs floor ceil".split()  # noqa: SIM905
)
LETTERS = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi "  # noqa: SIM905
    "omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega hbar ell pi infty R N Z Q C odot nabla "
    "partial aleph".split()
)
_SYNONYMS = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "arctg": "arctan", "tg": "tan", "ctg": "cot",
    "infinity": "infty", "inf": "infty",
}  # fmt: skip
NAMES = frozenset(
    "pi infty infinity inf alpha beta gamma delta epsilon zeta theta iota kappa lambda rho sigma tau upsilon "  # noqa: SIM905
    "phi chi psi omega".split()
)
"""Words that name a symbol also without a backslash. ``mu``, ``nu`` and ``xi`` are products of letters."""
SPOKEN = FUNCTIONS | NAMES | (_SYNONYMS.keys() - {"tg", "ctg"}) | {"sqrt"}
"""Words that are read as commands also without a backslash."""
_THOUSANDS = r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[1-9][0-9]{0,2}(?:\x00[0-9]{3})+(?![0-9\x00])|"
_OPERATORS = "-+*/^_=<>(){}[],;:!|&'"
_REST = (
    r"[0-9]+\.?[0-9]*(?:e[+-]?[0-9]+)?|\.[0-9]+(?:e[+-]?[0-9]+)?)"
    rf"|(?P<op>[{re.escape(_OPERATORS)}])|(?P<gap>[ \x00]+)"
    r"|(?P<text>\\text *\{[^{}]*\})|(?P<roman>\\mathrm\{[A-Za-z]\})"
    rf"|(?P<unit>{RAW_UNITS}|(?<=[0-9)}} ])[{CJK}]+)"
    r"|(?P<word>(?<![A-Za-z\\])(?:or|and|to|" + "|".join(sorted(SPOKEN, key=len, reverse=True)) + r")(?![A-Za-z]))"
    r"|(?P<env>\\(?:begin|end) *\{[A-Za-z]+\*?\})"
    r"|(?P<cmd>\\[A-Za-z]+|\\.)|(?P<sym>[A-Za-z])|(?P<percent>%)|(?P<bad>.)"
)
_TOKEN = {
    True: re.compile("(?P<num>" + _THOUSANDS + _REST, re.DOTALL),
    False: re.compile("(?P<num>" + _REST, re.DOTALL),
}


_SINGLE = {c: Token("op", c) for c in _OPERATORS} | {c: Token("sym", c) for c in ascii_letters}


def tokenise(text: str, *, thousands: bool = False, units: bool = True) -> list[Token]:
    """Split a normalised text into tokens. `thousands` reads ``1,234`` as one number instead of two.

    With `units`, ``\\mathrm{m}`` after a number may be a unit; without, it is a symbol like any other.
    """
    tokens: list[Token] = []
    for match in _TOKEN[thousands].finditer(text):
        kind, value = match.lastgroup or "", match.group()
        if kind == "gap":
            continue
        if kind == "bad":
            raise MalformedError(f"{value!r} is not mathematics")
        if kind in ("op", "sym"):
            tokens.append(_SINGLE[value])
        else:
            tokens.append(Token("sym", value[-2], units) if kind == "roman" else _token(kind, value))
        if len(tokens) > MAX_TOKENS:
            raise TooLargeError(f"more than {MAX_TOKENS} symbols")
    return tokens


_NUMBER_AS_TEXT = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def _token(kind: str, value: str) -> Token:
    if kind == "num":
        return Token(kind, value.replace(",", "").replace("\x00", ""))
    if kind == "text":
        words = " ".join(value[value.index("{") + 1 : -1].split())
        if words == "to":  # 3 to 2 is 3:2
            return Token("op", ":")
        if words in NAMES or words.lower() == "infinity":
            return _command(words.lower())
        return Token("num", words) if _NUMBER_AS_TEXT.fullmatch(words) else Token(kind, words)
    if kind == "word":
        return (
            Token("op", ":") if value == "to" else Token("text", value) if value in ("or", "and") else _command(value)
        )
    if kind == "unit":
        return Token("text", value)
    if kind == "env":
        return Token(value[1 : value.index("{")].strip(), value[value.index("{") + 1 : -1])
    if kind == "cmd" and value != r"\inf":  # the infimum
        return _command(value[1:])
    return Token("cmd", r"\%") if kind == "percent" else Token(kind, value)


def _command(name: str) -> Token:
    return Token("cmd", "\\" + _SYNONYMS.get(name, name))


def decimal_literal(raw: str) -> Fraction:
    """The exact value of ``12.5e-3``. The caps are checked before Python reads the digits."""
    if raw.isdigit() and len(raw) <= MAX_DIGITS:
        return Fraction(int(raw))
    mantissa, _, exponent = raw.partition("e")
    if len(mantissa) > MAX_DIGITS or len(exponent) > 5 or abs(int(exponent or 0)) > MAX_EXPONENT:
        raise TooLargeError(f"a number of more than {MAX_DIGITS} digits")
    whole, _, places = mantissa.partition(".")
    scale = int(exponent or 0) - len(places)
    digits = int(whole + places)
    return Fraction(digits * 10**scale) if scale >= 0 else Fraction(digits, 10**-scale)


def repeating_decimal(raw: str, period: str) -> Fraction:
    r"""The exact value of ``0.1\overline{6}``, given ``0.1`` and ``6``."""
    if not (period.isascii() and period.isdigit()) or len(period) > MAX_DIGITS or "e" in raw:
        raise MalformedError("a repeating decimal needs digits under the bar")
    places = len(raw.partition(".")[2])
    return decimal_literal(raw) + Fraction(int(period), (10 ** len(period) - 1) * 10**places)


def continued_decimal(raw: str) -> Fraction | None:
    r"""The exact value of ``0.1666\ldots``: its last digits, repeated at least once, go on. None if none are repeated.

    Of several readings, the one with the fewest digits before the period is meant: ``0.011011\ldots`` is 11/999.
    """
    places = raw.partition(".")[2]
    if "e" in raw or len(places) > 100:
        return None
    longest, period = 0, 0
    for size in range(1, len(places) // 2 + 1):
        reach = size
        while reach < len(places) and places[-reach - 1] == places[size - reach - 1]:
            reach += 1
        if reach >= 2 * size and reach > longest:
            longest, period = reach, size
    start = len(raw) - longest
    return repeating_decimal("0" + raw[:start], raw[start : start + period]) if period else None


class TokenStream:
    """The tokens of one answer, read from left to right. Past the last one, `peek` and `next` return END."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens, self.at = [*tokens, END], 0

    @property
    def peek(self) -> Token:
        return self.tokens[self.at]

    def next(self) -> Token:
        token = self.tokens[self.at]
        self.at += token is not END
        return token

    def take(self, *values: str) -> bool:
        """Step over the next token if it is one of these signs or commands; return whether it was."""
        token = self.tokens[self.at]
        if token.value in values and token.kind in ("op", "cmd"):
            self.at += 1
            return True
        return False

    def expect(self, value: str) -> None:
        if not self.take(value):
            raise MalformedError(f"{value!r} is missing")

    def raw_argument(self) -> str:
        """Read ``{...}`` or the next token as text: a name or a subscript."""
        if not self.take("{"):
            if self.peek is END:
                raise MalformedError("something is missing at the end")
            return joined([self.next()])
        start, depth = self.at, 1
        while depth:
            token = self.next()
            if token is END:
                raise MalformedError("'}' is missing")
            depth += (token == Token("op", "{")) - (token == Token("op", "}"))
        return joined(self.tokens[start : self.at - 1])


def joined(tokens: list[Token]) -> str:
    return "".join(token.value for token in tokens).strip()
