"""The recipe's chunk similarity of many texts at once, to the last digit, without building a set.

Text is cut into 500-character chunks, one every 250; a chunk stands for the set of its 5-character shingles; neighbours
are compared by Jaccard similarity, |A & B| / |A | B|, and a text is worth the mean of that.

In numpy: sort all shingles of a text together with their positions, which gives each shingle the last place before it
where it stood. Chunks begin at multiples of 250, so all that matters is how many blocks of 250 characters lie between
the two: a shingle is new in a window if its last place is before the window's first block. Counting by (block, gap)
then gives the size of every chunk's set and of every union. Nothing is hashed: five characters fit into one integer
beside the position, or are ranked until they do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from justtinker_plugins.rewards._ngrams import U64

RUN = 1 << 16  # characters worked on at a time: the arrays of one run stay in the cache
STEP = 250  # characters from one chunk to the next; a chunk is two of these blocks
SHINGLE = 5
LAST = STEP - SHINGLE + 1  # shingles that start here or later reach into the next block


def chunk_similarities(texts: Sequence[str]) -> NDArray[np.float64]:
    """Mean similarity of neighbouring chunks of each text (N,); 0 below 1,000 characters."""
    result = np.zeros(len(texts))
    long_enough = [i for i, text in enumerate(texts) if len(text) >= 4 * STEP]
    run: list[int] = []
    for i in long_enough:
        run.append(i)
        if sum(len(texts[j]) for j in run) >= RUN or i == long_enough[-1]:
            result[run] = list(_run_similarities([texts[j] for j in run]))
            run = []
    return result


def _run_similarities(texts: Sequence[str]) -> Iterator[float]:
    sizes = [len(text) // STEP for text in texts]  # whole blocks: what remains is in no chunk
    firsts = np.cumsum([0, *sizes]).tolist()
    whole = "".join(text[: size * STEP] for text, size in zip(texts, sizes, strict=True))
    characters = np.frombuffer(whole.encode("utf-32-le", "surrogatepass"), "<u4")
    similar = _neighbours(_count_by_gap(characters, firsts))
    for first, stop in pairwise(firsts):
        values = similar[first : stop - 2].tolist()
        yield sum(values) / len(values)


def _neighbours(count: NDArray[np.intp]) -> NDArray[np.float64]:
    """Similarity of chunk i (blocks i, i + 1) with chunk i + 1, from counts (blocks, reaching out, gap 0…3)."""
    new = count.sum(1)
    inside = count[:, 0]  # shingles that end in their own block
    a = new[:-1, 1:].sum(1) + inside[1:, 2:].sum(1)
    union = new[:-2, 1:].sum(1) + new[1:-1, 2:].sum(1) + inside[2:, 3]
    similar: NDArray[np.float64] = (a[:-1] + a[1:] - union) / union
    return similar


def _count_by_gap(characters: NDArray[np.uint32], firsts: Sequence[int]) -> NDArray[np.intp]:
    """How many shingles start in each block, by whether they reach out of it and by blocks since they last stood.

    Text i is blocks firsts[i] … firsts[i + 1] - 1. Gaps: 0, 1, 2, and 3 for more or never. Shape (blocks, 2, 4).
    """
    bits = (2 * firsts[-1]).bit_length() + 1  # for a place, 2 x block + reaching out, and a bit that stays 0
    keys = _shingles(characters, 62 - bits)
    keys <<= np.uint64(bits)
    by_block = keys.reshape(-1, STEP)
    by_block |= 2 * np.arange(firsts[-1], dtype=np.uint64)[:, None]
    by_block[:, LAST:] |= np.uint64(1)
    floats = keys.view(np.float64)  # below 2**62 these are numbers in the same order, and a sixth faster to sort
    for first, stop in pairwise(firsts):
        floats[first * STEP : stop * STEP].sort()
    gaps = keys[:-1] & ~np.uint64(1)
    np.subtract(keys[1:], gaps, out=gaps)  # huge between different shingles, thanks to the bit
    gaps >>= np.uint64(1)
    np.minimum(gaps, np.uint64(3), out=gaps)
    gaps[np.array(firsts[1:-1], np.intp) * STEP - 1] = 3  # between texts
    keys &= np.uint64((1 << bits) - 1)
    keys <<= np.uint64(2)
    keys[1:] |= gaps
    keys[0] |= np.uint64(3)
    return np.bincount(keys.view(np.int64), minlength=8 * firsts[-1]).reshape(-1, 2, 4)


def _shingles(characters: NDArray[np.uint32], bits: int) -> U64:
    """A different number below 2**bits for each different run of five characters (the last four are of no use)."""
    others = np.flatnonzero(characters >= 128)
    alphabet, places = np.unique(characters[others], return_inverse=True)  # few as a rule: numbered on after ASCII
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


def _five_bytes(codes: NDArray[np.uint8]) -> U64:
    """The five bytes at every place, as one number; the last seven places have none."""
    keys = np.array(np.ndarray((len(codes) - 7,), "<u8", codes, strides=(1,)))
    keys &= np.uint64(256**SHINGLE - 1)
    return keys


def _ranked_shingles(codes: U64) -> U64:
    """For large alphabets: rank all pairs, all pairs of pairs, and these with a fifth character."""

    def ranked(left: U64, right: U64) -> U64:
        ranks: U64 = np.unique(left << np.uint64(32) | right, return_inverse=True)[1].astype(np.uint64)
        return ranks

    pairs = ranked(codes, np.roll(codes, -1))
    return ranked(ranked(pairs, np.roll(pairs, -2)), np.roll(codes, -4))
