"""Compute the recipe's chunk similarity of many texts at once, to the last digit, without building a set.

A text is cut into chunks of 500 characters, one every 250. Each chunk is the set of its 5-character shingles.
Neighbouring chunks are compared by Jaccard similarity, |A & B| / |A | B|; the text's value is the mean.

In numpy: sort all shingles of a text together with their positions, so that each shingle follows its previous
occurrence. Chunks begin at multiples of 250, so all that matters is how many blocks of 250 characters lie between the
two: a shingle is new in a window if it last occurred before the window's first block. Counts by (block, gap) then give
the size of every chunk's set and of every union. Nothing is hashed: five characters fit into one integer beside the
position, or are ranked until they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from justtinker_plugins.shared.redundancy.compiled import usable
from justtinker_plugins.shared.redundancy.ngrams import U64
from justtinker_plugins.shared.redundancy.reading import blocks

RUN = 1 << 16  # characters at a time: their arrays fit into the cache
CHUNK = 500  # characters
STEP = 250  # characters from one chunk to the next; a chunk is two of these blocks
SHINGLE = 5


def chunk_similarities(texts: Sequence[str], data: Sequence[bytes]) -> NDArray[np.float64]:
    """The mean similarity of each text's neighbouring chunks (N,); 0 below 1,000 characters.

    Args:
        texts: N texts.
        data: the same, encoded.
    """
    result = np.zeros(len(texts))
    long_enough = [i for i, text in enumerate(texts) if len(text) >= 2 * CHUNK]
    if not long_enough:
        return result
    long_enough.sort(key=lambda i: not texts[i].isascii())  # texts in pure ASCII are faster together
    counts = _count([texts[i] for i in long_enough], [data[i] for i in long_enough])
    similar = _neighbours(counts)
    start = 0
    for i in long_enough:
        stop = start + len(texts[i]) // STEP
        values = similar[start : stop - 2].tolist()
        result[i] = sum(values) / len(values)
        start = stop
    return result


def _count(texts: Sequence[str], data: Sequence[bytes]) -> NDArray[np.int64]:
    """Do `_count_by_gap` for all texts."""
    if not usable(sum(map(len, data))):
        return np.concatenate([_count_by_gap(run) for run in blocks(texts, RUN)])
    from justtinker_plugins.shared.redundancy.compiled.chunks import count_by_gap

    counts, done = count_by_gap(data, [len(text) for text in texts])
    ends = list(accumulate((len(text) // STEP for text in texts), initial=0))
    for i in np.flatnonzero(~done).tolist():
        counts[ends[i] : ends[i + 1]] = _count_by_gap([texts[i]])
    return counts


def _neighbours(count: NDArray[np.int64]) -> NDArray[np.float64]:
    """The similarity of chunk i (blocks i, i + 1) with chunk i + 1, from counts (blocks, reaching out, gap 0…3)."""
    inside, reaching = count[:, 0], count[:, 1]
    new = inside + reaching
    new_2 = new[:, 2] + new[:, 3]  # for a window that began with the block before
    new_1 = new[:, 1] + new_2  # for one that begins with this block
    a = new_1[:-1] + inside[1:, 2] + inside[1:, 3]
    union = new_1[:-2] + new_2[1:-1] + inside[2:, 3]
    similar: NDArray[np.float64] = (a[:-1] + a[1:] - union) / union
    return similar


def _count_by_gap(texts: Sequence[str]) -> NDArray[np.int64]:
    """Count the shingles that start in each block of 250 characters, by whether they reach out of it, and by gap.

    The gap is how many blocks ago the shingle last occurred in its text: 0, 1, 2, or 3 for more or never. Returns
    (blocks, 2, 4), the texts one after the other. A text's last characters, which fill no block, are in no chunk.
    """
    texts = [text[: len(text) // STEP * STEP] for text in texts]
    ends = list(accumulate(map(len, texts), initial=0))
    number = ends[-1] // STEP
    bits = (8 * number).bit_length() + 1  # for block, reaching out and gap, and a bit that stays 0
    keys = _shingles("".join(texts), 62 - bits)
    keys <<= np.uint64(bits)
    keys |= _places(number)
    floats = keys.view(np.float64)  # below 2**62 they keep their order, and sort a sixth faster
    for start, stop in pairwise(ends):
        floats[start:stop].sort()
    by_block = keys >> np.uint64(3)
    gaps = by_block[1:] - by_block[:-1]  # huge between different shingles, thanks to the bit
    np.minimum(gaps, np.uint64(3), out=gaps)
    gaps[np.array(ends[1:-1], np.intp) - 1] = 3  # between texts
    keys &= np.uint64((1 << bits) - 1)
    keys[1:] |= gaps
    keys[0] |= np.uint64(3)
    return np.bincount(keys.view(np.int64), minlength=8 * number).reshape(-1, 2, 4)


def _make_places(number: int) -> U64:
    """8 x block + 4 x (reaching out of it) for every character of `number` blocks (250 x number,)."""
    reaching = np.arange(STEP) > STEP - SHINGLE
    return (8 * np.arange(number, dtype=np.uint64)[:, None] | 4 * reaching.astype(np.uint64)).ravel()


_FIRST_PLACES = _make_places(2 * RUN // STEP)  # the same in every run


def _places(number: int) -> U64:
    size = number * STEP
    return _FIRST_PLACES[:size] if size <= len(_FIRST_PLACES) else _make_places(number)


def _shingles(text: str, bits: int) -> U64:
    """Number the shingles: equal ones alike, others differently, all below 2**bits (the last four are no shingles)."""
    if text.isascii() and bits >= 8 * SHINGLE:
        return _five_bytes(np.frombuffer(text.encode() + bytes(7), np.uint8))
    characters = _code_points(text)
    others = np.flatnonzero(characters >= 128)
    alphabet, places = np.unique(characters[others], return_inverse=True)  # usually few: numbered after ASCII
    if len(alphabet) <= 128 and bits >= 8 * SHINGLE:
        small = np.zeros(len(characters) + 7, np.uint8)
        small[:-7] = characters
        small[others] = 128 + places
        return _five_bytes(small)
    codes = characters.astype(np.uint64)
    codes[others] = 128 + places.astype(np.uint64)
    width = int(codes.max()).bit_length()
    if SHINGLE * width > bits:
        return _ranked_shingles(codes)
    shift = np.uint64(width)
    pairs = codes << shift
    pairs[:-1] |= codes[1:]
    keys = pairs << shift + shift
    keys[:-2] |= pairs[2:]
    keys <<= shift
    keys[:-4] |= codes[4:]
    return keys


def _code_points(text: str) -> NDArray[np.uint16] | NDArray[np.uint32]:
    data = text.encode("utf-16-le", "surrogatepass")
    if len(data) == 2 * len(text):
        return np.frombuffer(data, "<u2")
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _five_bytes(codes: NDArray[np.uint8]) -> U64:
    """The five bytes from each place on, as one number; the last seven places are left out."""
    keys = np.array(np.ndarray((len(codes) - 7,), "<u8", codes, strides=(1,)))
    keys &= np.uint64(256**SHINGLE - 1)
    return keys


def _ranked_shingles(codes: U64) -> U64:
    """Number the shingles of a large alphabet: rank pairs, pairs of pairs, and these with a fifth character."""

    def ranked(left: U64, right: U64) -> U64:
        ranks: U64 = np.unique(left << np.uint64(32) | right, return_inverse=True)[1].astype(np.uint64)
        return ranks

    pairs = ranked(codes, np.roll(codes, -1))
    return ranked(ranked(pairs, np.roll(pairs, -2)), np.roll(codes, -4))
