r"""The parts of a response: its thinking, its answer, its last ``\boxed{…}``. One reading, shared by every plugin.

No verdicts here: what the parts are worth is for verifiers and rewards.
"""

from __future__ import annotations

import re
from typing import NamedTuple

OPEN, CLOSE = "<think>", "</think>"

_BOX_TOKEN = re.compile(r"\\boxed\s*\{|\\.|[{}]", re.DOTALL)


def thinking_part(text: str) -> str | None:
    """What stands between an opening ``<think>`` at the very start and the first ``</think>``; None if not both."""
    text = text.lstrip()
    if not text.startswith(OPEN):
        return None
    thinking, closed, _ = text[len(OPEN) :].partition(CLOSE)
    return thinking if closed else None


def answer_part(text: str) -> str | None:
    """What follows the last ``</think>``; the whole text if it has no tags; None if a ``<think>`` is left open."""
    _, _, answer = text.rpartition(CLOSE)
    return None if OPEN in answer else answer


class Box(NamedTuple):
    """The last box of a text."""

    content: str | None
    """None: the last box is never closed."""
    start: int
    """Where its ``\\boxed`` begins."""
    opened: int
    """How many boxes are opened in the text."""


def last_boxed(text: str) -> Box | None:
    r"""The last ``\boxed{…}`` that is not inside another one; None if there is none. One pass, any nesting.

    A last box that is never closed is not passed over for an earlier one: its content is None.
    """
    begin = text.find("\\boxed")
    if begin < 0:
        return None
    while begin and text[begin - 1] == "\\":  # backslashes go in pairs from the first of a run
        begin -= 1
    open_braces: list[tuple[int, int]] = []  # (start of \boxed or -1, start of content)
    closed: list[tuple[int, int, int]] = []  # (start, content start, end)
    starts: list[int] = []
    for match in _BOX_TOKEN.finditer(text, begin):  # what is opened before any box cannot hold one back
        token = match.group()
        if token.startswith("\\boxed"):
            starts.append(match.start())
            open_braces.append((match.start(), match.end()))
        elif token == "{":
            open_braces.append((-1, match.end()))
        elif token == "}" and open_braces:
            start, content = open_braces.pop()
            if start >= 0:
                closed.append((start, content, match.start()))
    if not starts:
        return None
    if any(start == starts[-1] for start, _ in open_braces):
        return Box(None, starts[-1], len(starts))
    start, content, end = closed[-1]  # the last to close is the outermost of the last nest
    return Box(text[content:end], start, len(starts))
