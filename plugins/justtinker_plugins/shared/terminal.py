"""Tables and texts for the terminal, all of one look."""

from __future__ import annotations

import unicodedata

from rich.table import Table

VERDICTS = {"correct": "green", "incorrect": "red", "unscored": "yellow"}


def plain_table(*columns: str) -> Table:
    """A table without lines, whose cells fold rather than being cut."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def printable(text: str) -> str:
    """A text in which every control character can be seen and does nothing; new lines and tabs stay.

    What a model wrote may hold escapes that recolour, clear or rename a terminal, or turn its text around.
    """
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else seen(c) for c in text)


def seen(character: str) -> str:
    """A sign for a control character."""
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else f"<U+{code:04X}>"


def one_line(text: str, most: int = 80) -> str:
    """A text on one line, cut where it is long, without control characters."""
    text = " ".join(text[: 8 * most].split())  # a long text need not be split to its end
    return printable(text if len(text) <= most else f"{text[:most]} …")


def ends(text: str, most: int = 60) -> str:
    """The beginning and the end of a text, where the answer is, on one line: `most` characters of either."""
    if len(text) <= 2 * most:
        return one_line(text, 2 * most)
    return f"{one_line(text[:most], most)} … {one_line(text[-most:], most)}"
