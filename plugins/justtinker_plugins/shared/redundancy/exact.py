"""Compute the recipe's redundancy score, to the last digit: zlib level 9, repeated 5-grams, chunk similarity.

It grows with the length of healthy text (see docs/redundancy.md); `flat` does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from justtinker_plugins.shared.redundancy.chunks import chunk_similarities
from justtinker_plugins.shared.redundancy.compression import sizes_while, zlib_sizes
from justtinker_plugins.shared.redundancy.ngrams import repeated_shares
from justtinker_plugins.shared.redundancy.reading import encode

Scores = dict[str, NDArray[np.float64]]


def score_batch(texts: Sequence[str], *, chunks: bool = True) -> Scores:
    """Score N texts as the recipe does; every value is an array (N,).

    - ``compression``: clip((0.7 - zlib bytes / UTF-8 bytes) / 0.6, 0, 1); 0 below 100 characters
    - ``ngram_repetition``: 1 - distinct / total of the 5-grams of words; 0 below 10 words
    - ``redundancy_score``: 0.6 compression + 0.4 ngram_repetition
    - ``chunk_similarity``: only watched, never rewarded; left out with ``chunks=False``
    """
    data = [encode(text) for text in texts]

    def in_numpy(pool: Executor | None) -> tuple[NDArray[np.float64], Scores]:
        similar = {"chunk_similarity": chunk_similarities(texts, data)} if chunks else {}
        return repeated_shares(data, 5, pool=pool).shares, similar

    sizes, (repetition, similarity) = sizes_while(data, zlib_sizes, in_numpy)
    return combine(texts, sizes / [max(len(d), 1) for d in data], repetition) | similarity


def combine(texts: Sequence[str], ratio: NDArray[np.float64], repetition: NDArray[np.float64]) -> Scores:
    """Combine the zlib ratio, or an estimate of it, and the share of repeated 5-grams into the score, all (N,)."""
    long_enough = np.array([len(text) >= 100 for text in texts], np.bool_)
    compression = np.where(long_enough, np.clip((0.7 - ratio) / 0.6, 0.0, 1.0), 0.0)
    score = 0.6 * compression + 0.4 * repetition
    return {"redundancy_score": score, "compression": compression, "ngram_repetition": repetition}
