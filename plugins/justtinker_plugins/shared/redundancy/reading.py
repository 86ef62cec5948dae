"""Read texts before their words are counted: as written, or loosely, so that a loop cannot hide behind small changes.

All readings leave only ASCII's white space, and no NUL. Loose ones turn upper case into lower case and drop what is
neither a letter nor a digit of ASCII; masked ones read every digit as 0. None knows words, spellings or synonyms.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import AnyStr

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 18  # bytes at a time: their arrays fit into the cache
SPACES = b"\t\n\v\f\r\x1c\x1d\x1e\x1f "  # ASCII's white space, by str.split()
_WIDE = [chr(c).encode() for c in range(0x80, 0x3001) if chr(c).isspace()]
_WIDE_SPACE = {  # bytes of a character in UTF-8 -> the white space of that width, as numbers
    width: np.array([int.from_bytes(c) for c in _WIDE if len(c) == width], np.uint32) for width in (2, 3)
}
_STARTS_WIDE_SPACE = np.isin(np.arange(1 << 16), [*_WIDE_SPACE[2], *(_WIDE_SPACE[3] >> 8)])


Reading = Callable[[bytes], bytes]

_NUL, _NEVER = b"\0", b"\xff"  # no UTF-8 text has a byte 0xff
_ZEROS = b"0" * 10
_MASKED = bytes.maketrans(_NUL + string.digits.encode(), _NEVER + _ZEROS)
_LOOSE = bytes.maketrans(SPACES + string.ascii_uppercase.encode(), b" " * 10 + string.ascii_lowercase.encode())
_DROPPED = bytes({*range(256)} - {*SPACES, *string.ascii_letters.encode(), *string.digits.encode()})


def as_written(text: bytes) -> bytes:
    """Keep different words different."""
    return text.replace(_NUL, _NEVER)


def masked(text: bytes) -> bytes:
    """Keep different words different, except for their digits."""
    return text.translate(_MASKED)


def loose(text: bytes) -> bytes:
    """Keep lower-case letters, digits and spaces. Dropped bytes leave no gap: ``**so**, it's`` becomes ``so its``."""
    return text.translate(_LOOSE, _DROPPED)


def encode(text: str) -> bytes:
    """Encode as UTF-8, lone surrogates too: they get the three bytes that strict UTF-8 refuses them."""
    return text.encode("utf-8", "surrogatepass")


def blocks(texts: Sequence[AnyStr], size: int = BLOCK) -> Iterator[Sequence[AnyStr]]:
    """Yield the texts in order, in runs of about `size` bytes (or characters), at least one text each."""
    start = total = 0
    for i, text in enumerate(texts):
        total += len(text)
        if total >= size or i == len(texts) - 1:
            yield texts[start : i + 1]
            start, total = i + 1, 0


def read_texts(texts: Sequence[bytes], reading: Reading = as_written) -> list[bytes]:
    """Read encoded texts; the results have only ASCII's white space and no NUL."""
    return [reading(text) for run in blocks(texts) for text in _with_narrow_spaces(run)]


def is_space(text: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find the white space in a text from `read_texts`."""
    space = text - np.uint8(9) < 5  # tab, newline, …
    space |= text - np.uint8(28) < 5  # the separators, space
    return space


def _with_narrow_spaces(texts: Sequence[bytes]) -> Sequence[bytes]:
    """Replace white space beyond ASCII by spaces, one for each byte."""
    beyond = [text for text in texts if not text.isascii()]
    data = np.frombuffer(b"  ".join([*beyond, b""]), np.uint8)
    places = _wide_spaces(data)
    if not len(places):
        return texts
    data = data.copy()
    data[places] = ord(" ")
    joined, ends = data.tobytes(), accumulate(map(len, beyond), lambda at, size: at + 2 + size)
    parts = (joined[end - len(text) : end] for end, text in zip(ends, beyond, strict=True))
    return [text if text.isascii() else next(parts) for text in texts]


def _wide_spaces(data: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Find the bytes of white space beyond ASCII. Data that is not empty must end with two spaces."""
    leads = np.flatnonzero(data - np.uint8(0xC2) < 0xE4 - 0xC2)  # first bytes that such a character may have
    pairs = data[leads].astype(np.uint16) << np.uint16(8) | data[leads + 1]
    likely = np.flatnonzero(_STARTS_WIDE_SPACE[pairs])
    leads, code = leads[likely], pairs[likely].astype(np.uint32)
    places = []
    for width, known in _WIDE_SPACE.items():
        if width == 3:
            code = code << np.uint32(8) | data[leads + 2]
        found = leads[(code[:, None] == known).any(1)]
        places += [found + k for k in range(width)]
    return np.concatenate(places)
