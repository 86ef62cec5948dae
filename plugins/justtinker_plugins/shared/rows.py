"""Read the rows of JSON, JSON lines, CSV and Parquet files, each with its place, which errors name."""

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
"""The place of a row (``data.jsonl, line 3``) and its cells by column."""

PACKED = (".gz", ".zst")
BATCH = 256  # rows of a Parquet file; one of OpenR1-Math takes 50 kB


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file; its suffix says how to read it. PluginError if it cannot be read."""
    reader = READERS.get(Path(path.stem).suffix if path.suffix in PACKED else path.suffix)
    if reader is None or (reader is parquet_rows and path.suffix in PACKED):
        raise PluginError(f"{path}: the name must end in {', '.join(READERS)}; text may be packed: {', '.join(PACKED)}")
    if path.is_dir():
        raise PluginError(f"{path} is a folder; name the files in it")
    if not path.exists():
        raise PluginError(f"there is no file {path}{elsewhere_hint(path)}")
    return reader(path)


def elsewhere_hint(path: Path) -> str:
    """Return a hint to append to an error, if the end of a path leads to a file in the working directory."""
    for n in range(1, len(path.parts)) if path.is_absolute() else ():
        if (end := Path(*path.parts[n:])).is_file():
            return f"; the working directory has {end}, but a path in a config begins at the config's folder"
    return ""


def json_lines_rows(path: Path) -> Iterator[Row]:
    """Yield the object in each line; skip blank lines."""
    for number, line in enumerate(text_lines(path), start=1):
        if line.strip():
            place = f"{path}, line {number}"
            yield place, as_object(parse_json(line, place), place)


def json_rows(path: Path) -> Iterator[Row]:
    """Yield the objects of one list."""
    found = parse_json("".join(text_lines(path)), f"{path}, a list of objects (one object a line goes into .jsonl)")
    if not isinstance(found, list):
        raise PluginError(f"{path}: expected a list of objects, got {type(found).__name__}")
    for number, row in enumerate(found, start=1):
        place = f"{path}, row {number}"
        yield place, as_object(row, place)


def csv_rows(path: Path) -> Iterator[Row]:
    """Yield rows of comma-separated cells, all text, under a line of column names."""
    csv.field_size_limit(2**31 - 1)  # the default is 131,072 characters; demonstrations may be longer
    reader = csv.reader(text_lines(path), strict=True)
    try:
        header = next(reader, [])
        check_separator(path, header)
        if len(set(header)) < len(header):
            raise PluginError(f"{path}: the first line names a column twice: {', '.join(header)}")
        for cells in filter(None, reader):
            place = f"{path}, line {reader.line_num}"
            if len(cells) != len(header):
                raise PluginError(f"{place}: expected {len(header)} cells, one for each column, got {len(cells)}")
            yield place, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise PluginError(f"{path}, line {reader.line_num}: broken CSV: {error}") from None


def check_separator(path: Path, header: list[str]) -> None:
    """Raise PluginError if the cells of a file are separated by something other than commas."""
    for name, separator in {"semicolons": ";", "tabs": "\t"}.items():
        if len(header) == 1 and separator in header[0]:
            raise PluginError(
                f"{path}, line 1: {name} seem to separate its columns; save it with commas: {header[0]!r}"
            )


def parquet_rows(path: Path) -> Iterator[Row]:
    """Yield rows as Python values, nested ones as dicts and lists, in bounded memory.

    pyarrow and `datasets` decode whole row groups by default; DAPO's, of 2**20 rows, took 2 GiB.
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
        raise PluginError(f"{path} is not a complete Parquet file, perhaps cut off: {error}") from None


def python_rows(batch: pa.RecordBatch, path: Path, before: int) -> list[dict[str, Any]]:
    """Convert a batch to Python values. PluginError names a cell that has none: text not in UTF-8, a date too far."""
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
                        f"{path}, row {number}: the cell in the column {name!r} cannot be read: {error}"
                    ) from None
        raise


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".jsonl": json_lines_rows,
    ".json": json_rows,
    ".csv": csv_rows,
    ".parquet": parquet_rows,
}


def text_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file with their ends; unpack it first if it is compressed."""
    for number, line in enumerate(unpack(path).splitlines(keepends=True), start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise PluginError(
                f"{path}, line {number}: not UTF-8 (byte 0x{line[error.start]:02x} at position {error.start + 1}); "
                "save the file as UTF-8"
            ) from None


def unpack(path: Path) -> bytes:
    """Read a file and unpack it; PluginError if its compression is broken."""
    packed = path.read_bytes()
    unpackers = {".gz": gzip.decompress, ".zst": unpack_zstd}
    try:
        return unpackers[path.suffix](packed) if path.suffix in PACKED else packed
    except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
        raise PluginError(f"{path} cannot be unpacked, perhaps cut off: {error}") from None


def unpack_zstd(packed: bytes) -> bytes:
    """Unpack all frames; EOFError if the last one has no end, which zstandard itself would not say."""
    pieces = list(rundir.unpack(io.BytesIO(packed)))
    if pieces and pieces[-1][1] < len(packed):
        raise EOFError("the last frame has no end")
    return b"".join(content for content, _ in pieces)


def parse_json(text: str, place: str) -> Any:
    """Parse a text as JSON; PluginError names the place."""
    try:
        return json.loads(text.rstrip())  # with its line end, an error would speak of two lines
    except json.JSONDecodeError as error:
        what = f"{error.msg} at column {error.colno}" if error.lineno == 1 else str(error)
        raise PluginError(f"{place}: broken JSON: {what}") from None
    except (ValueError, RecursionError) as error:  # a number with too many digits
        raise PluginError(f"{place}: broken JSON: {error}") from None


def as_object(value: Any, place: str) -> dict[str, Any]:
    """Return the value if it is an object; else raise PluginError."""
    if not isinstance(value, dict):
        raise PluginError(f"{place}: expected an object, got {type(value).__name__}")
    return value


def log_skipped_rows(spec: DataSpec, source: str, used: int, skipped: Counter[str]) -> None:
    """Log how many rows were skipped and why; PluginError if that is all of them."""
    why = "; ".join(f"{reason}: {count:,}" for reason, count in skipped.most_common())
    if not used:
        raise PluginError(f"{source} gives no problem at all ({why or 'it has no rows'})")
    if why:
        log.warning("[%s] %s: %s problems; rows left out: %s", spec.table, source, f"{used:,}", why)
