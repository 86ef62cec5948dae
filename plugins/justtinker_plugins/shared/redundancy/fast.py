"""Nearly the recipe's redundancy score, from zstd level 1 in place of zlib level 9, five times as fast to compress.

The n-grams are exact; there is no chunk similarity. The map from one compressor to the other was fitted to real model
outputs on mathematics; on others of the kind, healthy texts are within 0.05 of the recipe's compression term (on
average 0.01), loops within 0.2, which is 0.03 and 0.12 of the score. Where that matters, use exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from justtinker_plugins.shared.redundancy.compression import ALL, sizes_while, zstd_sizes
from justtinker_plugins.shared.redundancy.exact import Scores, combine
from justtinker_plugins.shared.redundancy.ngrams import repeated_shares
from justtinker_plugins.shared.redundancy.reading import encode, read

_CONSTANT, _SLOPE, _SLOPE_BY_LENGTH = 0.0127, 0.847, -0.025
_FITTED = (1_000, 40_000)  # bytes


def score_batch(texts: Sequence[str]) -> Scores:
    """As `_redundancy_exact.score_batch`, approximately, without ``chunk_similarity``."""
    data = [encode(text) for text in texts]
    sizes, repetition = sizes_while(data, zstd_sizes, lambda pool: repeated_shares(read(data), 5, pool=pool), ALL)
    lengths = np.array([max(len(d), 1) for d in data], np.float64)
    y = np.log(np.clip(lengths, *_FITTED) / 8000)
    return combine(texts, _CONSTANT + (_SLOPE + _SLOPE_BY_LENGTH * y) * sizes / lengths, repetition)
