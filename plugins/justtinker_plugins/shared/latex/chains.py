r"""What stands before the last ``=`` of an answer and only says what is asked: ``\gcd(12,8) = 4``, ``m + n = 113``.

What it does not: drop a side that may be a value. Whatever our reader can work out stays in the chain and must be
equal to the gold; a list, a relation or a word is never dropped, and neither is the last side.

- ``\gcd(12,8) = 4``, ``1 + 2 + \cdots + 100 = 5050``, ``P(A \cap B) = \frac12``: our reader cannot work out the first
  side, so it is dropped unchecked. A policy gains nothing by it, because it still has to know the last side, which must
  be worked out as if it stood alone.
- ``\binom{10}{3} = 120`` is checked, and ``3! = 12`` is wrong.
- A side with a comma, a relation or a word stays, because it could hide a second answer.
- ``m + n = 113`` is right where the question asks to find m + n; otherwise ``x + y = 12`` is an unsolved equation. The
  expression must stand alone behind a word such as "find" or "value of", and in no equation of the question, which an
  answer could copy.
"""

from __future__ import annotations

import re
from functools import lru_cache

from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.parse import UnsupportedError
from justtinker_plugins.shared.latex.restated import MATHS, Read, look

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[A-Za-z]+|[(){}\[\],;:<>=]", re.DOTALL)
_OPEN, _CLOSE = frozenset(["(", "[", "{", r"\{", r"\begin"]), frozenset([")", "]", "}", r"\}", r"\end"])
_SEVERAL = frozenset(
    r", ; : < > or and \text \le \ge \neq \approx \sim \in \to \cup \equiv \pm \mp \\".split()  # noqa: SIM905
)

_OPERATION = re.compile(
    r"\\(?:sum|prod|i{0,3}nt|oint|lim|limsup|liminf|max|min|gcd|lcm|det|sup|inf)(?![A-Za-z])|\\begin *\{[vV]matrix\}"
)
_REMAINDER = re.compile(r"\\(?:bmod|mod)(?![A-Za-z])")
_SERIES = re.compile(r"(?:[-+*]|\\cdot|\\times) *\\ldots *(?:[-+*]|\\cdot|\\times)")
_DERIVATIVE = re.compile(r"\\frac *\{ *(?:d|\\partial)(?![A-Za-z]{2})[^{}]{0,9}\} *\{ *(?:d|\\partial)[^{}]{0,9}\}")
_CHANCE = re.compile(
    r"(?:[PE]|\\mathbb *\{[PE]\}|\\Pr|\\text *\{ *(?:P|E|Var|Cov|Pr) *\}) *(?:\([^()]{1,60}\)|\[[^\[\]]{1,60}\])"
)
_CALL = re.compile(r"[fghpqFGH] *(?:\^ *\{ *-1 *\} *)?\((?:[^()a-z]|\\[a-z]+){1,60}\)")
"""A function where it is asked for: ``f^{-1}(3)``. ``f(x+1) = 12`` does not say what f is, nor x."""


def sides(normal: str) -> list[str]:
    """The sides of a chain of ``=`` outside all brackets; the whole text where a bracket or a side is missing."""
    ends, depth = [-1], 0
    for match in _TOKEN.finditer(normal):
        token = match.group()
        depth += (token in _OPEN) - (token in _CLOSE)
        if depth < 0:
            return [normal]
        if token == "=" and not depth:
            ends.append(match.start())
    found = [normal[a + 1 : b].strip() for a, b in zip(ends, [*ends[1:], len(normal)], strict=True)]
    return found if not depth and all(found) else [normal]


def several(side: str) -> bool:
    """Whether a side may be more than one value: something separates or relates its parts outside of all brackets."""
    depth = 0
    for match in _TOKEN.finditer(side):
        token = match.group()
        if not depth and token in _SEVERAL:
            return True
        depth += (token in _OPEN) - (token in _CLOSE)
    return False


def claimed(parts: list[str], read: Read) -> str:
    """The sides of a chain without those before the last that only name what is asked."""
    return " = ".join([*(side for side in parts[:-1] if not _only_names(side, read)), parts[-1]])


def _only_names(side: str, read: Read) -> bool:
    """An operator that our reader does not know, or a function at a place."""
    if _CHANCE.fullmatch(side) or _CALL.fullmatch(side):
        return True
    if several(side):
        return False
    if _SERIES.search(side) or _DERIVATIVE.match(side):
        return True
    if len(parts := _REMAINDER.split(side)) > 1:
        return not any(isinstance(read(part.strip()), ValueError) for part in parts)
    return _OPERATION.search(side) is not None and isinstance(read(side), UnsupportedError)


_ASKS = re.compile(
    r"\b(?:find|what is|what's|comput\w+|evaluat\w+|determin\w+|calculat\w+|value of|enter|give)\b[^$.?!\\]{0,80}$",
    re.IGNORECASE,
)


@lru_cache(maxsize=256)
def asked(question: str) -> frozenset[str]:
    """The looks of the expressions that a question asks for, as in "Find $m+n$", and says nothing else about."""
    wanted: set[str] = set()
    told: set[str] = set()
    for match in MATHS.finditer(question):
        parts = [look(side) for side in sides(normalise(next(filter(None, match.groups())).strip(" .,;:?\n")))]
        if len(parts) > 1:
            told.update(parts)
        elif _ASKS.search(question, max(0, match.start() - 120), match.start()):
            wanted.update(part for part in parts if re.search("[A-Za-z]", part) and not several(part))
    return frozenset(wanted - told)


def unnamed(question: str, gold: str, answer: str) -> str:
    """113 of ``m + n = 113`` where the question asks for m + n; else the answer as it is."""
    parts = sides(normalise(answer))
    if len(parts) == 1 or look(parts[0]) not in asked(question) or len(sides(normalise(gold))) > 1:
        return answer
    return " = ".join(parts[1:]).replace("\x00", " ")  # how `normalise` keeps "1 2" apart from 12
