"""Blocks between fences of backticks, as Markdown writes code."""

from __future__ import annotations

import re
from typing import NamedTuple

_FENCE = re.compile(r"[ \t]*(`{3,})[ \t]*([^\s`]*)")


class Block(NamedTuple):
    """A closed block."""

    language: str
    """What stands behind the opening backticks, in lower case: ``python``; empty if nothing does."""
    text: str
    """Its lines, with ends of lines as ``\\n``."""


def fenced(text: str) -> list[Block]:
    """All closed blocks of a text, in order. Linear in the text.

    A block ends at a line that begins with as many backticks, or more, and no word right behind them. So the end of one
    block is never taken for the beginning of the next.
    """
    found: list[Block] = []
    fence, language, lines = "", "", list[str]()
    for line in text.replace("\r\n", "\n").split("\n"):
        match = _FENCE.match(line)
        if not fence:
            if match and "`" not in line[match.end() :]:
                fence, language, lines = match[1], match[2].lower(), []
        elif match and len(match[1]) >= len(fence) and not match[2][:1].isalnum():
            found.append(Block(language, "".join(f"{line}\n" for line in lines)))
            fence = ""
        else:
            lines.append(line)
    return found
