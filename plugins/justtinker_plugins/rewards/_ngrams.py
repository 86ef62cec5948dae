"""The share of repeated word n-grams in many texts at once, in numpy: what a set of tuples says, ten times as fast.

Words are what ``str.split()`` gives, found in the bytes that `_reading.read` makes of a text. Each word is hashed to 64
bits, each n-gram from the hashes of its words; then the n-grams of a text are sorted and equal neighbours counted.

How sure is that? All multipliers are drawn at random when the module is loaded, so that no text can be written to
collide.

- A word is cut into 32-bit pieces p_i (no byte of a word is 0, so that padding with 0 is unambiguous).
  The upper half of ``c + sum a_i p_i mod 2**64`` is strongly universal: for two different words the two values are
  independent and uniform (Dietzfelbinger 1996; Lemire and Kaser, arXiv:1202.4961). Two such halves make the 64-bit hash
  w. So for different words the difference d = w - w' is divisible by 2**s with probability 2**-s. (Words of more than
  32 bytes go through keyed BLAKE2b, taken to be as good.)
- An n-gram is ``w_0 + r_1 w_1 + … + r_k w_k mod 2**64``. Two different ones differ in some word; given its d, with 2**s
  the largest power of two in it, and all else, the random multiplier of that word makes both sums equal modulo 2**t
  with probability at most 2**(min(s, t) - t). On average over d that is at most
  2**-t (1 + sum over s = 1…t of 2**-s 2**(s-1)) = 2**-t (1 + t/2), and 33 x 2**-64 < 2**-58 for t = 64.
- 16-grams are four 4-grams put together in the same way: 2**-64 (1 + 33 x 32) < 2**-53.

So two different n-grams of a text meet with probability below 2**-53, and the chance that anything is miscounted in a
text of 10,000 words is below 2**-27; what it would change is one n-gram in 10,000.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from justtinker_plugins.rewards._reading import blocks

U64 = NDArray[np.uint64]

LONG = 32  # bytes; longer words are rare, and hashed one by one
CUT = 64  # bytes; longer words are cut, if asked
MAX_N = 64

_WORD_A, _WORD_B, _GRAM = np.frombuffer(secrets.token_bytes(3 * 8 * (MAX_N + 1)), np.uint64).reshape(3, -1)
_KEY = secrets.token_bytes(16)
_KEEP = np.array([2 ** (8 * n) - 1 for n in range(9)], np.uint64)  # the first n bytes of a little-endian word
_LOW, _HALF = np.uint64(0xFFFF_FFFF), np.uint64(32)


def repeated_shares(
    texts: Sequence[bytes],
    n: int,
    *,
    min_words: int | None = None,
    cut_long_words: bool = False,
) -> NDArray[np.float64]:
    """1 - distinct / total of each text's word n-grams (N,).

    Args:
        texts: N texts as `read` makes them.
        n: words in a gram, 1 to 64.
        min_words: shorter texts get 0; at least n, and 2n if not given, as in the recipe.
        cut_long_words: read words of more than 64 bytes as words of 8, so that a loop without white space is a loop.
    """
    least = 2 * n if min_words is None else max(min_words, n)
    runs = (_shares(run, n, least, cut_long_words) for run in blocks(texts))
    return np.array([share for run in runs for share in run], np.float64)


def _shares(texts: Sequence[bytes], n: int, min_words: int, cut_long_words: bool) -> Iterator[float]:
    data = np.frombuffer(b"\0".join([b"", *texts, bytes(8)]), np.uint8)
    starts, lengths = _words(data == 0)
    if cut_long_words and int(lengths.max(initial=0)) > CUT:
        starts, lengths = _cut(starts, lengths)
    grams = _gram_hashes(_word_hashes(data, starts, lengths), n)
    first_word = np.searchsorted(starts, list(accumulate(map(len, texts), lambda at, size: at + size + 1, initial=1)))
    for first, stop in pairwise(first_word.tolist()):
        yield _repeated(grams[first : stop - n + 1]) if stop - first >= min_words else 0.0


def _repeated(grams: U64) -> float:
    grams.sort()
    distinct = 1 + int(np.count_nonzero(grams[1:] != grams[:-1]))
    return 1.0 - distinct / len(grams)


def _words(space: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where each word starts, and its length in bytes. Data begins and ends with white space."""
    edges = np.flatnonzero(space[:-1] != space[1:])
    starts = edges[::2] + 1
    return starts, edges[1::2] + 1 - starts


def _cut(starts: NDArray[np.intp], lengths: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The same words, those of more than `CUT` bytes as words of 8 bytes and what is left."""
    pieces = np.where(lengths > CUT, -(-lengths // 8), 1)
    last = np.cumsum(pieces) - 1
    place = np.arange(last[-1] + 1) - np.repeat(last + 1 - pieces, pieces)  # of a piece in its word
    cut = np.where(pieces > 1, 8, lengths).repeat(pieces)
    cut[last] = lengths - 8 * (pieces - 1)
    return np.repeat(starts, pieces) + 8 * place, cut


def _word_hashes(data: NDArray[np.uint8], starts: NDArray[np.intp], lengths: NDArray[np.intp]) -> U64:
    """Of the words at these places, in which no byte is 0."""
    eight_bytes_at = np.ascontiguousarray(np.ndarray((len(data) - 7,), "<u8", data, strides=(1,)))  # to be quick

    def pieces(starts: NDArray[np.intp], lengths: NDArray[np.intp]) -> U64:
        found: U64 = eight_bytes_at.take(starts)
        found &= _KEEP.take(lengths, mode="clip")
        return found

    upper, lower = _multilinear(pieces(starts, lengths), 0)
    longer = np.flatnonzero(lengths > 8)
    for k in range(8, LONG, 8):
        longer = longer[lengths[longer] > k] if k > 8 else longer
        more = _multilinear(pieces(starts[longer] + k, lengths[longer] - k), k // 4)
        upper[longer] += more[0]
        lower[longer] += more[1]
    upper += _WORD_A[-1]
    lower += _WORD_B[-1]
    lower >>= _HALF
    upper &= ~_LOW
    hashes: U64 = np.bitwise_or(upper, lower, out=upper)
    for i in longer[lengths[longer] > LONG].tolist():
        word = data[starts[i] : starts[i] + lengths[i]].tobytes()
        hashes[i] = int.from_bytes(blake2b(word, digest_size=8, key=_KEY).digest())
    return hashes


def _multilinear(eight_bytes: U64, first: int) -> tuple[U64, U64]:
    """Two random combinations of the lower and the upper halves, by the multipliers `first` and `first` + 1."""
    low, high = eight_bytes & _LOW, eight_bytes >> _HALF
    scratch = eight_bytes  # no longer needed: fresh memory is what costs here
    sums = []
    for multipliers in (_WORD_A, _WORD_B):
        total = low * multipliers[first]
        total += np.multiply(high, multipliers[first + 1], out=scratch)
        sums.append(total)
    return sums[0], sums[1]


def _gram_hashes(words: U64, n: int) -> U64:
    """Hash i is that of words i … i + n - 1; the array is n - 1 shorter than that of the words."""
    if n == 16:  # fewer multiplications
        return _combine(_combine(words, 4, 1, _GRAM), 4, 4, _GRAM[4:])
    return _combine(words, n, 1, _GRAM)


def _combine(hashes: U64, n: int, stride: int, multipliers: U64) -> U64:
    size = max(len(hashes) - (n - 1) * stride, 0)
    total, scratch = hashes[:size].copy(), np.empty(size, np.uint64)
    for j in range(1, n):
        total += np.multiply(hashes[j * stride : j * stride + size], multipliers[j], out=scratch)
    return total
