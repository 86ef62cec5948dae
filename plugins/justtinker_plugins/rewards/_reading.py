"""How a text is read before its words are found: as it is written, or without what a loop can be disguised with.

One `bytes.translate` does it: white space of every kind becomes byte 0, which no word then holds, and a loose reading
also turns upper case into lower, masks digits, and drops what is neither a letter nor a digit of ASCII. It knows no
words, spellings or synonyms.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 18  # bytes worked on at a time: the arrays of one block stay in the cache
_SPACES = b" \t\n\v\f\r\x1c\x1d\x1e\x1f"  # those of ASCII that str.split() takes for white space
_WIDE = [chr(c).encode() for c in range(0x80, 0x3001) if chr(c).isspace()]
_WIDE_SPACE = {  # UTF-8 bytes to a character -> the characters of that size, as numbers
    width: np.array([int.from_bytes(c) for c in _WIDE if len(c) == width], np.uint32) for width in (2, 3)
}
_STARTS_WIDE_SPACE = np.isin(np.arange(1 << 16), [*_WIDE_SPACE[2], *(_WIDE_SPACE[3] >> 8)])


class Reading(NamedTuple):
    """What each byte becomes, and the bytes that are dropped."""

    table: bytes
    dropped: bytes = b""


def _as_written(mask_digits: bool) -> Reading:
    """Different words stay different, but for masked digits. Xor keeps NUL apart from white space."""
    table = bytearray(c ^ 0x20 if c < 0x80 else c for c in range(256))
    for c in _SPACES:
        table[c] = 0
    for c in string.digits.encode() if mask_digits else b"":
        table[c] = table[ord("0")]
    return Reading(bytes(table))


def _loose(mask_digits: bool) -> Reading:
    """Letters in lower case, digits and white space. What is dropped leaves no gap: ``**so**, it's`` is ``so its``."""
    letters = bytes.maketrans(string.ascii_uppercase.encode(), string.ascii_lowercase.encode())
    digits = bytes.maketrans(string.digits.encode(), b"0" * 10 if mask_digits else string.digits.encode())
    spaces = bytes.maketrans(_SPACES, bytes(len(_SPACES)))
    kept = {*string.ascii_letters.encode(), *string.digits.encode(), *_SPACES}
    return Reading(letters.translate(digits).translate(spaces), bytes(c for c in range(256) if c not in kept))


AS_WRITTEN = _as_written(False)
MASKED = _as_written(True)
LOOSE = {mask_digits: _loose(mask_digits) for mask_digits in (False, True)}


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


def read(texts: Sequence[bytes], reading: Reading = AS_WRITTEN) -> list[bytes]:
    """The texts in bytes of which 0, and nothing but 0, is white space."""
    return [text.translate(*reading) for run in blocks(texts) for text in _with_narrow_spaces(run)]


def letters_in(text: bytes) -> int:
    """How many bytes of a text that was read are not white space."""
    return int(np.count_nonzero(np.frombuffer(text, np.uint8)))


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
