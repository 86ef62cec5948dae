"""The costly loops of the redundancy scores, compiled by numba where it is installed: same numbers, in less time.

`pip install 'justtinker[compiled]'` brings numba; without it, or with ``NUMBA_DISABLE_JIT=1``, numpy and zlib do the
work. numba compiles a loop when it is first called, and keeps the result on disk for the next process.
"""

from __future__ import annotations

import os
from functools import cache

WORTH_IT = 1 << 16
"""Bytes of text; for fewer, numba is not even imported, which takes a second."""


def usable(size: int) -> bool:
    """Whether to work on texts of `size` bytes with compiled loops."""
    return size >= WORTH_IT and works()


@cache
def works() -> bool:
    """Whether numba is here, and switched on."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        return False
    try:
        import numba  # noqa: F401
    except ImportError:  # not installed, or not for this numpy
        return False
    return True
