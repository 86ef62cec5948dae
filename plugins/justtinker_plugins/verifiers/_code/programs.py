"""Which part of a response is the program."""

from __future__ import annotations

import re

from justtinker_plugins.text import answer_part

FENCE = re.compile(r"[ \t]*(`{3,})([^`]*)")
PYTHON = {"python", "python3", "py"}


def program_of(response: str) -> str | None:
    """The last fenced block marked python after the thinking, else the last without a mark; None if there is none.

    A block that is never closed is none: it may have been cut off.
    """
    found: dict[bool, str] = {}
    ticks, marked, lines = "", "", list[str]()
    for line in (answer_part(response) or "").split("\n"):
        fence = FENCE.fullmatch(line)
        if not ticks and fence:
            ticks, marked, lines = fence[1], fence[2].strip().lower(), []
        elif ticks and fence and fence[1].startswith(ticks) and not fence[2].strip():
            if not marked or marked in PYTHON:
                found[bool(marked)] = "\n".join([*lines, ""])
            ticks = ""
        elif ticks:
            lines.append(line)
    return found.get(True, found.get(False))
