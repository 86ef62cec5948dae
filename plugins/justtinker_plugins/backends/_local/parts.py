"""A batch decoded in parts at once, each with its share of the CPU's threads.

Many small operations follow one another in decoding. Threads that share each of them wait for one another all the time;
threads that each decode rows of their own do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any, TypeVar

Row = TypeVar("Row", bound=tuple[object, int])

LEAST = 32
"""Rows of a part. A product of fewer takes a core nearly as long."""
BY_LENGTH = ("dynamic", "longrope")
"""Positions whose angles depend on the length of what is computed: such a model keeps one set, for all threads."""


def are_independent(config: Any) -> bool:
    """Whether a model computes two batches at once as it would one by one."""
    settings = str([getattr(config, name, None) for name in ("rope_parameters", "rope_scaling")])  # may be nested
    return not any(repr(kind) in settings for kind in BY_LENGTH)


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
    """Give each of `parts` new Python threads its share of torch's threads."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // parts))
    try:
        yield
    finally:
        torch.set_num_threads(threads)
