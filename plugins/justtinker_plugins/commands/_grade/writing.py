"""Write the records of a grading, one a response: as JSON lines, or as Parquet with a column for each term."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Protocol

from justtinker_core import PluginError
from justtinker_core.errors import nearest
from justtinker_plugins.shared.rows import read_rows

Record = dict[str, Any]
COLUMNS = {
    "file": "string", "row": "int64", "index": "int64", "outcome": "string", "answer": "string", "rung": "string",
    "reason": "string", "total": "float64",
}  # fmt: skip


class Writer(Protocol):
    """Takes records."""

    def add(self, records: Sequence[Record]) -> None:
        """Take the records of a group."""

    def close(self) -> None:
        """Finish the file."""


def writer_of(path: Path, read: Sequence[Path]) -> Writer:
    """Open a file for records; its suffix decides how. PluginError if it cannot be written."""
    kinds: dict[str, Callable[[Path], Writer]] = {".jsonl": JsonLines, ".parquet": Parquet}
    if path.suffix not in kinds:
        raise PluginError(f"--out {path}: the name must end in {' or '.join(kinds)}{nearest(path.suffix, kinds)}")
    if path.resolve() in [file.resolve() for file in read]:
        raise PluginError(f"--out {path} is the file that is read; name another")
    try:
        if path.exists() and not may_overwrite(path):
            raise PluginError(
                f"--out {path} is there, and holds something else than grades; name another, or delete it"
            )
        return kinds[path.suffix](path)
    except OSError as error:
        raise PluginError(f"cannot write {path}: {error.strerror}") from None


def may_overwrite(path: Path) -> bool:
    """Whether a file is empty or what an earlier call has written."""
    with suppress(PluginError):
        first = next(read_rows(path), None)
        return first is None or set(COLUMNS) <= set(first[1])
    return False


class JsonLines:
    """A line for each record."""

    def __init__(self, path: Path) -> None:
        self._file: IO[str] = path.open("w", encoding="utf-8", errors="backslashreplace")

    def add(self, records: Sequence[Record]) -> None:
        """Append lines."""
        for record in records:
            row = {key: value for key, value in record.items() if key != "weights"}
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Parquet:
    """A row for each record. It is held in memory, without texts, and written at the end."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("wb")
        self._columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self._terms: dict[str, list[float | None]] = {}

    def add(self, records: Sequence[Record]) -> None:
        """Append rows; a term that comes late is null before."""
        for record in records:
            for term in record["terms"]:
                self._terms.setdefault(term, [None] * len(self._columns["row"]))
            for name, values in self._columns.items():
                values.append(encodable(record[name]))
            for term, numbers in self._terms.items():
                numbers.append(record["terms"].get(term))

    def close(self) -> None:
        """Write the file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = COLUMNS | {f"terms.{term}": "float64" for term in self._terms}
        arrays = [pa.array(values, types[name]) for name, values in self._columns.items()]
        arrays += [pa.array(numbers, "float64") for numbers in self._terms.values()]
        with self._file:
            pq.write_table(pa.table(arrays, names=list(types)), self._file)


def encodable(value: Any) -> Any:
    """Replace half characters, which Parquet cannot hold, by their escapes."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
