"""JSON as its standard has it: Python's reader also takes NaN, numbers too large for a float and a key twice."""

from __future__ import annotations

import json
import math
from typing import Any


def strict_json(text: str | bytes) -> Any:
    """Read one JSON value. ValueError, or RecursionError if it is too deep for Python.

    >>> strict_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: an object has the key 'a' twice
    """
    return json.loads(text, object_pairs_hook=_table, parse_constant=_refuse, parse_float=_finite)


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"an object has the key {twice!r:.60} twice")
    return table


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not in JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text:.40} is too large")
    return number
