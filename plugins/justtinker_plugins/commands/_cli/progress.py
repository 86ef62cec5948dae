"""A progress bar of commands that score: how far, how many, how fast. Shown only in a terminal."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class ScoringProgress:
    """Counts what is scored. With a `total` (such as bytes of files) it shows the share that is done."""

    def __init__(self, noun: str, total: int | None = None) -> None:
        columns = [f"{{task.fields[count]:,}} {noun}, {{task.fields[rate]:,.0f}} per second"]
        if total is not None:
            columns.insert(0, "{task.percentage:>3.0f} %")
        console = Console(stderr=True)
        self._bar = Progress(
            BarColumn(20), *(TextColumn(column) for column in columns), TimeRemainingColumn(), console=console,
            disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=total, count=0, rate=0.0)
        self._start = time.perf_counter()

    def __enter__(self) -> ScoringProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, count: int, completed: int = 0) -> None:
        """Show that `count` are scored, and how much of the total that is."""
        rate = count / (time.perf_counter() - self._start)
        self._bar.update(self._task, completed=completed, count=count, rate=rate)
