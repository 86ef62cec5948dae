"""What an export is doing, on one live line of a terminal; elsewhere each step once."""

from __future__ import annotations

from types import TracebackType

import click
from rich.console import Console
from rich.status import Status


class ProgressLine:
    """Shows what is being done and how far it is. Standard error, so that it can be told from the result."""

    def __init__(self) -> None:
        console = Console(stderr=True, highlight=False)
        self._status = Status("", console=console) if console.is_terminal else None
        self._what = ""

    def __enter__(self) -> ProgressLine:
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show what is being done; `done` of `total` bytes, if they are counted."""
        if self._status:
            self._status.update(f"{what}{size(done, total)}")
        elif what != self._what:
            click.echo(f"{what}{size(0, total)}", err=True)
        self._what = what


def size(done: int, total: int) -> str:
    """The bytes in words; '' if nobody counts them."""
    if not (done or total):
        return ""
    return f": {done / 1e6:,.1f} of {total / 1e6:,.1f} MB" if total else f": {done / 1e6:,.1f} MB"
