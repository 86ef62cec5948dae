"""An entry's metadata as JSON that loses nothing, and its levels as plain keys of `Problem.meta`.

Some judges compare tuples of the metadata with `==`, or look up numbers as keys; JSON has neither.

>>> from justtinker_plugins.environments._reasoning_gym.entries import levels_of, packed, unpacked
>>> packed({"size": (2, 3), "names": {1: "a"}})
{'size': {'__tuple__': [2, 3]}, 'names': {'__items__': [[1, 'a']]}}
>>> unpacked(packed({"size": (2, 3), "names": {1: "a"}}))
{'size': (2, 3), 'names': {1: 'a'}}
>>> levels_of({"terms": 3, "difficulty": {"terms": (2, 6), "digits": (1, 4)}})
{'terms': 3, 'digits': '1-4'}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHORT = 40
"""Most characters of a text that may be a level."""
_TUPLE, _ITEMS = "__tuple__", "__items__"
_PLACE = ("source_dataset", "source_index")


def packed(value: Any) -> Any:
    """Return a value as JSON has it. Whatever else there is, such as a fraction, becomes a text."""
    if isinstance(value, tuple):
        return {_TUPLE: [packed(part) for part in value]}
    if isinstance(value, list):
        return [packed(part) for part in value]
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: packed(part) for key, part in value.items()}
        return {_ITEMS: [[packed(key), packed(part)] for key, part in value.items()]}
    return value if value is None or isinstance(value, str | int | float) else str(value)


def unpacked(value: Any) -> Any:
    """Undo `packed`."""
    if isinstance(value, list):
        return [unpacked(part) for part in value]
    if not isinstance(value, Mapping):
        return value
    if set(value) == {_TUPLE}:
        return tuple(unpacked(part) for part in value[_TUPLE])
    if set(value) == {_ITEMS}:
        return {unpacked(key): unpacked(part) for key, part in value[_ITEMS]}
    return {key: unpacked(part) for key, part in value.items()}


def levels_of(metadata: Mapping[str, Any]) -> dict[str, str | int]:
    """Return what tables can be made by: each short text or whole number, and each setting of the difficulty.

    A setting that has no value for the single problem keeps the set's: ``(1, 4)`` is the text ``1-4``.
    """
    difficulty = metadata.get("difficulty")
    settings = difficulty if isinstance(difficulty, Mapping) else {"difficulty": difficulty}
    levels: dict[str, str | int] = {
        key: value
        for key, value in metadata.items()
        if key not in _PLACE and (isinstance(value, int) or (isinstance(value, str) and len(value) <= SHORT))
    }
    for key, value in settings.items():
        if value is not None and key not in levels:
            levels[key] = "-".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return levels
