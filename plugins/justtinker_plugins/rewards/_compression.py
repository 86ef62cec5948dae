"""Compressed sizes, computed in threads while numpy works in the caller's (both let go of the interpreter lock)."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import zstandard
from numpy.typing import NDArray

from justtinker_plugins.rewards._ngrams import blocks

T = TypeVar("T")

_THREADS = min(os.cpu_count() or 1, 8)
_SHARE = 1 << 17  # bytes handed to a thread at a time
_FAR = 1 << 17  # bytes; level 1 forgets what lies further back


def zlib_sizes(texts: Sequence[bytes]) -> list[int]:
    """Bytes of each text at zlib level 9, as in the recipe."""
    return [len(zlib.compress(text, 9)) for text in texts]


def zstd_sizes(texts: Sequence[bytes]) -> list[int]:
    """Bytes of each text at zstd level 1; in long texts, repetitions are found at any distance up to 128 MiB."""
    near = zstandard.ZstdCompressor(level=1)
    return [len((near if len(text) < _FAR else _far_sighted(len(text))).compress(text)) for text in texts]


def _far_sighted(size: int) -> zstandard.ZstdCompressor:
    far = zstandard.ZstdCompressionParameters.from_level(1, source_size=size, enable_ldm=True, window_log=27)
    return zstandard.ZstdCompressor(compression_params=far)


def sizes_while(
    texts: Sequence[bytes], sizes: Callable[[Sequence[bytes]], list[int]], work: Callable[[], T]
) -> tuple[NDArray[np.float64], T]:
    """The `sizes` of the texts (N,), and what `work` returns, which meanwhile runs here."""
    if sum(map(len, texts)) < _SHARE:  # threads would cost more than they win
        return np.array(sizes(texts), np.float64), work()
    with ThreadPoolExecutor(_THREADS) as pool:
        runs = pool.map(sizes, blocks(texts, _SHARE))
        result = work()
        return np.array([size for run in runs for size in run], np.float64), result
