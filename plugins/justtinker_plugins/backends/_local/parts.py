"""A batch decoded in parts at once, each with its share of the CPU's threads.

Many small operations follow one another in decoding. Threads that share each of them wait for one another all the time;
threads that each decode rows of their own do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TypeVar

Row = TypeVar("Row", bound=tuple[object, int])

LEAST = 32
"""Rows of a part. A product of fewer takes a core nearly as long."""


def parts_of(rows: Sequence[Row], threads: int) -> list[list[Row]]:
    """Split rows into parts of about the same size, at most one a thread; all rows of a request stay together."""
    count = max(1, min(threads, len(rows) // LEAST))
    groups = [list(group) for _, group in groupby(rows, key=lambda row: id(row[0]))]
    parts: list[list[Row]] = [[] for _ in range(count)]
    done = 0
    for group in groups:
        parts[min(count * done // len(rows), count - 1)] += group
        done += len(group)
    return [part for part in parts if part]


@contextmanager
def shared_threads(parts: int) -> Iterator[None]:
    """Let each of so many Python threads, if they start within it, compute with its share of torch's threads."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // parts))
    try:
        yield
    finally:
        torch.set_num_threads(threads)
