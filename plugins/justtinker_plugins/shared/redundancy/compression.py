"""Compress texts in threads while numpy works in the caller's thread (both release the interpreter lock)."""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import zstandard
from numpy.typing import NDArray

from justtinker_plugins.shared.redundancy.compiled import usable
from justtinker_plugins.shared.redundancy.reading import blocks

T = TypeVar("T")

CORES = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 8)
"""That this process may use, at most 8."""
_SHARE = 1 << 16  # bytes for a thread at a time; fewer are not worth one
ALL = 1 << 62
_FAR = 1 << 17  # bytes; level 1 finds no repetition from further back


def zlib_sizes(texts: Sequence[bytes]) -> list[int]:
    """The compressed bytes of each text at zlib level 9, as in the recipe."""
    if usable(sum(map(len, texts))):
        from justtinker_plugins.shared.redundancy.compiled import deflate

        return deflate.zlib_sizes(texts)
    return [len(zlib.compress(text, 9)) for text in texts]


def zstd_sizes(texts: Sequence[bytes]) -> list[int]:
    """The compressed bytes of each text at zstd level 1, which in long texts looks back up to 128 MiB."""
    near = [i for i, text in enumerate(texts) if len(text) < _FAR]
    sizes = dict(zip(near, _near_sizes([texts[i] for i in near]), strict=True))
    return [sizes[i] if i in sizes else len(_far_sighted(len(t)).compress(t)) for i, t in enumerate(texts)]


def _near_sizes(texts: Sequence[bytes]) -> list[int]:
    """Compress all texts in one call if zstandard can: it releases the interpreter lock once, not once a text."""
    level_1 = zstandard.ZstdCompressor(level=1)
    if not all(texts) or not texts or "multi_compress_to_buffer" not in zstandard.backend_features:
        return [len(level_1.compress(text)) for text in texts]
    compressed = level_1.multi_compress_to_buffer(list(texts), threads=1)
    return [len(compressed[i]) for i in range(len(compressed))]


def _far_sighted(size: int) -> zstandard.ZstdCompressor:
    far = zstandard.ZstdCompressionParameters.from_level(1, source_size=size, enable_ldm=True, window_log=27)
    return zstandard.ZstdCompressor(compression_params=far)


def sizes_while(
    texts: Sequence[bytes],
    sizes: Callable[[Sequence[bytes]], list[int]],
    work: Callable[[Executor | None], T],
    share: int = _SHARE,
) -> tuple[NDArray[np.float64], T]:
    """Compute `sizes` of the texts (N,) while `work` runs in this thread; return both results.

    On all cores but one, a thread takes `share` bytes at a time; so does the caller once its own work is done (a thread
    on the last core would slow that work down). Give a fast compressor `ALL` in one call: after every call it would
    wait for the interpreter lock, which `work` holds on and off. `work` may use the threads too, if there are any.
    """
    helpers = CORES - 1 if sum(map(len, texts)) >= _SHARE else 0
    runs = deque(enumerate(blocks(texts, share if helpers else ALL)))
    found: dict[int, list[int]] = {}

    def take_runs() -> None:
        while True:
            try:
                place, run = runs.popleft()
            except IndexError:  # nothing is left
                return
            found[place] = sizes(run)

    with ThreadPoolExecutor(max(helpers, 1)) as pool:
        futures = [pool.submit(take_runs) for _ in range(helpers)]
        result = work(pool if helpers else None)
        take_runs()
        for future in futures:
            future.result()
    return np.array([size for place in sorted(found) for size in found[place]], np.float64), result
