r"""The parts of a response: its thinking, its answer, its last ``\boxed{…}``. All plugins read a response this way.

Nothing here judges: what the parts are worth is up to verifiers and rewards.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from justtinker_core import Rollout

OPEN, CLOSE = "<think>", "</think>"

# What a reader does not see: control characters, Unicode's "default ignorable" ones (joiners, direction marks, Hangul
# fillers, variation selectors, tags), blank Braille, a note without a head. str.isalnum() counts fillers as letters.
_BLANK = (
    r"\s\x00-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e0fff"
)
_STYLES = (
    "text(?:bf|it|md|normal|rm|sc|sf|sl|tt|up)?|math(?:bb|bf|cal|frak|it|normal|rm|scr|sf|tt)|mbox|hbox|fbox|boxed|emph|"
    "operatorname|displaystyle|textstyle|bf|it|rm|tiny|small|large|Large|LARGE|huge|Huge"
)
_SPACINGS = r"q?quad|(?:en|thin|med|thick|neg(?:thin|med|thick))space|hfill|hfil|strut|null|relax|(?:left|right)\s*\."
_SHOWS_NOTHING = re.compile(
    rf"(\\[{{}}])|[{_BLANK}~${{}}]+|\\(?:[,;:!>\s\\]|\Z|(?:{_SPACINGS})(?![a-zA-Z])|(?:{_STYLES})(?![a-zA-Z])"
    r"|(?:[hv]?phantom|[hv]space\*?)\s*\{[^{}]*\})"
)
_SIGNS = ("Sm", "So")  # mathematical signs and pictures, but not currency signs and loose accents
_BLANK_LETTERS = "\u115f\u1160\u3164\uffa0"

_BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![a-zA-Z])")
_BOX_TOKEN = re.compile(
    r"\\(?:(?:boxed|fbox)\s*|framebox\s*(?:\[[^\[\]{}]{0,20}\]\s*){0,2})(?P<brace>\{)|\\.|[{}]", re.DOTALL
)

_PIECE = r"[^{}\\]|\\."
_ONLY_BOX = re.compile(
    rf"\\boxed\s*\{{((?:{_PIECE}|\{{(?:{_PIECE}|\{{(?:{_PIECE})*+\}})*+\}})*+)\}}(?!.*\\(?:boxed|fbox|framebox))",
    re.DOTALL,
)
"""A box in whose text, and after which, there is no other."""


def thinking_part(text: str) -> str | None:
    """The text between a ``<think>`` at the very start and the first ``</think>``; None if one of them is missing."""
    text = text.lstrip()
    if not text.startswith(OPEN):
        return None
    thinking, closed, _ = text[len(OPEN) :].partition(CLOSE)
    return thinking if closed else None


def answer_part(text: str) -> str | None:
    """The text after the last ``</think>``; the whole text if it has no tags; None if a ``<think>`` stays open."""
    _, _, answer = text.rpartition(CLOSE)
    return None if OPEN in answer else answer


def in_channels(text: str) -> str:
    """A response with tags in the channels of gpt-oss (OpenAI's harmony format), as `Rollout.response` reads them back.

    >>> in_channels("<think>1+1</think>2")
    '<|channel|>analysis<|message|>1+1<|end|><|start|>assistant<|channel|>final<|message|>2'
    """
    thinking, answer = thinking_part(text), answer_part(text) or ""
    final = f"<|channel|>final<|message|>{answer.strip()}"
    if thinking is None:
        return final
    return f"<|channel|>analysis<|message|>{thinking.strip()}<|end|><|start|>assistant{final}"


def visible(text: str) -> str:
    r"""Roughly what a reader sees of a text: without blanks, TeX's spaces, styles and braces.

    Empty for ``\text{\,}``, ``{}``, ``\quad`` and zero-width characters; not for ``\{\}``, which is the empty set.
    """
    return _SHOWS_NOTHING.sub(r"\1", text)


def says_something(text: str) -> bool:
    """Whether a reader sees a letter, a digit, a sign such as infinity, or an empty set in a text."""
    seen = visible(text)
    return "\\{" in seen or any(c.isalnum() or (unicodedata.category(c) in _SIGNS and c != "|") for c in seen)


def letters_and_digits(text: str) -> Iterator[str]:
    """Iterate over the letters and digits of a text that a reader can see."""
    return (c for c in text if c.isalnum() and c not in _BLANK_LETTERS)


def thinks(rollout: Rollout) -> bool:
    """Whether a response has a whole thinking block of its own, and the prompt did not close it."""
    return CLOSE not in rollout.opened and thinking_part(rollout.response) is not None


class Box(NamedTuple):
    """The last box of a text."""

    content: str | None
    """None: the last box is never closed."""
    start: int
    """The position of its ``\\boxed``."""
    end: int
    """The position after its closing brace; of the end of the text if the box is never closed."""
    opened: int
    """The number of boxes opened in the text."""


def last_boxed(text: str) -> Box | None:
    r"""The last ``\boxed{…}`` that is not inside another one; None if there is none. One pass, any nesting.

    ``\fbox{…}`` and ``\framebox{…}`` are boxes, too. If the last box is never closed, its content is None; no earlier
    box is used in its place.
    """
    boxes = all_boxed(text)
    return boxes[-1] if boxes else None


def all_boxed(text: str) -> list[Box]:
    r"""All boxes that are not inside another one, in order. A box that is never closed is the last, without content."""
    first = _BOX.search(text)
    if first is None:
        return []
    begin = first.start()
    if (only := _ONLY_BOX.match(text, begin)) and "box" not in only[1] and text[begin - 1 : begin] != "\\":
        return [Box(only[1], begin, only.end(), 1)]  # as in most texts
    while begin and text[begin - 1] == "\\":  # backslashes pair up from the first of a run
        begin -= 1
    open_braces: list[tuple[int, int]] = []  # (start of \boxed or -1, start of content)
    closed: list[tuple[int, int, int, int]] = []  # (start, content start, content end, boxes opened so far)
    opened, last = 0, -1
    for match in _BOX_TOKEN.finditer(text, begin):  # braces opened before any box do not matter
        if match["brace"]:
            opened, last = opened + 1, match.start()
            open_braces.append((last, match.end()))
        elif match.group() == "{":
            open_braces.append((-1, match.end()))
        elif match.group() == "}" and open_braces:
            start, content = open_braces.pop()
            if start >= 0:
                while closed and closed[-1][0] > start:  # a box inside this one
                    closed.pop()
                closed.append((start, content, match.start(), opened))
    found = [Box(text[content:end], start, end + 1, count) for start, content, end, count in closed]
    unclosed = any(start == last >= 0 for start, _ in open_braces)
    return [*found, Box(None, last, len(text), opened)] if unclosed else found
