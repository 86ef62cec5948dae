"""The size of what zlib makes of a text at level 9, to the byte, without making it.

zlib looks for each match in all earlier places that begin with the same three bytes. That it takes the longest match,
and of several the nearest, does not depend on how it looks. Here matches of five bytes and more are sought among the
few places that begin with the same five bytes; only if there are none among those with three. The rest follows zlib's
deflate.c: which places it can reach, when it prefers the match one byte later, and where a block ends.

Texts of 65,000 bytes and more go to zlib, whose window then moves on; so does all, if zlib is one that packs otherwise
(zlib-ng, for instance).
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np
from numba import njit

from justtinker_plugins.shared.redundancy.compiled.huffman import (
    DISTANCE_CODE,
    DISTANCES,
    LENGTH_CODE,
    LITERALS,
    add_blocks,
)
from justtinker_plugins.shared.redundancy.compiled.memory import join, load, trailing_zeros

U = np.uint64
LIMIT = 65_000  # bytes
FARTHEST = 32_768 - 262  # zlib's MAX_DIST: its window less the longest look-ahead
FAR = 4096  # zlib's TOO_FAR: not worth a match of three bytes
LONGEST = 258
SYMBOLS = 16_383  # of a block
_THREE, _FOUR, _FIVE, _ALL = U(2**24 - 1), U(2**32 - 1), U(2**40 - 1), U(2**64 - 1)
_SPREAD = U(0x9E37_79B9_7F4A_7C15)


def zlib_sizes(texts: Sequence[bytes]) -> list[int]:
    """The compressed bytes of each text at zlib level 9."""
    ours = [i for i, text in enumerate(texts) if 0 < len(text) < LIMIT] if zlib_is_as_expected() else []
    found = dict(zip(ours, computed_sizes([texts[i] for i in ours]), strict=True)) if ours else {}
    return [found[i] if i in found else len(zlib.compress(text, 9)) for i, text in enumerate(texts)]


@cache
def zlib_is_as_expected() -> bool:
    """Whether this process's zlib gives the sizes that are computed here, for a few texts."""
    draw = random.Random(0)
    words = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(1, 9))) for _ in range(2000)]
    texts = [" ".join(draw.choices(words, k=k)).encode() for k in (5, 50, 500, 5000, 8000)]
    return computed_sizes(texts) == [len(zlib.compress(text, 9)) for text in texts]


def computed_sizes(texts: Sequence[bytes]) -> list[int]:
    """The sizes of texts that are neither empty nor of `LIMIT` bytes or more."""
    data, ends = join(texts)
    sizes = np.diff(ends)
    most = int((sizes // SYMBOLS + 1).sum())  # blocks
    literals, distances = np.zeros((most, LITERALS), np.int64), np.zeros((most, DISTANCES), np.int64)
    stored, blocks = np.zeros(most, np.int64), np.zeros(len(texts), np.int64)
    _count_symbols(data, ends, literals, distances, stored, blocks)
    add_blocks(blocks, literals, distances, stored, sizes)
    return [6 + size for size in sizes.tolist()]


@njit(nogil=True, cache=True)
def _count_symbols(data, ends, literals, distances, stored, blocks):
    """Count the symbols of each block, and the blocks of each text."""
    heads_3, heads_5 = np.empty(1 << 15, np.uint32), np.empty(1 << 15, np.uint16)
    places = np.empty(np.diff(ends).max(), np.uint64)
    block = 0
    for j in range(len(blocks)):
        size, bits = ends[j + 1] - ends[j], 10
        while bits < 15 and 1 << bits < size:
            bits += 1
        heads_3[:] = 0
        heads_5[: 1 << bits] = 0
        text = data[ends[j] : ends[j + 1]]
        memory = heads_3, heads_5, places, U(64 - bits)
        blocks[j] = _deflate(text, text.ctypes.data, memory, literals[block:], distances[block:], stored[block:])
        block += blocks[j]


@njit(nogil=True, cache=True)
def _deflate(text, base, memory, literals, distances, stored):
    """Return how many blocks there are. zlib's deflate_slow: a match counts unless a longer one begins a byte later."""
    block = start = symbols = i = match = 0
    length, waiting = 2, False  # a byte waits for the match after it
    while i < len(text):
        before, match_before = length, match
        length = 2
        if len(text) - i >= 3:
            if before < LONGEST:
                length, match = _longest(base, i, len(text) - i, before, memory)
            _insert(i, load(base, i), memory)
        i += 1
        if before >= 3 and length <= before:
            literals[block, LENGTH_CODE[before]] += 1
            distances[block, DISTANCE_CODE[i - 2 - match_before]] += 1
            stop = i - 2 + before
            for k in range(i, min(stop, len(text) - 2)):
                _insert(k, load(base, k), memory)
            i, length, waiting = stop, 2, False
        elif not waiting:
            waiting = True
            continue
        else:
            literals[block, text[i - 2]] += 1
        symbols += 1
        if symbols == SYMBOLS:
            stored[block] = i - waiting - start
            block, start, symbols = block + 1, i - waiting, 0
    if waiting:
        literals[block, text[-1]] += 1
    stored[block] = len(text) - start
    return block + 1


@njit(nogil=True, cache=True, inline="always")
def _slot_3(word):
    """zlib's hash of three bytes."""
    return ((word & U(31)) << U(10) ^ (word >> U(8) & U(255)) << U(5) ^ word >> U(16) & U(255)) & U(0x7FFF)


@njit(nogil=True, cache=True, inline="always")
def _insert(i, word, memory):
    """Remember place i: its number among those of its `_slot_3`, and the places before it with the same hashes."""
    heads_3, heads_5, places, shift = memory
    slot_3, slot_5 = _slot_3(word), (word & _FIVE) * _SPREAD >> shift
    head = U(heads_3[slot_3])
    number = (head >> U(16)) + U(1)
    heads_3[slot_3] = number << U(16) | U(i)
    places[U(i)] = number << U(32) | U(heads_5[slot_5]) << U(16) | head & U(0xFFFF)
    heads_5[slot_5] = i


@njit(nogil=True, cache=True, inline="always")
def _longest(base, i, ahead, before, memory):
    """The longest match at i, if it is longer than `before`, and where it is. zlib's longest_match.

    Place 0 is out of reach, and so are places that are too far in bytes, or by number among those of their `_slot_3`.
    """
    heads_3, heads_5, places, shift = memory
    word = load(base, i)
    head = U(heads_3[_slot_3(word)])
    nearest = np.int64(head & U(0xFFFF))
    if nearest == 0 or i - nearest > FARTHEST:
        return 2, 0
    first = nearest if i - nearest == FARTHEST else max(i - FARTHEST, 0) + 1
    number = np.int64(head >> U(16)) - (1024 if before >= 32 else 4096)
    best, match, most = before, 0, min(LONGEST, ahead)
    if best < most and most >= 5:
        at = np.int64(heads_5[(word & _FIVE) * _SPREAD >> shift])
        best, match = _longest_of_five(base, i, at, first, number, best, most, word, places)
    if best < 4 and best < most and best == before:
        best, match = _nearest_of_three(base, nearest, first, number, best, most, word, places)
    best = min(best, ahead)
    return (2 if best == 3 and i - match > FAR else best), match


@njit(nogil=True, cache=True, inline="always")
def _longest_of_five(base, i, at, first, number, best, most, word, places):
    match, skip, mask = 0, max(best - 7, 0), _ALL >> U(64 - 8 * min(max(best + 1, 5), 8))
    wanted = load(base, i + skip) & mask
    while at >= first:
        place = places[U(at)]
        if load(base, at + skip) & mask == wanted and (load(base, at) ^ word) & _FIVE == 0:
            length = _common(base, at, i)
            if length > best:
                if np.int64(place >> U(32)) <= number:
                    break
                best, match = length, at
                if best >= most:
                    break
                skip, mask = max(best - 7, 0), _ALL >> U(64 - 8 * min(best + 1, 8))
                wanted = load(base, i + skip) & mask
        at = np.int64(place >> U(16) & U(0xFFFF))
    return best, match


@njit(nogil=True, cache=True, inline="always")
def _common(base, a, b):
    """How many bytes are equal from two places on, at most 258."""
    for k in range(0, LONGEST, 8):
        different = load(base, a + k) ^ load(base, b + k)
        if different:
            return min(k + (trailing_zeros(different) >> 3), LONGEST)
    return LONGEST


@njit(nogil=True, cache=True, inline="always")
def _nearest_of_three(base, at, first, number, best, most, word, places):
    """The nearest match of four bytes, else of three, where there is none of five."""
    match = 0
    while at >= first:
        place = places[U(at)]
        different = load(base, at) ^ word
        if different & _THREE == 0:
            if np.int64(place >> U(32)) <= number:
                break
            if best == 2:
                best, match = 3, at
            if different & _FOUR == 0:
                return 4, at
            if most == 3:
                break
        at = np.int64(place & U(0xFFFF))
    return best, match
