"""Problems from your own files: JSON lines, JSON, CSV (all three packed with gz or zst as well) and Parquet.

The usual column names are found without being told, verl's Parquet included (``prompt`` is a list of messages,
``reward_model.ground_truth`` the answer). Answers are taken as they stand: what they mean is for the verifier. Nothing
is fetched from a network.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from justtinker_core import PluginError, Problem, hookimpl, plugin
from justtinker_core.options import nearest
from justtinker_plugins.shared.rows import Row, log_skipped_rows, read_rows

if TYPE_CHECKING:
    from justtinker_core.config import DataSpec

USUAL = {
    "problem": ("problem", "question", "prompt"),
    "answer": ("answer", "solution", "ground_truth", "reward_model.ground_truth"),
    "demonstration": ("demonstration", "response"),
    "id": ("id",),
}


@plugin
class Files:
    """Problems from files on disk; columns that have no part in a problem become its metadata.

    A column may be written ``outer.inner`` for a nested one. Which columns are used is decided by a file's first row.
    """

    other_names: ClassVar[Mapping[str, str]] = {
        f"{name}_column": f"{part}_column" for part, names in USUAL.items() for name in names
    }
    path: Annotated[str | tuple[str, ...], Field(examples=["train.jsonl"])] = ()
    """A file, or a list of files; relative to where the command runs. Needed."""
    problem_column: str | None = None
    """The question: text, or chat messages with one from the user. By default problem, question or prompt."""
    answer_column: str | None = None
    """The gold answer. By default answer, solution, ground_truth or reward_model.ground_truth."""
    demonstration_column: str | None = None
    """A whole response to imitate. By default demonstration or response, if there is one."""
    id_column: str | None = None
    """Unique names. By default id, if there is one, else the file's name and the row's number."""
    kind: str = "math"
    """What sort of answer these problems have; verifiers choose by it."""
    max_characters: Annotated[int, Field(ge=1)] | None = None
    """Leave out longer problems."""

    def __post_init__(self) -> None:
        self.skipped = Counter[str]()
        """Why rows of the last loading are not among its problems -> how many."""

    @hookimpl
    def load_problems(self, spec: DataSpec) -> Iterator[Problem]:
        """Every row of every file, in order; rows without question or answer, or too long, are counted and logged.

        PluginError names file, row and column of what is wrong otherwise, and of the first such row if all are.
        """
        self.skipped.clear()
        paths = (self.path,) if isinstance(self.path, str) else self.path
        if not paths:
            raise PluginError(f"[{spec.table}] use = 'files' needs path = 'FILE' or ['FILE', …]")
        places: dict[str, str] = {}
        for path in map(Path, paths):
            for place, problem in self._read(path.expanduser()):
                if problem.id in places:
                    raise PluginError(
                        f"{place}: the id {problem.id!r} stands at {places[problem.id]} too; ids must be unique: "
                        "name another column as id_column (without one, rename the file)"
                    )
                places[problem.id] = place
                yield problem
        log_skipped_rows(spec, ", ".join(paths), len(places), self.skipped)

    def _read(self, path: Path) -> Iterator[tuple[str, Problem]]:
        columns: dict[str, str] | None = None
        stem = path.name.removesuffix(".gz").removesuffix(".zst").rpartition(".")[0]
        for number, (place, row) in enumerate(read_rows(path), start=1):
            columns = columns or self._columns(path, row)
            found = self._problem((place, row), columns, f"{stem}-{number}")
            if isinstance(found, Problem):
                yield place, found
            else:
                self.skipped[found] += 1
        if columns is None:
            raise PluginError(f"{path} has no rows")

    def _columns(self, path: Path, row: Mapping[str, Any]) -> dict[str, str]:
        """Part of a problem -> the file's column for it, where there is one."""
        known = column_names(row)
        found = {}
        for part, usual in USUAL.items():
            chosen: str | None = getattr(self, f"{part}_column")
            if chosen is not None and chosen not in known:
                raise PluginError(f"{path}: {part}_column = {chosen!r} is no column of it{nearest(chosen, known)}")
            if column := chosen or next((name for name in usual if name in known), None):
                found[part] = column
        for part in ("problem",) if "demonstration" in found else ("problem", "answer"):
            if part not in found:
                raise PluginError(
                    f"{path}: no column for the {part} (looked for {', '.join(USUAL[part])}); "
                    f"it has {', '.join(known)}: set {part}_column to one of them"
                )
        return found

    def _problem(self, row: Row, columns: Mapping[str, str], number: str) -> Problem | str:
        """The problem in a row, or in a few words why there is none."""
        text = {part: text_cell(row, column) for part, column in columns.items() if part != "problem"}
        question = question_cell(row, columns["problem"])
        needed = {"problem": question} | ({} if text.get("demonstration") else {"answer": text.get("answer", "")})
        for part in needed:
            if not needed[part]:
                return f"nothing in the column {columns.get(part, 'demonstration')!r}"
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


def column_names(row: Mapping[str, Any]) -> list[str]:
    """Columns of a row, those one level down as ``outer.inner``."""
    names = []
    for name, value in row.items():
        names += [f"{name}.{inner}" for inner in value] if isinstance(value, dict) else [name]
    return names


def cell(row: Row, column: str) -> Any:
    """What stands in a column; None if it is empty or missing from this row."""
    cells = row[1]
    if column in cells:
        return cells[column]
    outer, _, inner = column.partition(".")
    nested = cells.get(outer)
    return nested.get(inner) if isinstance(nested, dict) else None


def text_cell(row: Row, column: str) -> str:
    """A text, empty if it is blank; a number counts as its text, NaN (pandas' empty cell) as nothing."""
    value = cell(row, column)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = "" if math.isnan(value) else str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return ""
    if not isinstance(value, str):
        hint = json.dumps(json.dumps(value, default=str)) if isinstance(value, list) else ""
        raise PluginError(
            f"{row[0]}: {type(value).__name__} in the column {column!r}; text or a number is wanted"
            + (f"; as text it is {hint}" if 0 < len(hint) < 60 else "")
        )
    return whole(value, row, column)


def whole(text: str, row: Row, column: str) -> str:
    r"""The text, if it can be encoded: JSON may hold half a character, as ``"\ud83d"``, where somebody cut a text."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PluginError(
            f"{row[0]}: half a character ({text[error.start]!a}) in the column {column!r}; mend or drop the row"
        ) from None
    return text


def question_cell(row: Row, column: str) -> str:
    """The question: the text, or what the user says in a list of chat messages."""
    messages = cell(row, column)
    if not isinstance(messages, list):
        return text_cell(row, column)
    users = [m.get("content") for m in messages if isinstance(m, dict) and m.get("role") == "user"]
    if len(users) != 1 or not isinstance(users[0], str) or not users[0].strip():
        raise PluginError(
            f"{row[0]}: the column {column!r} holds {len(messages)} messages, {len(users)} of them from the user; "
            "one with a text is wanted"
        )
    return whole(users[0], row, column)


def as_json(cells: Mapping[str, Any]) -> dict[str, Any]:
    """The cells as JSON knows them: dates and the like as text, numbers that are not finite as None."""
    plain: dict[str, Any] = json.loads(json.dumps(cells, default=str), parse_constant=lambda _: None)
    return plain
