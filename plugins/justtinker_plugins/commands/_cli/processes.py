"""Work through many items on all cores, in order; and end early where reading them fails."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from typing import TypeVar

from justtinker_core import PluginError

A = TypeVar("A")
B = TypeVar("B")
AHEAD = 4
"""Items under way for each process."""


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(work: Callable[[A], B], items: Iterable[A], jobs: int, advice: str = "") -> Iterator[tuple[A, B]]:
    """Yield each item with what `work` makes of it, in order. A single item, or all with `jobs` 1, in this process.

    `work` must pickle; a scorer in it opens its plugins once a process. Only a few items are under way at a time, so
    memory does not grow with them. PluginError if a process dies; `advice` is added to it.
    """
    items = iter(items)
    first = list(islice(items, 2))
    items = chain(first, items)
    if jobs == 1 or len(first) < 2:
        yield from ((item, work(item)) for item in items)
        return
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")  # a fork would inherit threads of the progress bar and of numpy
    pool = ProcessPoolExecutor(jobs, context, signal.signal, (signal.SIGINT, signal.SIG_IGN))  # Ctrl-C is for us
    try:
        for item, future in _ahead(items, lambda item: pool.submit(work, item), AHEAD * jobs):
            yield item, future.result()
    except BaseException as error:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()  # they would finish their items first, and outlive a process that cannot wait
        if isinstance(error, BrokenProcessPool):
            raise PluginError(f"a scoring process died (out of memory?): try fewer with --jobs{advice}") from None
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _ahead(items: Iterable[A], submit: Callable[[A], Future[B]], most: int) -> Iterator[tuple[A, Future[B]]]:
    """Submit items, at most `most` before the first is taken."""
    waiting: deque[tuple[A, Future[B]]] = deque()
    for item in items:
        waiting.append((item, submit(item)))
        if len(waiting) >= most:
            yield waiting.popleft()
    yield from waiting


class Readable(Iterator[A]):
    """Items up to the first that cannot be read. `check` raises why, once everything before it is done."""

    def __init__(self, items: Iterable[A]) -> None:
        self._items = iter(items)
        self._error: PluginError | None = None

    def __next__(self) -> A:
        if self._error is not None:
            raise StopIteration
        try:
            return next(self._items)
        except PluginError as error:
            self._error = error
            raise StopIteration from None

    def check(self) -> None:
        """Raise the PluginError that ended the items, if one did."""
        if self._error is not None:
            raise self._error
