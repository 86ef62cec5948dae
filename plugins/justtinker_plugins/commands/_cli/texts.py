"""Reads texts for commands: from JSON lines in several forms, plain or zstd, or from a text file."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

from justtinker_core import PluginError

KEYS = ("text", "response", "completion")
TEXT_FILES = (".txt", ".md")


def read_texts(path: Path) -> list[str]:
    """Read the texts of a file of JSON lines (``.zst`` too), or the one text of a ``.txt`` or ``.md`` file.

    A line is a string, an object with the text under one of `KEYS`, or a line of a run's ``rollouts/`` files.

    Raises:
        PluginError: names the file, the line and what is wrong there.
    """
    texts: list[str] = []
    try:
        if path.suffix in TEXT_FILES:
            return [path.read_text(encoding="utf-8")]
        with path.open("rb") as file:
            stream = zstandard.ZstdDecompressor().stream_reader(file) if path.suffix == ".zst" else file
            for number, line in enumerate(io.TextIOWrapper(stream, "utf-8"), 1):
                if line.strip():
                    texts += _texts_of(line, f"{path}, line {number}")
    except FileNotFoundError:
        raise PluginError(f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError, zstandard.ZstdError) as error:
        expected = "UTF-8 text" if path.suffix in TEXT_FILES else "JSON lines"
        raise PluginError(f"cannot read {path} as {expected}: {error}") from error
    if not texts:
        raise PluginError(f"{path} holds no texts")
    return texts


def _texts_of(line: str, location: str) -> Iterator[str]:
    try:
        record: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise PluginError(f"{location} is no JSON: {error}") from error
    rows = record["rollouts"] if isinstance(record, dict) and "rollouts" in record else [record]
    for row in rows:
        text = next((row[key] for key in KEYS if key in row), None) if isinstance(row, dict) else row
        if not isinstance(text, str):
            raise PluginError(f"{location} holds no text: expected a string, or an object with {' or '.join(KEYS)}")
        yield row.get("opened", "") + text if isinstance(row, dict) else text
