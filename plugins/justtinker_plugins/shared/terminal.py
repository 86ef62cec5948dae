"""Tables and texts for the terminal, in one style."""

from __future__ import annotations

import errno
import logging
import os
import unicodedata
from typing import Any

from rich.console import Console
from rich.table import Table

log = logging.getLogger("justtinker")
VERDICTS = {"correct": "green", "incorrect": "red", "unscored": "yellow"}


class Screen(Console):
    """A terminal or a pipe that may go away: then the console falls silent, and the run goes on."""

    def __exit__(self, *raised: Any) -> None:
        try:
            super().__exit__(*raised)  # this is where rich writes
        except OSError as error:
            was_quiet, self.quiet = self.quiet, True  # first, as the warning may fail in the same way
            if not was_quiet:
                log.warning("the console is gone (%s): it stays silent, and the run goes on", error.strerror)

    def on_broken_pipe(self) -> None:
        """Raise; rich would end the process."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def plain_table(*columns: str) -> Table:
    """Make a table without lines, whose cells fold and are not cut."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def count_of(n: int, noun: str) -> str:
    """Count something: ``1 step``, ``3,072 steps``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def printable(text: str) -> str:
    """Replace every control character by a visible sign; new lines and tabs stay.

    A model's output may hold escapes that recolour, clear or rename a terminal, or turn its text around.
    """
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else sign_for(c) for c in text)


def sign_for(character: str) -> str:
    """A visible sign for a control character."""
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else f"<U+{code:04X}>"


def one_line(text: str, most: int = 80) -> str:
    """Put a text on one line, without control characters; cut it after `most` characters."""
    text = " ".join(text[: 8 * most].split())  # so that a long text is not split to its end
    return printable(text if len(text) <= most else f"{text[:most]} …")


def ends(text: str, most: int = 60) -> str:
    """Put the beginning and the end of a text (the answer) on one line: `most` characters of each."""
    if len(text) <= 2 * most:
        return one_line(text, 2 * most)
    return f"{one_line(text[:most], most)} … {one_line(text[-most:], most)}"


def as_range(low: str, high: str) -> str:
    """Write two numbers as ``LOW to HIGH``, or as one if they are the same."""
    return low if low == high else f"{low} to {high}"


def span(seconds: float) -> str:
    """Write a time in minutes and seconds, or hours and minutes: ``1:20 min``, ``1:20 h``."""
    unit, seconds = ("h", seconds / 60) if seconds >= 3600 else ("min", seconds)
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} {unit}"
