"""Read answers to grade: from tables, whose columns have any names, or from the rollout files of a run.

A row has one response, or a list of responses, which are a group. Rows with one response that stand together and have
the same question, answer and kind are a group too, so that terms which compare responses work. The other columns are
the problem's metadata, where a verifier finds tests, a schema or the like; where one may look there, only rows with the
same metadata are a group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any

from justtinker_core import Group, PluginError, Problem, Prompt
from justtinker_core.errors import nearest
from justtinker_core.scorer import text_rollout
from justtinker_plugins.shared.cells import as_json, cell, column_names, question_cell, text_cell
from justtinker_plugins.shared.kinds import GOLD_KINDS
from justtinker_plugins.shared.messages import text_of
from justtinker_plugins.shared.records.groups import group_of
from justtinker_plugins.shared.records.lines import lines, object_of
from justtinker_plugins.shared.rows import Row, read_rows

USUAL = {
    "question": ("question", "problem", "prompt"),
    "answer": ("answer", "gold", "solution", "ground_truth", "reward_model.ground_truth"),
    "response": ("response", "responses", "completion", "completions", "generation", "output", "text"),
}
"""Column names that a message proposes. None is used unasked."""
LABELS = dict.fromkeys(("true", "1", "1.0", "yes", "correct"), True) | dict.fromkeys(
    ("false", "0", "0.0", "no", "incorrect"), False
)
MOST = 64
"""Responses in a group if no term compares them: their numbers are the same, and work can be shared out."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a table are called; '' if there is none."""

    question: str = "question"
    answer: str = "answer"
    response: str = "response"
    tokens: str = ""
    labels: str = ""
    kind: str = "math"
    """A column, or if there is none of this name, the kind of all problems."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The responses to one problem, not judged yet."""

    place: str
    """Of the first row, for errors."""
    group: Group
    """Its rollouts are the responses that are there."""
    ids: tuple[Mapping[str, Any], ...]
    """File, row and index in the row of every response."""
    present: tuple[bool, ...]
    """False for a cell without a response."""
    labels: tuple[bool | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Cells:
    """One row of a table: a problem, and one response or several."""

    place: str
    row: int
    problem: Problem
    texts: list[str | None]
    tokens: list[int | None]
    labels: list[bool | None]
    alone: bool
    """One response, which may form a group with its neighbours."""


@dataclass(frozen=True)
class Table:
    """Files of answers, and how to read them."""

    files: Sequence[Path]
    columns: Columns = field(default_factory=Columns)
    opened: str = ""
    """What the prompts already held of the responses, such as ``<think>``."""
    compares: bool = False
    """A term compares the responses of a group."""
    step_needed: str = ""
    """What needs the step; '' if nothing does."""

    def __iter__(self) -> Iterator[Answers]:
        """Yield all answers in order. PluginError names the place of what is wrong."""
        for file in self.files:
            yield from self.of_run(file) if is_of_run(file) else self.of_rows(file, read_rows(file))

    def of_run(self, file: Path) -> Iterator[Answers]:
        """Yield the groups that a run has recorded."""
        if self.columns.labels:
            raise PluginError(f"{file} holds the rollouts of a run, which have no labels; leave --labels out")
        for line in lines(file):
            group, _ = group_of(line, step_needed=self.step_needed)
            n = len(group.rollouts)
            ids = tuple({"file": str(file), "row": line.number, "index": i} for i in range(n))
            yield Answers(line.place, group, ids, (True,) * n, (None,) * n)

    def of_rows(self, file: Path, rows: Iterator[Row]) -> Iterator[Answers]:
        """Yield the rows of a table as groups."""
        if self.step_needed:
            raise PluginError(
                f"{file} knows no step, but the rewards depend on it ({self.step_needed}); give a fixed weight: "
                "--set plugins.NAME.weight=NUMBER"
            )
        if (first := next(rows, None)) is None:
            raise PluginError(f"{file} has no rows")
        check_columns(file, first[1], self.columns)
        read = (cells_of(row, number, self.columns) for number, row in enumerate(chain([first], rows), 1))
        for key, together in groupby(read, partial(group_key, compares=self.compares)):
            while part := list(islice(together, None if self.compares or not key[0] else MOST)):
                if self.compares:
                    check_metadata(file, part)
                yield self.answers(file, part)

    def answers(self, file: Path, rows: Sequence[Cells]) -> Answers:
        """Join the responses of rows with one problem."""
        texts = [text for row in rows for text in row.texts]
        tokens = [count for row in rows for count in row.tokens]
        rollouts = tuple(
            text_rollout(text, count, opened=self.opened)
            for text, count in zip(texts, tokens, strict=True)
            if text is not None
        )
        ids = tuple({"file": str(file), "row": row.row, "index": i} for row in rows for i in range(len(row.texts)))
        group = Group(0, rows[0].row - 1, rows[0].problem, Prompt(rows[0].problem.question), rollouts)
        labels = tuple(label for row in rows for label in row.labels)
        return Answers(rows[0].place, group, ids, tuple(text is not None for text in texts), labels)


def is_of_run(file: Path) -> bool:
    """Whether a file begins with a group as a run records it."""
    if not file.is_file() or not file.name.endswith((".jsonl", ".jsonl.zst")):
        return False
    with suppress(PluginError):  # whoever reads the table says what is wrong
        for line in lines(file):
            row = object_of(line)
            return isinstance(row.get("rollouts"), list) and isinstance(row.get("problem"), dict)
    return False


def check_columns(file: Path, row: Mapping[str, Any], columns: Columns) -> None:
    """Raise PluginError if the first row lacks a column; it proposes another one."""
    known = column_names(row)
    for option in (f.name for f in fields(columns) if f.name != "kind"):
        name = getattr(columns, option)
        if name and name not in known and name not in row:
            usual = [each for each in USUAL.get(option, ()) if each in known]
            hint = f"; perhaps --{option} {usual[0]}" if usual else nearest(name, known)
            none = "; --question '' if there is none" if option == "question" and not usual else ""
            raise PluginError(
                f"{file}: there is no column {name!r} (--{option}){hint}{none}; its columns are {', '.join(known)}"
            )


def group_key(row: Cells, compares: bool) -> tuple[bool, Any]:
    """Equal for rows that form one group.

    The group has the metadata of its first row. So rows with other metadata, such as tests, are another group, unless
    the gold alone decides or responses have to be compared.
    """
    problem = row.problem
    meta = None if compares or problem.kind in GOLD_KINDS else problem.meta
    return row.alone, (problem.question, problem.answer, problem.kind, meta) if row.alone else row.row


def check_metadata(file: Path, group: Sequence[Cells]) -> None:
    """Raise PluginError if a verifier may read metadata, which the rows of a group do not share."""
    first = group[0].problem
    if first.kind in GOLD_KINDS:
        return
    if other := next((row for row in group if row.problem.meta != first.meta), None):
        raise PluginError(
            f"{file}, rows {group[0].row} and {other.row} have the same question and other metadata, but a term "
            "compares the responses to a question: put them into one row, as a list, or leave the other columns out"
        )


def other_columns(row: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """What a row holds besides the columns that have a use, as JSON; of ``outer.inner``, the rest of outer."""
    rest = dict(row)
    for name in {getattr(columns, f.name) for f in fields(columns)}:
        outer, _, inner = name.partition(".")
        if name in rest:
            del rest[name]
        elif isinstance(found := rest.get(outer), Mapping):
            rest[outer] = {key: value for key, value in found.items() if key != inner}
    return as_json(rest)


def cells_of(row: Row, number: int, columns: Columns) -> Cells:
    """Read one row. A list of texts, or of lists of chat messages, is a group."""
    where = f"{row[0]}, column {columns.response!r}"
    found = cell(row, columns.response)
    several = isinstance(found, list) and (not found or not all(isinstance(each, dict) for each in found))
    responses = found if several else [found]
    if not responses:
        raise PluginError(f"{where}: expected a response or a list of responses, got an empty list")
    texts = [None if is_empty(each) else text_of(each, where) for each in responses]
    place, kind = row[0], columns.kind
    problem = Problem(
        id=str(number),
        question=question_cell(row, columns.question) if columns.question else "",
        answer=text_cell(row, columns.answer) or None if columns.answer else None,
        kind=text_cell(row, kind) if kind in row[1] else kind,
        meta=other_columns(row[1], columns),
    )
    tokens = [count_of_cell(each, place, columns.tokens) for each in beside(row, columns.tokens, texts, several)]
    labels = [label_of(each, place, columns.labels) for each in beside(row, columns.labels, texts, several)]
    return Cells(place, number, problem, texts, tokens, labels, not several)


def is_empty(value: Any) -> bool:
    """Whether a cell holds nothing: null, or pandas' NaN. An empty text is a response."""
    return value is None or value != value


def beside(row: Row, column: str, texts: Sequence[Any], several: bool) -> list[Any]:
    """Return the value of a column for each response of a row; a list, if the responses are one."""
    value = cell(row, column) if column else None
    if not several or is_empty(value):
        return [None if is_empty(value) else value] * len(texts)
    if not isinstance(value, list) or len(value) != len(texts):
        got = f"{len(value)}" if isinstance(value, list) else f"{value!r:.40}"
        raise PluginError(
            f"{row[0]}, column {column!r}: expected a list with {len(texts)} entries, one a response, got {got}"
        )
    return value


def count_of_cell(value: Any, place: str, column: str) -> int | None:
    """Read the length of a response in tokens."""
    number = int(value) if isinstance(value, str) and value.strip().isdecimal() else value
    number = int(number) if isinstance(number, float) and number.is_integer() else number
    if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 0):
        raise PluginError(f"{place}, column {column!r}: expected a number of tokens, got {value!r:.60}")
    return number


def label_of(value: Any, place: str, column: str) -> bool | None:
    """Read a label; None for an empty cell."""
    text = "" if value is None else str(value).strip().lower()
    if text and text not in LABELS:
        raise PluginError(
            f"{place}, column {column!r}: expected true or false, 1 or 0, yes or no, correct or incorrect, got "
            f"{value!r:.60}"
        )
    return LABELS.get(text)
