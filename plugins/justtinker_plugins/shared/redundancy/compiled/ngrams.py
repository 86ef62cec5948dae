"""Hash the words and n-grams of texts, and count the distinct ones, in one go: `redundancy.ngrams` explains it.

The hashes are drawn and put together as there, with two differences. Words of up to 64 KiB are hashed without
BLAKE2b, with more multipliers; longer ones are left to numpy. Distinct n-grams are counted in a hash table.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from justtinker_plugins.shared.redundancy.compiled.memory import join, load, reverse_bytes
from justtinker_plugins.shared.redundancy.reading import SPACES

U = np.uint64
LONGEST = 1 << 16
"""Bytes of a word."""

_MULTIPLIERS = np.frombuffer(secrets.token_bytes(3 * 8 * (LONGEST // 4 + 1)), np.uint64).reshape(3, -1)
_ODD = U(secrets.randbits(64) | 1)
_IN_WORD = np.array([b not in SPACES for b in range(256)], np.uint8)
_KEEP = np.array([2 ** (8 * n) - 1 for n in range(9)], np.uint64)  # the first n bytes of a little-endian number


def count(
    texts: Sequence[bytes], n: int, least: int, cut: int, mask_digits: bool = False, vocabulary: bool = False
) -> NDArray[np.int64]:
    """Count in each text from `read_texts`: n-grams, distinct ones, bytes of words, words, different words, rare ones.

    Texts of fewer than `least` words have 0 n-grams; texts with words that are too long have -1. Words of more than
    `cut` bytes are read as words of 8. The last two only with `vocabulary`; `redundancy.ngrams` says what they are.
    Digits can be masked in texts that are read loosely. Returns (6, N).
    """
    data, ends = join(texts)
    counts = np.zeros((6, len(texts)), np.int64)
    _count(data, ends, n, least, cut, mask_digits, vocabulary, _MULTIPLIERS, _ODD, _KEEP, counts)
    return counts


@njit(nogil=True, cache=True)
def _count(data, ends, n, least, cut, mask_digits, vocabulary, multipliers, odd, keep, counts):
    longest = np.diff(ends).max()
    most = longest // 2 + 1  # words
    edges = np.empty(longest + 2, np.uint32)
    hashes, grams, table = np.empty(most, np.uint64), np.empty(most, np.uint64), np.empty(_slots(most), np.uint64)
    starts, times = np.empty(most, np.uint64), np.empty(_slots(most), np.uint8)
    for j in range(len(ends) - 1):
        text = data[ends[j] : ends[j + 1]]
        words = _find_words(text, edges)
        counts[2, j] = _letters(edges, words)
        mask = U(0x0F0F_0F0F_0F0F_0F0F) if mask_digits else U(0)
        words = _hash_words(text.ctypes.data, edges, words, cut, mask, multipliers, odd, keep, hashes, starts)
        if vocabulary and words > 0:
            counts[3, j] = words
            counts[4, j], counts[5, j] = _different(starts[:words], table, times)
        if words < least:
            counts[0, j] = min(words, 0)
            continue
        total = words - n + 1
        counts[0, j] = total
        if n == 16:
            _combine(hashes, total + 12, 4, 1, multipliers[2], hashes)
            _combine(hashes, total, 4, 4, multipliers[2, 4:], grams)
        else:
            _combine(hashes, total, n, 1, multipliers[2], grams)
        counts[1, j] = _distinct(grams[:total], table)


@njit(nogil=True, cache=True)
def _slots(number):
    """The size of a table for so many: a power of two, and at least twice as many."""
    size = 16
    while size < 2 * number:
        size *= 2
    return size


@njit(nogil=True, cache=True)
def _find_words(text, edges):
    """Write where each word starts and ends, and return how many there are."""
    number, before = U(0), np.uint8(0)
    for i in range(len(text)):
        now = _IN_WORD[text[i]]
        edges[number] = i
        number += U(now ^ before)
        before = now
    edges[number] = len(text)
    return np.int64(number + U(before)) // 2


@njit(nogil=True, cache=True)
def _letters(edges, words):
    total = np.int64(0)
    for k in range(words):
        total += np.int64(edges[2 * k + 1] - edges[2 * k])
    return total


@njit(nogil=True, cache=True)
def _hash_words(base, edges, words, cut, mask, multipliers, odd, keep, hashes, starts):
    """Hash the words, and write their first 8 bytes; return how many there are after cutting, -1 if one is too long."""
    number = 0
    for k in range(words):
        at, stop = np.int64(edges[2 * k]), np.int64(edges[2 * k + 1])
        if stop - at > cut:
            while stop - at > 8:
                starts[number] = load(base, at)
                hashes[number] = reverse_bytes(_masked(starts[number], mask) * odd)
                at, number = at + 8, number + 1
        elif stop - at > LONGEST:
            return -1
        starts[number] = load(base, at) & keep[min(8, stop - at)]
        hashes[number] = reverse_bytes(_masked(starts[number], mask) * odd)
        if stop - at > 8:
            hashes[number] += _hash_rest(base, at + 8, stop, mask, multipliers, keep)
        number += 1
    return number


@njit(nogil=True, cache=True)
def _masked(piece, mask):
    """Turn digits into 0; letters have bit 6. Without effect if the mask is 0."""
    return piece & ~((~piece >> U(6) & U(0x0101_0101_0101_0101)) * U(15) & mask)


@njit(nogil=True, cache=True)
def _hash_rest(base, start, stop, mask, multipliers, keep):
    upper, lower, i = multipliers[0, -1], multipliers[1, -1], 0
    for at in range(start, stop, 8):
        piece = _masked(load(base, at) & keep[min(8, stop - at)], mask)
        low, high = piece & U(0xFFFF_FFFF), piece >> U(32)
        upper += low * multipliers[0, i] + high * multipliers[0, i + 1]
        lower += low * multipliers[1, i] + high * multipliers[1, i + 1]
        i += 2
    return (upper & U(0xFFFF_FFFF_0000_0000)) | (lower >> U(32))


@njit(nogil=True, cache=True)
def _has_digit(piece):
    """Whether one of its bytes has bit 5 but not bit 6."""
    return (~piece >> U(6)) & (piece >> U(5)) & U(0x0101_0101_0101_0101) != 0


@njit(nogil=True, cache=True)
def _different(starts, table, times):
    """How many different words there are, and how many of them occur once or twice or have a digit."""
    slots = _slots(len(starts))
    table[:slots] = 0
    shift, different, rare = U(64), 0, 0
    while U(1) << (U(64) - shift) < slots:
        shift -= U(1)
    for start in starts:
        slot = start * U(0x9E37_79B9_7F4A_7C15) >> shift
        while table[slot] != start and table[slot] != 0:
            slot = (slot + U(1)) & U(slots - 1)
        if table[slot] == 0:
            table[slot] = start
            times[slot] = 1
            different += 1
            rare += 1
        else:
            rare -= times[slot] == 2 and not _has_digit(start)
            times[slot] = min(times[slot] + 1, 3)
    return different, rare


@njit(nogil=True, cache=True)
def _combine(hashes, size, n, stride, multipliers, grams):
    for i in range(size):
        total = hashes[i]
        for j in range(1, n):
            total += hashes[i + j * stride] * multipliers[j]
        grams[i] = total


@njit(nogil=True, cache=True)
def _distinct(grams, table):
    slots = _slots(len(grams))
    table[:slots] = 0
    shift, found = U(64), 0
    while U(1) << (U(64) - shift) < slots:
        shift -= U(1)
    for i in range(len(grams)):
        gram = max(grams[i], U(1))  # 0 is an empty slot
        slot = gram >> shift  # the upper bits are the more random ones
        while table[slot] != gram:
            if table[slot] == 0:
                table[slot] = gram
                found += 1
                break
            slot = (slot + U(1)) & U(slots - 1)
    return found
