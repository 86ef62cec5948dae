r"""What an answer says of its letters after the value: ``c \in \mathbb{R}``, ``for all real x``, ``n an integer``.

Such words at the end are split from the claim: ``n\pi, n \in \mathbb{Z}`` claims ``n\pi`` for whole n. They are not
compared if gold and answer say the same of each letter, or if one of them says what the other takes for granted: that
n is whole, that c is a constant, that a function is given for all its arguments. Everything else, such as ``c > 0``, is
part of the claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice

from justtinker_plugins.shared.latex.renamed import bare, calls, letters

_KINDS = {
    r"\R": "real", r"\Z": "integer", r"\N": "natural", r"\Q": "rational", r"\C": "complex", "natural": "natural",
    "integer": "integer", "integers": "integer", "whole": "integer", "real": "real", "reals": "real",
    "rational": "rational", "complex": "complex",
}  # fmt: skip
_ANY = frozenset("any all every each arbitrary const constant constants parameter parameters".split())  # noqa: SIM905
_FILLERS = frozenset("where with for is are be being a an the and some fixed as here number numbers".split())  # noqa: SIM905
_SIGNS = frozenset([",", ";", "(", ")", ".", r"\in"])
_AFTER_LETTER = _SIGNS | {"", "is", "are", "and"}
"""What follows the letter a, but not the article."""
_LETTER = re.compile(r"[A-Za-z](?:_(?:[A-Za-z0-9]|\{[A-Za-z0-9]{1,3}\}))?|\\(?:alpha|beta|gamma|lambda|mu|theta)")
_PIECE = re.compile(r"\\(?:text|style) *\{([^{}]*)\}|(\\[A-Za-z]+|[A-Za-z](?:_(?:[A-Za-z0-9]|\{[^{}]*\}))?|[^ ])")
_WORD = re.compile(r"[A-Za-z](?:_(?:[A-Za-z0-9]|\{[^{}]*\}))?(?![A-Za-z])|[A-Za-z]+|[^ ]")
_START = re.compile(r"\\text *\{ *[,;(]? *[a-z]|\\forall(?![A-Za-z])|[,;(]")
_POSITIVE = re.compile(r"\\Z *\^ *(?:\+|\{ *\+ *\})")
MOST_STARTS, LONGEST = 12, 120

Kinds = Mapping[str, str]
"""What is said of each letter: ``{"n": "integer"}``. ``any`` is a constant, or an argument of any kind."""


@lru_cache(maxsize=4096)
def split_qualifier(normal: str) -> tuple[str, Kinds]:
    """Split a normalised text into its claim and what it says of its letters; without such words, ``{}``."""
    starts = (match.start() for match in _START.finditer(normal, max(0, len(normal) - LONGEST)))
    for start in islice(starts, MOST_STARTS):
        claim = normal[:start].rstrip(" ,;")
        if claim and (kinds := _kinds(list(_words(normal[start:])))):
            return claim, kinds
    return normal, {}


def _words(tail: str) -> Iterator[tuple[str, bool]]:
    """Each word, letter and sign, and whether it stands in ``\\text``."""
    for piece in _PIECE.finditer(_POSITIVE.sub(r"\\N ", tail)):
        if piece[1] is None:
            yield piece[2], False
        else:
            yield from ((word, True) for word in _WORD.findall(piece[1]))


def _kinds(words: list[tuple[str, bool]]) -> Kinds:
    """Read the words of a qualifier; empty unless they are one, from the first to the last."""
    named: list[str] = []
    kinds = set[str]()
    positive = quantified = False
    for (word, in_text), (following, _) in zip(words, [*words[1:], ("", False)], strict=True):
        if word in _KINDS:
            kinds.add(_KINDS[word])
        elif word == "positive":
            positive = True
        elif word in _ANY or word == r"\forall":
            quantified = True
        elif _LETTER.fullmatch(word) and not (in_text and word == "a" and following not in _AFTER_LETTER):
            named.append(bare(word))
        elif word not in _FILLERS and word not in _SIGNS:
            return {}
    kind = kinds.pop() if len(kinds) == 1 else "any" if quantified and not kinds else ""
    if positive:
        kind = "natural" if kind == "integer" else ""
    return dict.fromkeys(named, kind) if kind else {}


_WHOLE = frozenset("ijklmnpqrst")
"""Letters that are taken to be whole numbers if nothing else is said."""
_CONSTANTS = frozenset("abcdABCD")
_FREE = frozenset(["any", "real"])


def drop_qualifiers(gold: str, answer: str) -> tuple[str, str]:
    """The claims of a gold and an answer, both normalised, if they mean their letters alike; else both as they are."""
    (wanted, of_gold), (claim, of_answer) = split_qualifier(gold), split_qualifier(answer)
    if not (of_gold or of_answer) or not (set(of_gold) <= letters(wanted) and set(of_answer) <= letters(claim)):
        return gold, answer
    arguments = {letter for inside in calls(wanted) + calls(claim) for letter in inside[1]}
    for letter in set(of_gold) | set(of_answer):
        one, other = of_gold.get(letter), of_answer.get(letter)
        if not _mean_the_same(letter, one, other, is_function=bool(arguments), is_argument=letter in arguments):
            return gold, answer
    return wanted, claim


def _mean_the_same(letter: str, gold: str | None, answer: str | None, *, is_function: bool, is_argument: bool) -> bool:
    if gold and answer:
        return gold == answer or {gold, answer} <= _FREE
    said = gold or answer
    if is_argument:
        return True
    if said in _FREE:
        return is_function or letter[0] not in _WHOLE
    if gold is None:
        return said in ("integer", "natural") and not is_function and letter[0] not in _CONSTANTS
    return said == "integer" and letter[0] in _WHOLE
