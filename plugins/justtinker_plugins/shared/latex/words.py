r"""Words that have a meaning in mathematics: "no solution" is the empty set, "DNE" is "does not exist".

Only a whole answer is read so. ``\infty``, ``\theta`` and the like as words are left to `tokens`, which reads them
anywhere. "undefined" is not "does not exist", and "no real solution" is not "no solution".
"""

from __future__ import annotations

import re

from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.sets import REALS

_TEXT = re.compile(r"\\(?:text|mathrm|style) *\{([^{}]*)\}")
_EMPTY: Node = ("set", ())
_INFINITY: Node = ("sym", r"\infty")
_MEANINGS: dict[str, Node] = {
    **dict.fromkeys(("no solution", "no solutions", "empty set", "none"), _EMPTY),
    **dict.fromkeys(("real numbers", "reals", "real number"), REALS),
    **dict.fromkeys(("integers", "integer"), ("sym", r"\Z")),
    **dict.fromkeys(("infinity", "positive infinity", "plus infinity"), _INFINITY),
    **dict.fromkeys(("negative infinity", "minus infinity"), ("neg", _INFINITY)),
    **dict.fromkeys(("does not exist", "dne", "doesn't exist", "limit does not exist"), ("text", "does not exist")),
}
_QUANTIFIER = re.compile(
    r"^(?:(?:all|every|any|there is|there are|it)(?: the)?|the(?: set of)?(?: all)?|set of(?: all)?) "
)


def bare_words(words: str) -> str:
    """Words in lower case, single-spaced, without punctuation around them."""
    return " ".join(words.split()).strip(" .,;:!'\"").casefold()


def without_text_commands(normal: str) -> str:
    """Remove text commands, and braces around the whole."""
    text = _TEXT.sub(r"\1", normal).strip()
    return text[1:-1].strip() if re.fullmatch(r"\{[^{}]*\}", text) else text


def meaning(normal: str) -> Node | None:
    """What a normalised text means that is all words; None if it has no meaning of its own."""
    words = bare_words(without_text_commands(normal))
    return _MEANINGS.get(_QUANTIFIER.sub("", words, count=1))
