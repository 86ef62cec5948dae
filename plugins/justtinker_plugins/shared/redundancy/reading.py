"""How a text is read before its words are found: as it is written, or without what a loop can be disguised with.

Whatever the reading, what comes out has no white space but ASCII's and no NUL. A loose reading turns upper case into
lower, masks digits, and drops what is neither a letter nor a digit of ASCII. It knows no words, spellings or synonyms.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import AnyStr

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 18  # bytes worked on at a time: the arrays of one block stay in the cache
_SPACES = b"\t\n\v\f\r\x1c\x1d\x1e\x1f "  # those of ASCII that str.split() takes for white space
_WIDE = [chr(c).encode() for c in range(0x80, 0x3001) if chr(c).isspace()]
_WIDE_SPACE = {  # UTF-8 bytes to a character -> the characters of that size, as numbers
    width: np.array([int.from_bytes(c) for c in _WIDE if len(c) == width], np.uint32) for width in (2, 3)
}
_STARTS_WIDE_SPACE = np.isin(np.arange(1 << 16), [*_WIDE_SPACE[2], *(_WIDE_SPACE[3] >> 8)])


Reading = Callable[[bytes], bytes]

_NUL, _NEVER = b"\0", b"\xff"  # UTF-8 never has the other
_ZEROS = b"0" * 10
_MASKED = bytes.maketrans(_NUL + string.digits.encode(), _NEVER + _ZEROS)
_LOOSE = bytes.maketrans(_SPACES + string.ascii_uppercase.encode(), b" " * 10 + string.ascii_lowercase.encode())
_LOOSE_MASKED = _LOOSE.translate(_MASKED)
_DROPPED = bytes({*range(256)} - {*_SPACES, *string.ascii_letters.encode(), *string.digits.encode()})


def as_written(text: bytes) -> bytes:
    """Different words stay different."""
    return text.replace(_NUL, _NEVER)


def masked(text: bytes) -> bytes:
    """Different words stay different, but for their digits."""
    return text.translate(_MASKED)


def loose(text: bytes) -> bytes:
    """Letters in lower case, digits and spaces. What is dropped leaves no gap: ``**so**, it's`` is ``so its``."""
    return text.translate(_LOOSE, _DROPPED)


def loose_masked(text: bytes) -> bytes:
    """As `loose`, with every digit a 0."""
    return text.translate(_LOOSE_MASKED, _DROPPED)


def encode(text: str) -> bytes:
    """UTF-8; lone surrogates, which strict UTF-8 refuses, take the three bytes that they would have had."""
    return text.encode("utf-8", "surrogatepass")


def blocks(texts: Sequence[AnyStr], size: int = BLOCK) -> Iterator[Sequence[AnyStr]]:
    """The texts in order, in runs of about `size` bytes (or characters), at least one text each."""
    start = total = 0
    for i, text in enumerate(texts):
        total += len(text)
        if total >= size or i == len(texts) - 1:
            yield texts[start : i + 1]
            start, total = i + 1, 0


def read(texts: Sequence[bytes], reading: Reading = as_written) -> list[bytes]:
    """The texts in bytes, with no white space but that of ASCII, and no NUL."""
    return [reading(text) for run in blocks(texts) for text in _with_narrow_spaces(run)]


def is_space(text: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which bytes of what was read are white space."""
    space = text - np.uint8(9) < 5  # tab, newline, …
    space |= text - np.uint8(28) < 5  # the separators, space
    return space


def _with_narrow_spaces(texts: Sequence[bytes]) -> Sequence[bytes]:
    """With as many spaces as it has bytes for each white space beyond ASCII."""
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
    """Places of the bytes of white space beyond ASCII. Data ends with two spaces, if there is any."""
    leads = np.flatnonzero(data - np.uint8(0xC2) < 0xE4 - 0xC2)  # may start one
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
