"""Count repeated word n-grams in many texts at once, in numpy: what sets of tuples would give, ten times as fast.

Words are those of ``str.split()``, found in the bytes that `reading.read_texts` returns. (Where numba is installed,
`compiled.ngrams` does the same faster.) Each word is hashed to 64
bits, and each n-gram from the hashes of its words; then the n-grams of a text are sorted and equal neighbours counted.

How likely is a collision? All multipliers are drawn at random when the module is loaded, so nobody can write a text
that collides. What matters of two different words is the power 2**s by which the difference of their hashes is
divisible.

- The first 8 bytes of a word are a number x (no byte of a word is 0, so that padding with 0 is unambiguous). Its hash
  is ``a x mod 2**64``, a odd, with the bytes in reverse: different x, different hashes. The upper m bits of two such
  products agree with probability at most 2**(1 - m) (Dietzfelbinger et al., J. Algorithms 25, 1997), and these come
  last, byte by byte; so the difference is divisible by 2**s with probability at most 2**(8 - s).
- Of a longer word, the rest is cut into 32-bit pieces p_i. The upper half of ``c + sum b_i p_i mod 2**64`` is strongly
  universal: for two different rests the two values are independent and uniform (Dietzfelbinger 1996; Lemire and Kaser,
  arXiv:1202.4961). Two such halves are added to the hash: now it is 2**-s. (Words of more than 32 bytes go through
  keyed BLAKE2b, taken to be as good.)
- An n-gram is ``w_0 + r_1 w_1 + … + r_k w_k mod 2**64``. Two different ones differ in some word; given that word's s
  and all else, its random multiplier makes both sums equal modulo 2**t with probability at most 2**(min(s, t) - t). On
  average over s that is at most 2**-t (1 + sum over s = 1…t of 2**(8 - s) 2**(s - 1)) = 2**-t (1 + 128 t), and
  8193 x 2**-64 < 2**-50 for t = 64.
- 16-grams are four 4-grams put together in the same way: at most 2**-64 (1 + sum over t = 1…64 of (1 + 128 t) / 2),
  which is below 2**-46.

So in a text of 10,000 words, with its 2**26 pairs of n-grams, the chance of any miscount is below 2**-20; it would
change one n-gram in 10,000.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from hashlib import blake2b
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from justtinker_plugins.shared.redundancy.compiled import usable
from justtinker_plugins.shared.redundancy.reading import (
    BLOCK,
    Reading,
    as_written,
    blocks,
    is_space,
    masked,
    read_texts,
)

U64 = NDArray[np.uint64]

LONG = 32  # bytes; longer words are rare and hashed one by one
CUT = 64  # bytes; longer words are cut on request
MAX_N = 64

_WORD_A, _WORD_B, _GRAM = np.frombuffer(secrets.token_bytes(3 * 8 * (MAX_N + 1)), np.uint64).reshape(3, -1)
_ODD = np.uint64(secrets.randbits(64) | 1)
_KEY = secrets.token_bytes(16)
_KEEP = np.array([2 ** (8 * n) - 1 for n in range(9)], np.uint64)  # the first n bytes of a little-endian word
_ONES = np.uint64(0x0101_0101_0101_0101)
_LOW, _HALF = np.uint64(0xFFFF_FFFF), np.uint64(32)


class Counts(NamedTuple):
    """What `repeated_shares` counts in N texts."""

    shares: NDArray[np.float64]
    """1 - distinct / total of the n-grams (N,)."""
    letters: NDArray[np.int64]
    """Bytes of words (N,)."""
    words: NDArray[np.int64]
    """Words (N,), 0 if not asked for."""
    different: NDArray[np.int64]
    """Different words, by their first 8 bytes (N,), 0 if not asked for."""
    rare: NDArray[np.int64]
    """Those of them that occur once or twice or have a digit (N,), 0 if not asked for."""


def repeated_shares(
    texts: Sequence[bytes],
    n: int,
    *,
    reading: Reading = as_written,
    mask_digits: bool = False,
    vocabulary: bool = False,
    min_words: int | None = None,
    cut_long_words: bool = False,
    pool: Executor | None = None,
) -> Counts:
    """Count each text's word n-grams and those that are repeated.

    Args:
        texts: N encoded texts.
        n: words in a gram, 1 to 64.
        reading: how to read them.
        mask_digits: read every digit as 0 in the n-grams; only if `reading` is `loose`.
        vocabulary: count different and rare words too, with their digits.
        min_words: texts with fewer words get 0; at least n; the default is 2n, as in the recipe.
        cut_long_words: cut words of more than 64 bytes into words of 8, to catch loops without white space.
        pool: threads that count, or only sort, when they have time. Each takes a whole run of texts at a time: two
            threads that compete for the interpreter lock are slower than one.
    """
    least = 2 * n if min_words is None else max(min_words, n)
    texts = read_texts(texts, reading)
    count = _compiled if usable(sum(map(len, texts))) else _in_numpy
    return count(texts, n, least, mask_digits, vocabulary, cut_long_words, pool)


def _compiled(
    texts: Sequence[bytes],
    n: int,
    least: int,
    mask_digits: bool,
    vocabulary: bool,
    cut_long_words: bool,
    pool: Executor | None,
) -> Counts:
    """Do `repeated_shares` of texts as they are read, with numba."""
    from justtinker_plugins.shared.redundancy.compiled.ngrams import count

    longest = CUT if cut_long_words else 1 << 62

    def work(run: Sequence[bytes]) -> NDArray[np.int64]:
        return count(run, n, least, longest, mask_digits, vocabulary)

    tasks = [(run, pool.submit(work, run) if pool else None) for run in blocks(texts)]
    counted = [work(run) if task is None or task.cancel() else task.result() for run, task in reversed(tasks)]
    totals, distinct, *others = np.concatenate(counted[::-1], axis=1)
    shares = np.array([1.0 - d / t if t else 0.0 for d, t in zip(distinct.tolist(), totals.tolist(), strict=True)])
    left = np.flatnonzero(totals < 0).tolist()
    by_numpy = _in_numpy([texts[i] for i in left], n, least, mask_digits, vocabulary, cut_long_words, pool)
    for column, values in zip((shares, *others), by_numpy, strict=True):
        column[left] = values
    return Counts(shares, *others)


def _in_numpy(
    texts: Sequence[bytes],
    n: int,
    least: int,
    mask_digits: bool,
    vocabulary: bool,
    cut_long_words: bool,
    pool: Executor | None,
) -> Counts:
    """Do `repeated_shares` of texts as they are read."""
    runs = []
    counts = np.zeros((4, len(texts)), np.int64)
    for run in _runs(texts):
        words = _Words([texts[i] for i in run], cut_long_words)
        totals, grams = words.grams(n, least, mask_digits)
        counts[0, run] = words.letters()
        if vocabulary:
            counts[1:, run] = words.vocabulary()
        runs.append((run, totals, grams, pool.submit(_distinct, grams) if pool else None))
    shares = np.zeros(len(texts))
    for run, totals, grams, task in reversed(runs):  # the pool starts at the other end
        distinct = _distinct(grams) if task is None or task.cancel() else task.result()
        shares[run] = [1.0 - some / total if total else 0.0 for some, total in zip(distinct, totals, strict=True)]
    return Counts(shares, *counts)


def _runs(texts: Sequence[bytes]) -> Iterator[list[int]]:
    """Group texts of similar length, by index: about `BLOCK` bytes a group, at most twice that if padded."""
    run: list[int] = []
    size = 0
    for i in sorted(range(len(texts)), key=lambda i: len(texts[i])):
        if run and (size >= BLOCK or (len(run) + 1) * len(texts[i]) > 2 * BLOCK):
            yield run
            run, size = [], 0
        run.append(i)
        size += len(texts[i])
    if run:
        yield run


class _Words:
    """The words of a run of texts; no byte of them may be 0."""

    def __init__(self, texts: Sequence[bytes], cut_long_words: bool) -> None:
        self.data = np.frombuffer(b" ".join([b"", *texts, b" " * 8]), np.uint8)
        self.starts, self.lengths = _words(is_space(self.data))
        if cut_long_words and int(self.lengths.max(initial=0)) > CUT:
            self.starts, self.lengths = _cut(self.starts, self.lengths)
        ends = accumulate(map(len, texts), lambda at, size: at + size + 1, initial=1)
        self.first = np.searchsorted(self.starts, list(ends))  # word of each text, and the last one's end
        self.eight_bytes_at = np.ascontiguousarray(np.ndarray((len(self.data) - 7,), "<u8", self.data, strides=(1,)))
        self.beginnings = self._pieces(self.starts, self.lengths)

    def letters(self) -> NDArray[np.int64]:
        return np.diff(np.concatenate([[0], np.cumsum(self.lengths)])[self.first])

    def grams(self, n: int, least: int, mask_digits: bool) -> tuple[list[int], NDArray[np.int64]]:
        """Count the n-grams of each text (0 if it has fewer than `least` words), and hash them.

        The hashes are (N, most n-grams): a row for each text, filled up with its first hash.
        """
        hashes = _gram_hashes(self._hashes(mask_digits), n).view(np.int64)
        first_word = self.first.tolist()
        totals = [stop - first - n + 1 if stop - first >= least else 0 for first, stop in pairwise(first_word)]
        return totals, _rows(hashes, first_word, totals)

    def vocabulary(self) -> NDArray[np.int64]:
        """Count the words of each text, the different ones by their first 8 bytes, and the rare ones (3, N)."""
        keys = self.beginnings.view(np.int64).copy()
        found = np.zeros((3, len(self.first) - 1), np.int64)
        for j, (first, stop) in enumerate(pairwise(self.first.tolist())):
            one = keys[first:stop]
            one.sort()
            different = int(stop > first) + int(np.count_nonzero(one[1:] != one[:-1]))
            third = np.concatenate([[False], one[2:] == one[:-2]])  # from its third occurrence on
            frequent = one[1:-1][third[1:] > third[:-1]].view(np.uint64)
            digits = (~frequent >> np.uint64(6)) & (frequent >> np.uint64(5)) & _ONES  # bit 5 but not bit 6
            found[:, j] = stop - first, different, different - np.count_nonzero(digits == 0)
        return found

    def _pieces(self, starts: NDArray[np.intp], lengths: NDArray[np.intp]) -> U64:
        """The first 8 bytes from each place on, or fewer."""
        found: U64 = self.eight_bytes_at.take(starts)
        found &= _KEEP.take(lengths, mode="clip")
        return found

    def _hashes(self, mask_digits: bool) -> U64:
        """Hash the words."""
        hide = _mask if mask_digits else np.copy
        hashes = hide(self.beginnings)
        hashes *= _ODD
        hashes.byteswap(inplace=True)
        longer = np.flatnonzero(self.lengths > 8)
        starts, lengths = self.starts[longer] + 8, self.lengths[longer] - 8  # of the rests
        upper, lower = _multilinear(hide(self._pieces(starts, lengths)), 0)
        for k in range(8, LONG - 8, 8):
            more = np.flatnonzero(lengths > k)
            sums = _multilinear(hide(self._pieces(starts[more] + k, lengths[more] - k)), k // 4)
            upper[more] += sums[0]
            lower[more] += sums[1]
        hashes[longer] += (upper + _WORD_A[-1] & ~_LOW) | (lower + _WORD_B[-1] >> _HALF)
        for i in np.flatnonzero(lengths > LONG - 8).tolist():
            word = self.data[starts[i] - 8 : starts[i] + lengths[i]].tobytes()
            word = masked(word) if mask_digits else word
            hashes[longer[i]] = int.from_bytes(blake2b(word, digest_size=8, key=_KEY).digest())
        return hashes


def _mask(pieces: U64) -> U64:
    """Turn the digits of words that are read loosely into 0: unlike letters, they have no bit 6."""
    digits = ~pieces
    digits >>= np.uint64(6)
    digits &= _ONES
    digits *= np.uint64(0x0F)
    return pieces & ~digits


def _rows(hashes: NDArray[np.int64], first_word: list[int], totals: list[int]) -> NDArray[np.int64]:
    rows = np.empty((len(totals), max(totals)), np.int64)
    for row, first, total in zip(rows, first_word, totals, strict=False):
        row[:total] = hashes[first : first + total]
        row[total:] = row[0] if total else 0
    return rows


def _distinct(rows: NDArray[np.int64]) -> list[int]:
    """Count the different numbers in each row, which it sorts."""
    rows.sort(axis=1)  # signed: an eighth faster
    changes = rows[:, 1:] != rows[:, :-1]
    return [1 + int(np.count_nonzero(row)) for row in changes]


def _words(space: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the start of each word and its length in bytes. The data must begin and end with white space."""
    edges = np.flatnonzero(space[:-1] != space[1:])
    starts = edges[::2] + 1
    return starts, edges[1::2] + 1 - starts


def _cut(starts: NDArray[np.intp], lengths: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Cut words of more than `CUT` bytes into words of 8 bytes and a rest."""
    pieces = np.where(lengths > CUT, -(-lengths // 8), 1)
    last = np.cumsum(pieces) - 1
    place = np.arange(last[-1] + 1) - np.repeat(last + 1 - pieces, pieces)  # of a piece within its word
    cut = np.where(pieces > 1, 8, lengths).repeat(pieces)
    cut[last] = lengths - 8 * (pieces - 1)
    return np.repeat(starts, pieces) + 8 * place, cut


def _multilinear(eight_bytes: U64, first: int) -> tuple[U64, U64]:
    """Combine the lower and upper halves at random, twice, with the multipliers `first` and `first` + 1."""
    low, high = eight_bytes & _LOW, eight_bytes >> _HALF
    a, b = (low * each[first] + high * each[first + 1] for each in (_WORD_A, _WORD_B))
    return a, b


def _gram_hashes(words: U64, n: int) -> U64:
    """Hash n-grams: hash i is of the words i … i + n - 1, so there are n - 1 fewer than words."""
    if n == 16:  # fewer multiplications
        return _combine(_combine(words, 4, 1, _GRAM), 4, 4, _GRAM[4:])
    return _combine(words, n, 1, _GRAM)


def _combine(hashes: U64, n: int, stride: int, multipliers: U64) -> U64:
    size = max(len(hashes) - (n - 1) * stride, 0)
    total, scratch = hashes[:size].copy(), np.empty(size, np.uint64)
    for j in range(1, n):
        total += np.multiply(hashes[j * stride : j * stride + size], multipliers[j], out=scratch)
    return total
