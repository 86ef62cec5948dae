"""The share of repeated word n-grams in many texts at once, in numpy: what a set of tuples says, ten times as fast.

Words are what ``str.split()`` gives, found in the UTF-8 bytes. Each word is hashed to 64 bits, each n-gram from the
hashes of its words; then the n-grams of a text are sorted and equal neighbours counted.

How sure is that? All multipliers are drawn at random when the module is loaded, so that no text can be written to
collide.

- A word is cut into 32-bit pieces p_i (its bytes xor 0x20, so that no byte is 0 and padding with 0 is unambiguous).
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

U64 = NDArray[np.uint64]

BLOCK = 1 << 18  # bytes worked on at a time: the arrays of one block stay in the cache
LONG = 32  # bytes; longer words are rare, and hashed one by one
CUT = 64  # bytes; longer words are cut, if asked
MAX_N = 64

_WORD_A, _WORD_B, _GRAM = np.frombuffer(secrets.token_bytes(3 * 8 * (MAX_N + 1)), np.uint64).reshape(3, -1)
_KEY = secrets.token_bytes(16)
_KEEP = np.array([2 ** (8 * n) - 1 for n in range(9)], np.uint64)  # the first n bytes of a little-endian word
_LOW, _HALF = np.uint64(0xFFFF_FFFF), np.uint64(32)
_WIDE = [chr(c).encode() for c in range(0x80, 0x3001) if chr(c).isspace()]
_WIDE_SPACE = {  # UTF-8 bytes to a character -> the characters of that size, as numbers
    width: np.array([int.from_bytes(c) for c in _WIDE if len(c) == width], np.uint32) for width in (2, 3)
}
_STARTS_WIDE_SPACE = np.isin(np.arange(1 << 16), [*_WIDE_SPACE[2], *(_WIDE_SPACE[3] >> 8)])


def encode(text: str) -> bytes:
    """UTF-8; lone surrogates, which strict UTF-8 refuses, take the three bytes that they would have had."""
    return text.encode("utf-8", "surrogatepass")


def blocks(texts: Sequence[bytes], size: int = BLOCK) -> Iterator[Sequence[bytes]]:
    """The texts in order, in runs of about `size` bytes, at least one text each."""
    start = total = 0
    for i, text in enumerate(texts):
        total += len(text)
        if total >= size or i == len(texts) - 1:
            yield texts[start : i + 1]
            start, total = i + 1, 0


def repeated_shares(
    texts: Sequence[bytes],
    n: int,
    *,
    min_words: int | None = None,
    mask_digits: bool = False,
    cut_long_words: bool = False,
) -> NDArray[np.float64]:
    """1 - distinct / total of each text's word n-grams (N,).

    Args:
        texts: N texts as `encode` makes them.
        n: words in a gram, 1 to 64.
        min_words: shorter texts get 0; at least n, and 2n if not given, as in the recipe.
        mask_digits: read every digit 0-9 as 0, so that a loop that counts upwards is a loop.
        cut_long_words: read words of more than 64 bytes as words of 8, so that a loop without white space is a loop.
    """
    least = 2 * n if min_words is None else max(min_words, n)
    runs = (_shares(run, n, least, mask_digits, cut_long_words) for run in blocks(texts))
    return np.array([share for run in runs for share in run], np.float64)


def _shares(texts: Sequence[bytes], n: int, min_words: int, mask_digits: bool, cut_long_words: bool) -> Iterator[float]:
    data = np.frombuffer(b" " + b" ".join(texts) + b" " * 8, np.uint8)
    starts, lengths = _words(_white_space(data))
    if cut_long_words and int(lengths.max(initial=0)) > CUT:
        starts, lengths = _cut(starts, lengths)
    if mask_digits:
        data = data & ~((data - np.uint8(48) < 10) * np.uint8(0x0F))
    grams = _gram_hashes(_word_hashes(data ^ np.uint8(0x20), starts, lengths), n)
    first_word = np.searchsorted(starts, list(accumulate(map(len, texts), lambda at, size: at + size + 1, initial=1)))
    for first, stop in pairwise(first_word.tolist()):
        yield _repeated(grams[first : stop - n + 1]) if stop - first >= min_words else 0.0


def _repeated(grams: U64) -> float:
    grams.sort()
    distinct = 1 + int(np.count_nonzero(grams[1:] != grams[:-1]))
    return 1.0 - distinct / len(grams)


def _white_space(data: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which bytes belong to white space. Data ends with two ASCII spaces or more."""
    space: NDArray[np.bool_] = data - np.uint8(28) < 5  # space, and four separators that str.split() takes for one
    space |= data - np.uint8(9) < 5  # \t \n \v \f \r
    leads = np.flatnonzero(data - np.uint8(0xC2) < 0xE4 - 0xC2)  # may start a wider white space
    if len(leads):
        _mark_wide_spaces(data, leads, space)
    return space


def _mark_wide_spaces(data: NDArray[np.uint8], leads: NDArray[np.intp], space: NDArray[np.bool_]) -> None:
    pairs = data[leads].astype(np.uint16) << np.uint16(8) | data[leads + 1]
    likely = np.flatnonzero(_STARTS_WIDE_SPACE[pairs])
    if not len(likely):
        return
    leads, code = leads[likely], pairs[likely].astype(np.uint32)
    for width, known in _WIDE_SPACE.items():
        if width == 3:
            code = code << np.uint32(8) | data[leads + 2]
        found = leads[(code[:, None] == known).any(1)]
        for k in range(width):
            space[found + k] = True


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
