r"""Drop the sides of a chain that only name what is asked, as in ``\gcd(12,8) = 4`` and ``m + n = 113``.

A side that may be a value is never dropped. Whatever our reader can evaluate stays in the chain and must equal the
gold; lists, relations, words and the last side stay, too.

- ``\gcd(12,8) = 4``, ``1 + 2 + \cdots + 100 = 5050``, ``P(A \cap B) = \frac12``: our reader cannot evaluate the first
  side, so it is dropped unchecked. A policy gains nothing by it, because it still has to know the last side, which must
  be worked out as if it stood alone.
- ``\binom{10}{3} = 120`` is checked, and ``3! = 12`` is wrong.
- A side with a comma, a relation or a word stays, because it could hide a second answer.
- ``m + n = 113`` is right if the question asks to find m + n; otherwise it is an unsolved equation. The expression must
  stand alone after words such as "find" or "value of", and in no equation of the question, which an answer could copy.
"""

from __future__ import annotations

import re
from functools import lru_cache

from justtinker_plugins.shared.latex.normalise import as_written, normalise
from justtinker_plugins.shared.latex.restated import MATHS, ReadingsOf, without_spaces
from justtinker_plugins.shared.latex.tokens import UnsupportedError

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[A-Za-z]+|[(){}\[\],;:<>=]", re.DOTALL)
_OPEN, _CLOSE = frozenset(["(", "[", "{", r"\{", r"\begin"]), frozenset([")", "]", "}", r"\}", r"\end"])
_SEPARATES_VALUES = frozenset(
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
"""A function at a value: ``f^{-1}(3)``. Not ``f(x+1) = 12``, which says neither what f is nor what x is."""


_CONJUNCTION = re.compile(r"\\text *\{[ ,]*(?:and|or)[ ,]*\}|(?<![A-Za-z\\{])(?:and|or)(?![A-Za-z])")
_COMMA = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")


def split_list(normal: str) -> list[str]:
    """Split a list at each comma, semicolon, "and" or "or" outside brackets. ``1,234`` is taken for one number."""
    parts = split_at(",;", _COMMA.sub("\x01", _CONJUNCTION.sub(";", normal)))
    return [part.replace("\x01", ",") for part in parts] if len(parts) > 1 else [normal]


def split_sides(normal: str) -> list[str]:
    """Split a chain at each ``=`` outside brackets. If a bracket or a side is missing, the whole text is one side."""
    return [normal] if "=" not in normal else split_at("=", normal)


def split_at(signs: str, normal: str) -> list[str]:
    """Split a text at each of some signs outside brackets. If a bracket or a part is missing, all of it is one part."""
    ends, depth = [-1], 0
    for match in _TOKEN.finditer(normal):
        token = match.group()
        depth += (token in _OPEN) - (token in _CLOSE)
        if depth < 0:
            return [normal]
        if token in signs and not depth:
            ends.append(match.start())
    found = [normal[a + 1 : b].strip() for a, b in zip(ends, [*ends[1:], len(normal)], strict=True)]
    return found if not depth and all(found) else [normal]


def has_several_values(side: str) -> bool:
    """Whether a side may be several values: outside brackets, something separates or relates its parts."""
    depth = 0
    for match in _TOKEN.finditer(side):
        token = match.group()
        if not depth and token in _SEPARATES_VALUES:
            return True
        depth += (token in _OPEN) - (token in _CLOSE)
    return False


def without_naming_sides(sides: list[str], readings_of: ReadingsOf) -> str:
    """Join the sides of a chain, without those before the last that only name what is asked."""
    return " = ".join([*(side for side in sides[:-1] if not _only_names(side, readings_of)), sides[-1]])


def _only_names(side: str, readings_of: ReadingsOf) -> bool:
    """Whether a side is an operator that our reader does not know, or a function at a value."""
    if _CHANCE.fullmatch(side) or _CALL.fullmatch(side):
        return True
    if has_several_values(side):
        return False
    if _SERIES.search(side) or _DERIVATIVE.match(side):
        return True
    if len(parts := _REMAINDER.split(side)) > 1:
        return not any(isinstance(readings_of(part.strip()), ValueError) for part in parts)
    return _OPERATION.search(side) is not None and isinstance(readings_of(side), UnsupportedError)


_ASKS_FOR = re.compile(
    r"\b(?:find|what is|what's|comput\w+|evaluat\w+|determin\w+|calculat\w+|enter|give"
    r"|(?:values?|lengths?|ratios?|measures?|sizes?|areas?|minimum|maximum|sum|difference|product|quotient) of)\b"
    r"(?:(?!\b(?:of|when|if|in|from|to)\b)[^$.?!\\]){0,80}$",
    re.IGNORECASE,
)
"""What stands before an expression that is asked for; not "find the square of" or "the remainder when"."""
_ASKS_ON = re.compile(r"[\s,]*(?:and|or)?(?: the (?:value|ratio|length)s? of)?\s*")
_BLANK = re.compile(r"= *(?:\\underline *\{(?:[^{}]|\{[^{}]*\})*\}|(?:\\?_)+|\?)?$")
"""A name to complete: ``\\tan A =`` before a blank."""


@lru_cache(maxsize=256)
def asked_expressions(question: str) -> frozenset[str]:
    """The names that a question asks for and says nothing else about: m + n of "Find $m+n$", A of "$A =$ ____"."""
    asked: set[str] = set()
    related: set[str] = set()
    end_of_asked = -1
    for match in MATHS.finditer(question):
        snippet = next(filter(None, match.groups())).strip(" .,;:?\n")
        name = _BLANK.sub("", snippet)
        sides = [without_spaces(side) for side in split_sides(normalise(name))]
        asks = name != snippet or _ASKS_FOR.search(question, max(0, match.start() - 120), match.start())
        if len(sides) > 1:
            related.update(map(name_key, sides))
        elif asks or (end_of_asked >= 0 and _ASKS_ON.fullmatch(question, end_of_asked, match.start())):
            end_of_asked = match.end()
            ratio = sides[0].replace(":", "")
            asked.update(name_key(s) for s in sides if re.search("[A-Za-z]", s) and not has_several_values(ratio))
    return frozenset(asked - related)


_SEGMENT = re.compile(r"\|([A-Z]{2})\||\\overline\{([A-Z]{2})\}")


def name_key(name: str) -> str:
    r"""A name in one spelling: ``|AB|``, ``\overline{AB}`` and AB are the length of one segment."""
    found = _SEGMENT.fullmatch(without_spaces(name))
    return found[1] or found[2] if found else without_spaces(name)


def without_asked_name(question: str, gold: str, answer: str) -> str:
    """Reduce ``m + n = 113`` to 113 if the question asks for m + n, also in a list; else return the answer as it is.

    A question that asks for the gold itself asks for one of several names.
    """
    if "=" not in normalise(answer):
        return answer
    asked, gold = asked_expressions(question), normalise(gold)
    if not asked or name_key(gold) in asked or len(split_sides(gold)) > 1:
        return answer
    items = [split_sides(item) for item in split_at(",", normalise(answer))]
    values = [item[1:] if len(item) > 1 and name_key(item[0]) in asked else item for item in items]
    return as_written(", ".join(" = ".join(sides) for sides in values)) if values != items else answer


def with_golds_name(question: str, gold: str, answer: str) -> str:
    """Write 113 as ``m + n = 113`` if the gold does and the question asks for m + n; the other way round."""
    normal = normalise(gold)
    name, *values = split_sides(normal)
    if not values or len(split_list(normal)) > 1 or "=" in answer or name_key(name) not in asked_expressions(question):
        return answer
    return as_written(f"{name} = {answer}")
