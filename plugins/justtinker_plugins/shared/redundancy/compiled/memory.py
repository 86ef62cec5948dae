"""Instructions that numba does not offer by itself, and the texts of a batch as one array.

numba does not notice when a compiled function that another file uses has changed: after editing this file, delete the
`__pycache__` beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

PADDING = 272
"""Bytes behind the last text that may be read: more than zlib's longest match."""


def join(texts: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Put texts one after the other; return the bytes and where each begins, and the last ends (N + 1,)."""
    ends = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=ends[1:])
    return np.frombuffer(b"".join([*texts, bytes(PADDING)]), np.uint8), ends


@intrinsic
def load(_: Any, base: Any, at: Any) -> Any:
    """The eight bytes at address `base` + `at`, as a little-endian number; nothing checks the address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = builder.add(*arguments)
        return builder.load(builder.inttoptr(address, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(types.uintp, types.intp), generate


@intrinsic
def reverse_bytes(_: Any, number: Any) -> Any:
    """The eight bytes of a number in reverse."""
    return types.uint64(types.uint64), lambda context, builder, signature, arguments: builder.bswap(arguments[0])


@intrinsic
def trailing_zeros(_: Any, number: Any) -> Any:
    """How many of the lowest bits of a number other than 0 are 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate
