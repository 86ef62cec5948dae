"""Rows of a JSON, JSON lines, CSV or Parquet file, each with its place, for messages that name it.

What the columns mean is not known here.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zstandard

from justtinker_core import DataSpec, PluginError, rundir

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("justtinker")

Row = tuple[str, dict[str, Any]]
"""Where it stands (``data.jsonl, line 3``) and its cells by column."""

PACKED = (".gz", ".zst")
BATCH = 256  # rows of a Parquet file; those of OpenR1-Math hold 50 kB each


def read_rows(path: Path) -> Iterator[Row]:
    """Every row of a file, whose name says what it is. PluginError where it cannot be read."""
    reader = READERS.get(Path(path.stem).suffix if path.suffix in PACKED else path.suffix)
    if reader is None or (reader is parquet_rows and path.suffix in PACKED):
        raise PluginError(f"{path}: the name must end in {', '.join(READERS)}; text may be packed: {', '.join(PACKED)}")
    if path.is_dir():
        raise PluginError(f"{path} is a folder; name the files in it")
    if not path.exists():
        raise PluginError(f"there is no file {path} (looked for {path.absolute()})")
    return reader(path)


def json_lines_rows(path: Path) -> Iterator[Row]:
    """One object a line; blank lines are passed over."""
    for number, line in enumerate(text_lines(path), start=1):
        if line.strip():
            place = f"{path}, line {number}"
            yield place, as_object(parse_json(line, place), place)


def json_rows(path: Path) -> Iterator[Row]:
    """One list of objects."""
    found = parse_json("".join(text_lines(path)), f"{path}, a list of objects (one object a line goes into .jsonl)")
    if not isinstance(found, list):
        raise PluginError(f"{path}: a list of objects is wanted, found {type(found).__name__}")
    for number, row in enumerate(found, start=1):
        place = f"{path}, row {number}"
        yield place, as_object(row, place)


def csv_rows(path: Path) -> Iterator[Row]:
    """Comma-separated cells under a line of column names; all cells are text."""
    csv.field_size_limit(2**31 - 1)  # 131,072 characters unasked: demonstrations may be longer
    reader = csv.reader(text_lines(path), strict=True)
    try:
        header = next(reader, [])
        check_separator(path, header)
        if len(set(header)) < len(header):
            raise PluginError(f"{path}: a column name stands twice in its first line: {', '.join(header)}")
        for cells in filter(None, reader):
            place = f"{path}, line {reader.line_num}"
            if len(cells) != len(header):
                raise PluginError(f"{place}: {len(cells)} cells where the first line names {len(header)} columns")
            yield place, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise PluginError(f"{path}, line {reader.line_num}: broken CSV: {error}") from None


def check_separator(path: Path, header: list[str]) -> None:
    """PluginError if the one column that a file seems to have is several, with something else than commas between."""
    for name, separator in {"semicolons": ";", "tabs": "\t"}.items():
        if len(header) == 1 and separator in header[0]:
            raise PluginError(
                f"{path}, line 1: {name} seem to separate its columns; save it with commas: {header[0]!r}"
            )


def parquet_rows(path: Path) -> Iterator[Row]:
    """Rows as Python values, nested ones as dicts and lists; in memory that does not grow with the file.

    Whole row groups, as pyarrow and `datasets` decode them unasked, took 2 GiB for DAPO's, of 2**20 rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path, buffer_size=2**20, pre_buffer=False) as file:
            for batch in file.iter_batches(BATCH, use_threads=False):
                for row in python_rows(batch, path, number):
                    number += 1
                    yield f"{path}, row {number}", row
    except (pa.ArrowException, OSError) as error:
        raise PluginError(f"{path} is no whole Parquet file, perhaps cut off: {error}") from None


def python_rows(batch: pa.RecordBatch, path: Path, before: int) -> list[dict[str, Any]]:
    """A batch as Python values. PluginError names the cell that has none: text that is not UTF-8, a date too far."""
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
        return rows
    except (ValueError, OverflowError):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            for number, value in enumerate(column, start=before + 1):
                try:
                    value.as_py()
                except (ValueError, OverflowError) as error:
                    raise PluginError(
                        f"{path}, row {number}: what is in the column {name!r} cannot be read: {error}"
                    ) from None
        raise


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".jsonl": json_lines_rows,
    ".json": json_rows,
    ".csv": csv_rows,
    ".parquet": parquet_rows,
}


def text_lines(path: Path) -> Iterator[str]:
    """Lines of a UTF-8 file, with their ends, unpacked if need be."""
    for number, line in enumerate(unpack(path).splitlines(keepends=True), start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise PluginError(
                f"{path}, line {number}: not UTF-8 (byte 0x{line[error.start]:02x} at position {error.start + 1}); "
                "save the file as UTF-8"
            ) from None


def unpack(path: Path) -> bytes:
    """What a file holds; PluginError if its compression is broken."""
    packed = path.read_bytes()
    unpackers = {".gz": gzip.decompress, ".zst": unpack_zstd}
    try:
        return unpackers[path.suffix](packed) if path.suffix in PACKED else packed
    except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
        raise PluginError(f"{path} cannot be unpacked, perhaps cut off: {error}") from None


def unpack_zstd(packed: bytes) -> bytes:
    """All frames; EOFError if the last one has no end, at which zstandard itself is silent."""
    pieces = list(rundir.unpack(io.BytesIO(packed)))
    if pieces and pieces[-1][1] < len(packed):
        raise EOFError("the last frame has no end")
    return b"".join(content for content, _ in pieces)


def parse_json(text: str, place: str) -> Any:
    """The JSON value of a text."""
    try:
        return json.loads(text.rstrip())  # or a line that ends too early would be told as two
    except json.JSONDecodeError as error:
        what = f"{error.msg} at column {error.colno}" if error.lineno == 1 else str(error)
        raise PluginError(f"{place}: broken JSON: {what}") from None
    except (ValueError, RecursionError) as error:  # a number of too many digits
        raise PluginError(f"{place}: broken JSON: {error}") from None


def as_object(value: Any, place: str) -> dict[str, Any]:
    """The value, if it is an object."""
    if not isinstance(value, dict):
        raise PluginError(f"{place}: an object is wanted, found {type(value).__name__}")
    return value


def report(spec: DataSpec, source: str, used: int, skipped: Counter[str]) -> None:
    """Say how many rows could not be used and why; PluginError if that is all of them."""
    why = "; ".join(f"{reason}: {count:,}" for reason, count in skipped.most_common())
    if not used:
        raise PluginError(f"{source} gives no problem at all ({why or 'it has no rows'})")
    if why:
        log.warning("[%s] %s: %s problems; rows left out: %s", spec.table, source, f"{used:,}", why)
