"""Turn data sets of the Hugging Face hub, or copies in a directory, into problems; count the rows that give none.

``datasets`` decides which files make up a split, and manages the cache (``HF_HOME``, ``HF_DATASETS_CACHE``). Rows are
read in small batches, never a whole set at once. What the columns mean is up to the plugins. A set that cannot be
loaded is an error, unless its plugin names a fallback; a warning says when that is used.
"""

from __future__ import annotations

import logging
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from justtinker_core import DataSpec, NameOrPath, PluginError, Problem, hookimpl, plugin
from justtinker_core.errors import nearest
from justtinker_plugins.shared.rows import BATCH, log_skipped_rows, parquet_rows

log = logging.getLogger("justtinker")


class UnreachableError(PluginError):
    """A set is not in the cache, and the hub cannot be reached or does not have it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One split of one configuration of a set."""

    source: str
    """A hub id or a directory."""
    config: str | None
    split: str

    def __str__(self) -> str:
        return f"{self.source} ({self.config}, {self.split})" if self.config else f"{self.source} ({self.split})"


@dataclass(frozen=True, slots=True)
class Row:
    """A row's cells by column. Column names are in lower case, because copies of a set differ in that."""

    part: Part
    number: int
    """Counted from 1 within its part."""
    cells: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.part}, row {self.number}"

    def cell(self, column: str) -> Any:
        """The value in a column, or in a nested one (``outer.inner``); None if there is none."""
        outer, _, inner = column.partition(".")
        value = self.cells.get(outer)
        return value.get(inner) if inner and isinstance(value, dict) else None if inner else value

    def text(self, column: str) -> str:
        """A cell as text: a number becomes its text, a missing or blank cell the empty text."""
        value = self.cell(column)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = "" if math.isnan(value) else str(value)
        if value is None or (isinstance(value, str) and not value.strip()):
            return ""
        if not isinstance(value, str):
            raise self.complaint(column, "text or a number")
        return value

    def complaint(self, column: str, expected: str) -> PluginError:
        """The error for a cell of the wrong type."""
        return PluginError(f"{self}, column {column!r}: expected {expected}, got {type(self.cell(column)).__name__}")


@plugin
class HubSet:
    """The base of all data sets of the hub. A plugin names the splits and turns a row into a problem."""

    columns: ClassVar[tuple[str, ...]] = ()
    """Columns that the set must have."""
    splits: ClassVar[Mapping[str, str]] = {"train": "train", "eval": "test"}
    """Purpose of the table -> split."""
    hub_config: ClassVar[str | None] = None
    fallback: ClassVar[tuple[str, str | None] | None] = None
    """Hub id and configuration of another copy, used if `source` is left at its default and cannot be reached."""

    source: NameOrPath = ""
    """A hub id, or a directory with a copy of the set."""
    split: str | None = None
    """The split; join several by ``+``."""
    max_characters: Annotated[int, Field(ge=1)] | None = None
    """Leave out longer problems."""

    def __post_init__(self) -> None:
        self.skipped = Counter[str]()
        """Why rows gave no problem when last loaded -> how many."""

    @hookimpl
    def load_problems(self, spec: DataSpec) -> Iterable[Problem]:
        """Load the problems in the set's order; rows that give none are counted by reason and logged.

        PluginError if the set cannot be loaded (with cause and fix), lacks a column, has a cell of the wrong type or
        an id twice, or has no usable row at all.
        """
        try:
            return self.load(spec)
        except PluginError as error:
            raise PluginError(f"[{spec.table}] {error}") from error

    def load(self, spec: DataSpec) -> list[Problem]:
        """Load the problems, with errors that do not name the table."""
        self.skipped.clear()
        problems: dict[str, Problem] = {}
        for row, problem in self.usable(self.rows(spec), spec):
            if problem.id in problems:
                raise PluginError(f"{row}: an earlier row has the same id {problem.id!r}")
            problems[problem.id] = problem
        log_skipped_rows(spec, self.source, len(problems), self.skipped)
        return list(problems.values())

    def usable(self, rows: Iterable[Row], spec: DataSpec) -> Iterator[tuple[Row, Problem]]:
        """The rows that make a problem; the others are counted in `skipped`."""
        for row in rows:
            found = self.problem(row, spec)
            if isinstance(found, Problem) and not found.question:
                found = "no problem"
            if isinstance(found, Problem) and len(found.question) > (self.max_characters or math.inf):
                found = f"longer than {self.max_characters} characters"
            if isinstance(found, str):
                self.skipped[found] += 1
            else:
                yield row, found

    def problem(self, row: Row, spec: DataSpec) -> Problem | str:
        """The row's problem, or a few words on why there is none."""
        raise NotImplementedError

    def parts(self, spec: DataSpec) -> list[Part]:
        """The splits to load."""
        splits = self.split or self.splits[spec.purpose]
        return [Part(self.source, self.hub_config, split.strip()) for split in splits.split("+")]

    def rows(self, spec: DataSpec) -> Iterator[Row]:
        """All rows; those of the fallback, if there is one and the set cannot be reached."""
        try:
            for part in self.parts(spec):
                yield from part_rows(part, self.columns)
        except UnreachableError as error:
            if self.fallback is None or self.source != type(self).source:
                raise
            for part in self.parts(spec):
                yield from self.fallback_rows(spec, part, Part(*self.fallback, part.split), error)

    def fallback_rows(self, spec: DataSpec, part: Part, other: Part, first: PluginError) -> Iterator[Row]:
        """The rows of the fallback, after a warning."""
        rows = part_rows(other, self.columns)
        try:
            row = next(rows, None)
        except PluginError as error:
            raise PluginError(f"{first}\nIts fallback fails too: {error}") from error
        log.warning("[%s] %s CANNOT BE REACHED; using its fallback %s instead", spec.table, part, other)
        if row is not None:
            yield row
        yield from rows


def part_rows(part: Part, columns: Iterable[str]) -> Iterator[Row]:
    """The rows of a split. PluginError if it cannot be loaded or lacks one of the columns."""
    for number, cells in enumerate(part_cells(part), start=1):
        row = Row(part, number, {name.lower(): value for name, value in cells.items()})
        for column in columns if number == 1 else ():
            if column not in row.cells:
                raise PluginError(f"{part} has no column {column!r}{nearest(column, row.cells)}")
        yield row


def part_cells(part: Part) -> Iterator[dict[str, Any]]:
    """The cells of each row of a split. Every failure is a PluginError with cause and fix."""
    directory = Path(os.path.expanduser(part.source))
    if directory.is_file():
        raise PluginError(f"{part.source} is a file: name its directory, or use the data set 'files'")
    try:
        yield from local_rows(directory, part) if directory.is_dir() else hub_rows(part)
    except PluginError:
        raise
    except Exception as error:
        if not directory.is_dir() and is_missing(error):
            raise UnreachableError(
                f"{part} is not in the cache and cannot be loaded from the hub: {type(error).__name__}: {error}. "
                "Either load it once with network access (HF_HUB_OFFLINE unset; it is kept under HF_HOME), or copy it "
                f"and set source = 'DIRECTORY' (there is no directory {part.source})"
            ) from error
        cause = error.__cause__ or error
        raise PluginError(f"{part} cannot be loaded: {type(cause).__name__}: {cause}") from error


def is_missing(error: Exception) -> bool:
    """Whether the set is out of reach: no network, no access or, offline, another configuration (a ValueError)."""
    return isinstance(error, ConnectionError | FileNotFoundError) or "Couldn't find cache for" in str(error)


def hub_rows(part: Part) -> Iterator[dict[str, Any]]:
    """Rows of a set on the hub, by way of the cache.

    `load_dataset` maps the cached files into memory. Streaming them keeps the resident memory small too, and whole
    batches are several times as fast as single rows.
    """
    from datasets import load_dataset

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # else it logs five retries
    cached = load_dataset(part.source, part.config, split=part.split)
    if part.split not in (cached.info.splits or {part.split}):  # a slice: the files would give the whole split
        raise ValueError(f"there is no split {part.split!r}, only {', '.join(cached.info.splits)}; set limit instead")
    files = [file["filename"] for file in cached.cache_files]
    stream = load_dataset("arrow", data_files=files, split="train", streaming=True)
    for table in stream.with_format("arrow").iter(BATCH):
        yield from table.to_pylist()


def local_rows(directory: Path, part: Part) -> Iterator[dict[str, Any]]:
    """Rows of a copy of a set, which has the hub's README (it lists the configurations) or a folder for each."""
    from datasets import get_dataset_config_names, load_dataset, load_dataset_builder

    config = part.config
    if config and config not in get_dataset_config_names(str(directory)):
        directory, config = directory / config, None
        if not directory.is_dir():
            raise ValueError(f"there is neither a folder {directory} nor a README.md that defines {part.config}")
    files = (load_dataset_builder(str(directory), config).config.data_files or {}).get(part.split)
    if files and all(file.endswith(".parquet") for file in files):
        for file in files:
            yield from (cells for _, cells in parquet_rows(Path(file)))
    else:
        yield from load_dataset(str(directory), config, split=part.split, streaming=True)
