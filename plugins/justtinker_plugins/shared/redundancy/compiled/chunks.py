"""Count shingles by block and gap, as `redundancy.chunks` explains, in a hash table of the last few blocks.

A character is a number below 4,096, the same one throughout its text, so that the five of a shingle fit into 60 bits
and nothing is left to chance. Texts with more different characters are left to numpy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from justtinker_plugins.shared.redundancy.compiled.memory import join

U = np.uint64
STEP, SHINGLE = 250, 5  # characters, as in `redundancy.chunks`
SEGMENT = 14  # blocks until the table is emptied but for the last two: 16 fit into 4 bits
SLOTS_BITS = 14  # four times as many slots as 16 blocks have shingles
ALPHABET = 4096
_SPREAD = U(0x9E37_79B9_7F4A_7C15)  # Knuth's multiplicative hashing; every look-up compares the whole shingle


def count_by_gap(texts: Sequence[bytes], lengths: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Count as `chunks._count_by_gap` does, from UTF-8; the second array tells which texts could be counted.

    Args:
        texts: N texts in UTF-8, lone surrogates too.
        lengths: their characters.
    """
    data, ends = join(texts)
    blocks = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([length // STEP for length in lengths], out=blocks[1:])
    counts, done = np.zeros((blocks[-1], 8), np.int64), np.zeros(len(texts), np.bool_)
    _count_all(data, ends, blocks, counts, done)
    return counts.reshape(-1, 2, 4), done


@njit(nogil=True, cache=True)
def _count_all(data, ends, blocks, counts, done):
    codes = np.empty(np.diff(ends).max(), np.uint16)
    numbers = np.zeros(0x11_0000, np.uint16)  # of each character beyond ASCII
    seen = np.empty(ALPHABET, np.uint32)
    table = np.empty(1 << SLOTS_BITS, np.uint64)
    for j in range(len(done)):
        alphabet = _number_characters(data[ends[j] : ends[j + 1]], numbers, seen, codes)
        for k in range(min(alphabet, ALPHABET - 129)):
            numbers[seen[k]] = 0
        done[j] = alphabet < ALPHABET - 129
        if done[j]:
            _count_shingles(codes, counts[blocks[j] : blocks[j + 1]], table)


@njit(nogil=True, cache=True)
def _number_characters(text, numbers, seen, codes):
    """Write the number of each character, 1 to 4,095; return how many different ones are beyond ASCII."""
    place = i = alphabet = 0
    while i < len(text):
        byte = np.uint32(text[i])
        i += 1
        if byte < 128:
            codes[place] = byte + 1
        else:
            more = 1 if byte < 0xE0 else 2 if byte < 0xF0 else 3
            character = byte & np.uint32(0x3F >> more)
            for _ in range(more):
                character = character << np.uint32(6) | np.uint32(text[i]) & np.uint32(0x3F)
                i += 1
            if numbers[character] == 0:
                if alphabet == ALPHABET - 129:
                    return alphabet
                seen[alphabet] = character
                alphabet += 1
                numbers[character] = 128 + alphabet
            codes[place] = numbers[character]
        place += 1
    return alphabet


@njit(nogil=True, cache=True)
def _count_shingles(codes, counts, table):
    for first in range(0, len(counts), SEGMENT):
        table[:] = 0
        base = max(first - 2, 0)
        for block in range(base, min(first + SEGMENT, len(counts))):
            start = block * STEP
            stop = min(start + STEP, len(counts) * STEP - SHINGLE + 1)
            key, row = U(0), np.zeros(8, np.int64)
            for code in codes[start : start + SHINGLE - 1]:
                key = key << U(12) | U(code)
            for i in range(start, stop):
                key = (key << U(12) | U(codes[i + SHINGLE - 1])) & U((1 << 60) - 1)
                row[_gap(table, key, block - base) | (U(4) if i - start > STEP - SHINGLE else U(0))] += 1
            if block >= first:
                counts[block] = row


@njit(nogil=True, cache=True, inline="always")
def _gap(table, key, block):
    """How many blocks ago the shingle was last seen, 3 for more or never; from now on it is this block."""
    slot = key * _SPREAD >> U(64 - SLOTS_BITS)
    last = table[slot]
    while last != 0 and last >> U(4) != key:
        slot = (slot + U(1)) & U((1 << SLOTS_BITS) - 1)
        last = table[slot]
    table[slot] = key << U(4) | U(block)
    return min(U(block) - (last & U(15)), U(3)) | U(3 * (last == 0))
