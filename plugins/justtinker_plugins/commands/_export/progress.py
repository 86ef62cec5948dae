"""What an export is doing, on one live line of a terminal; elsewhere line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from justtinker_plugins.commands._cli.awaiting import awaiting
from justtinker_plugins.shared.exports import Progress

STEP = 10**8
"""Bytes from one report to the next if nobody knows how many there are."""


@contextmanager
def progress_line() -> Iterator[Progress]:
    """Give a function that shows what is being done and, about ten times, how far it is."""
    with awaiting() as show:
        yield Shown(show)


class Shown:
    """Passes a report on if it says something new."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show, self._last = show, ("", 0)

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show what is being done; `done` of `total` bytes, if they are counted."""
        report = (what, done * 10 // total if total else done // STEP)
        if report != self._last:
            self._show(f"{what}{size(done, total)}")
        self._last = report


def size(done: int, total: int) -> str:
    """The bytes in words; '' if nobody counts them."""
    if total:
        return f": {done / 1e6:,.1f} of {total / 1e6:,.1f} MB"
    return f": {done / 1e6:,.1f} MB" if done else ""
