"""Which part of a response is the program."""

from __future__ import annotations

from justtinker_plugins.shared.fences import fenced
from justtinker_plugins.text import answer_part

PYTHON = {"python", "python3", "py"}


def program_of(response: str) -> str | None:
    """The last fenced block marked python after the thinking, else the last without a mark; None if there is none.

    A block that is never closed is none: it may have been cut off.
    """
    found: dict[bool, str] = {}
    for block in fenced(answer_part(response) or ""):
        if not block.language or block.language in PYTHON:
            found[bool(block.language)] = block.text
    return found.get(True, found.get(False))
