"""JSON lines of any file, however long it is, each with its place."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard

from justtinker_core import PluginError
from justtinker_core.rundir import unpack

log = logging.getLogger("justtinker")

CHUNK = 1 << 17


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file."""

    file: Path
    number: int
    text: bytes
    read: int = 0
    """How many bytes of the file had been read when it came."""

    @property
    def place(self) -> str:
        """As an error names it."""
        return f"{self.file}, line {self.number}"


def lines(path: Path) -> Iterator[Line]:
    """The lines of a file of JSON lines (``.zst`` too) that are not blank. What is cut off at its end is left out, and
    said; a file that cannot be read at all is a PluginError."""
    number, parts, read = 0, [], 0
    try:
        for read, chunk in _chunks(path):
            first, *others = chunk.split(b"\n")
            parts.append(first)
            for text in others:
                number += 1
                if whole := b"".join(parts).strip():
                    yield Line(path, number, whole, read)
                parts = [text]
    except (OSError, zstandard.ZstdError) as error:
        if not number:
            raise PluginError(f"{path} cannot be read as JSON lines: {error}") from error
        log.warning("%s is damaged after line %d and left out from there: %s", path, number, error)
        return
    if rest := b"".join(parts).strip():
        if _is_json(rest):
            yield Line(path, number + 1, rest, read)
        else:
            log.warning("%s is cut off in line %d: what is whole before it is used", path, number + 1)


def _chunks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Pieces of a file, unpacked, each with how many bytes have been read so far."""
    with path.open("rb") as file:
        if path.suffix != ".zst":
            while chunk := file.read(CHUNK):
                yield file.tell(), chunk
            return
        end = 0
        for content, whole in unpack(file):
            yield file.tell(), content
            end = whole
        if end < file.tell():
            log.warning("%s is cut off in the middle of a frame: its last lines may be missing", path)


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
