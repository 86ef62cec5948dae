"""Says what a command waits for: on a terminal in a live line with the seconds, else in a plain line for each thing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.text import Text

from justtinker_plugins.commands._cli.endings import print_to_stderr
from justtinker_plugins.shared.terminal import Screen


@contextmanager
def awaiting() -> Iterator[Callable[[str], None]]:
    """Give a function that is told what the command waits for, and shows it on standard error. A live line vanishes."""
    screen, line = Screen(stderr=True), AwaitedLine()
    if not screen.is_terminal:
        yield lambda what: print_to_stderr(f"{what} ...")
        return
    with Live(line, console=screen, transient=True, redirect_stdout=sys.stdout.isatty()):
        yield line.await_


class AwaitedLine:
    """What is awaited and for how many seconds."""

    def __init__(self) -> None:
        self.await_("starting")

    def await_(self, what: str) -> None:
        """Begin to wait for something else."""
        self.what, self.begun = what, time.monotonic()

    def __rich__(self) -> Text:
        """The line, drawn several times a second."""
        seconds = time.monotonic() - self.begun
        return Text(
            f"{self.what} ... {f'{seconds:.0f} s' if seconds >= 1 else ''}",
            style="dim",
            overflow="ellipsis",
            no_wrap=True,
        )
