"""Reading texts for commands: JSON lines, plain or zstd, of whatever sort a user has at hand, or a text itself."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

from justtinker_core import PluginError

KEYS = ("text", "response", "completion")
PLAIN = (".txt", ".md")


def read_texts(path: Path) -> list[str]:
    """The texts of a file of JSON lines (``.zst`` too); of a ``.txt`` or ``.md`` file its only one.

    A line is a string, an object with the text under one of `KEYS`, or a line of a run's own ``rollouts/`` files.

    Raises:
        PluginError: names file, line and what was found.
    """
    texts: list[str] = []
    try:
        if path.suffix in PLAIN:
            return [path.read_text(encoding="utf-8")]
        with path.open("rb") as file:
            stream = zstandard.ZstdDecompressor().stream_reader(file) if path.suffix == ".zst" else file
            for number, line in enumerate(io.TextIOWrapper(stream, "utf-8"), 1):
                if line.strip():
                    texts += _texts_of(line, f"{path}, line {number}")
    except FileNotFoundError:
        raise PluginError(f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError, zstandard.ZstdError) as error:
        raise PluginError(
            f"{path} cannot be read as {'text' if path.suffix in PLAIN else 'JSON lines'}: {error}"
        ) from error
    if not texts:
        raise PluginError(f"{path} holds no texts")
    return texts


def _texts_of(line: str, place: str) -> Iterator[str]:
    try:
        record: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise PluginError(f"{place} is no JSON: {error}") from error
    rows = record["rollouts"] if isinstance(record, dict) and "rollouts" in record else [record]
    for row in rows:
        text = next((row[key] for key in KEYS if key in row), None) if isinstance(row, dict) else row
        if not isinstance(text, str):
            raise PluginError(f"{place} holds no text: wanted is a string, or an object with one of {', '.join(KEYS)}")
        yield text
