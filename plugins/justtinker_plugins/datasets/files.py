"""Problems from your own files: JSON lines, JSON and CSV (plain or packed with gz or zst), and Parquet.

It finds the usual column names by itself, those of verl's Parquet included (``prompt`` is a list of messages,
``reward_model.ground_truth`` the answer). Answers stay as they are; the verifier interprets them. Nothing is fetched
from a network.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from justtinker_core import DataSpec, PluginError, Problem, hookimpl, plugin
from justtinker_core.errors import nearest
from justtinker_plugins.shared.cells import as_json, column_names, question_cell, text_cell
from justtinker_plugins.shared.kinds import GOLD_KINDS
from justtinker_plugins.shared.rows import Row, log_skipped_rows, read_rows

USUAL = {
    "problem": ("problem", "question", "prompt"),
    "answer": ("answer", "solution", "ground_truth", "reward_model.ground_truth"),
    "demonstration": ("demonstration", "response"),
    "id": ("id",),
}


@plugin
class Files:
    """Problems from files on disk; columns that are not used for a problem become its metadata.

    Write ``outer.inner`` for a nested column. A file's first row decides which columns are used.
    """

    other_names: ClassVar[Mapping[str, str]] = {
        f"{name}_column": f"{field}_column" for field, names in USUAL.items() for name in names
    }
    path: Annotated[Path | tuple[Path, ...], Field(examples=["train.jsonl"])] = ()
    """A file or a list of files. A relative path begins at the config's folder, one of ``--set`` at the working
    directory. Required."""
    problem_column: str | None = None
    """The question: text, or chat messages with one from the user. By default problem, question or prompt."""
    answer_column: str | None = None
    """The gold answer. By default answer, solution, ground_truth or reward_model.ground_truth. Needed for the kinds
    math, number, text and choice; other kinds may have their tests in other columns. Where there is such a column,
    rows without an answer are left out."""
    demonstration_column: str | None = None
    """A whole response to imitate. By default demonstration or response, if there is one."""
    id_column: str | None = None
    """Unique names. By default id, if there is one, else the file's name and the row's number."""
    kind: str = "math"
    """Kind of the problems' answers, by which verifiers choose."""
    max_characters: Annotated[int, Field(ge=1)] | None = None
    """Leave out longer problems."""

    def __post_init__(self) -> None:
        self.skipped = Counter[str]()
        """Why rows gave no problem when last loaded -> how many."""

    @hookimpl
    def load_problems(self, spec: DataSpec) -> Iterator[Problem]:
        """Load every row of every file, in order; rows without question or answer, or too long, are counted and logged.

        Anything else wrong is a PluginError that names file, row and column.
        """
        self.skipped.clear()
        paths = (self.path,) if isinstance(self.path, Path) else self.path
        if not paths:
            raise PluginError(f"[{spec.table}] use = 'files' needs path = 'FILE' or ['FILE', …]")
        locations: dict[str, str] = {}
        for path in paths:
            for location, problem in self._file_problems(path):
                if problem.id in locations:
                    raise PluginError(
                        f"{location} and {locations[problem.id]} have the same id {problem.id!r}; ids must be unique: "
                        "name another column as id_column (without one, rename the file)"
                    )
                locations[problem.id] = location
                yield problem
        log_skipped_rows(spec, ", ".join(map(str, paths)), len(locations), self.skipped)

    def _file_problems(self, path: Path) -> Iterator[tuple[str, Problem]]:
        columns: dict[str, str] | None = None
        stem = path.name.removesuffix(".gz").removesuffix(".zst").rpartition(".")[0]
        for number, (location, row) in enumerate(read_rows(path), start=1):
            columns = columns or self._columns(path, row)
            found = self._problem((location, row), columns, f"{stem}-{number}")
            if isinstance(found, Problem):
                yield location, found
            else:
                self.skipped[found] += 1
        if columns is None:
            raise PluginError(f"{path} has no rows")

    def _columns(self, path: Path, row: Mapping[str, Any]) -> dict[str, str]:
        """Field of a problem -> the file's column for it, if there is one."""
        known = column_names(row)
        found = {}
        for field, usual in USUAL.items():
            chosen: str | None = getattr(self, f"{field}_column")
            if chosen is not None and chosen not in known:
                raise PluginError(f"{path}: {field}_column = {chosen!r} is not in the file{nearest(chosen, known)}")
            if column := chosen or next((name for name in usual if name in known), None):
                found[field] = column
        has_gold = self.kind in GOLD_KINDS and "demonstration" not in found
        for field in ("problem", "answer") if has_gold else ("problem",):
            if field not in found:
                raise PluginError(
                    f"{path}: no column for the {field} (looked for {', '.join(USUAL[field])}); "
                    f"it has {', '.join(known)}: set {field}_column to one of them"
                )
        return found

    def _problem(self, row: Row, columns: Mapping[str, str], number: str) -> Problem | str:
        """The row's problem, or a few words on why there is none."""
        text = {field: text_cell(row, column) for field, column in columns.items() if field != "problem"}
        question = question_cell(row, columns["problem"])
        needed = {"problem": question}
        if ("answer" in columns or self.kind in GOLD_KINDS) and not text.get("demonstration"):
            needed["answer"] = text.get("answer", "")
        for field in needed:
            if not needed[field]:
                return f"nothing in the column {columns.get(field, 'demonstration')!r}"
        if len(question) > (self.max_characters or math.inf):
            return f"longer than {self.max_characters} characters"
        rest = {name: value for name, value in row[1].items() if name not in columns.values()}
        return Problem(
            id=text.get("id", number),
            question=question,
            answer=text.get("answer") or None,
            kind=self.kind,
            demonstration=text.get("demonstration") or None,
            meta=as_json(rest),
        )
