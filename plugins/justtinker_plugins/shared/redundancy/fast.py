"""Approximate the recipe's redundancy score with zstd level 1, which compresses five times as fast as zlib level 9.

The n-grams are exact; there is no chunk similarity. The map from zstd's ratio to zlib's was fitted to real model
outputs on mathematics. On others of that kind the compression term is within 0.05 of the recipe's for healthy texts
(0.01 on average) and within 0.2 for loops: 0.03 and 0.12 of the score. If that matters, use exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from justtinker_plugins.shared.redundancy.compression import ALL, sizes_while, zstd_sizes
from justtinker_plugins.shared.redundancy.exact import Scores, combine
from justtinker_plugins.shared.redundancy.ngrams import repeated_shares
from justtinker_plugins.shared.redundancy.reading import encode

_CONSTANT, _SLOPE, _SLOPE_BY_LENGTH = 0.0127, 0.847, -0.025
_FITTED = (1_000, 40_000)  # bytes


def score_batch(texts: Sequence[str]) -> Scores:
    """Approximate `exact.score_batch`, without ``chunk_similarity``."""
    data = [encode(text) for text in texts]
    sizes, repetition = sizes_while(data, zstd_sizes, lambda pool: repeated_shares(data, 5, pool=pool).shares, ALL)
    lengths = np.array([max(len(d), 1) for d in data], np.float64)
    y = np.log(np.clip(lengths, *_FITTED) / 8000)
    return combine(texts, _CONSTANT + (_SLOPE + _SLOPE_BY_LENGTH * y) * sizes / lengths, repetition)
