"""Reading saved rollouts back: files line by line, however long they are, and each line as the group that was judged.

A line is one of a run's own ``rollouts/*.jsonl.zst``, or the least that can be scored::

    {"question": "47+38=?", "answer": "85", "responses": ["…", "…"]}

which may also say ``tokens`` (a number for each response), ``truncated`` (likewise), ``step``, ``id``, ``kind`` and
``meta``. Records hold no token ids, so a group read back has the right number of tokens and nothing in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from justtinker_core import Group, PluginError, Problem, Prompt, Rollout
from justtinker_core.scorer import text_rollout
from justtinker_plugins.shared.records.lines import Line
from justtinker_plugins.shared.records.runs import existing


def rollout_files(sources: Iterable[Path]) -> list[Path]:
    """The files meant: of a directory, the training rollouts of its run (of several runs of one command, the last)."""
    files: list[Path] = []
    for source in sources:
        if not source.exists():
            raise PluginError(f"there is no {source}: name files of JSON lines, or run directories")
        found = [source]
        if source.is_dir():
            folder = existing(source)[-1] / "rollouts"
            found = sorted(folder.glob("step_*.jsonl.zst"))
            if not found:
                raise PluginError(f"{folder} holds no step_*.jsonl.zst: has this run trained by rollouts?")
        files += found
    return files


def group_of(line: Line, *, step_needed: str = "") -> tuple[Group, list[float | None]]:
    """The group of a line, not judged yet, and the reward that was recorded for each of its rollouts, if any.

    `step_needed` says what for; a line without a step is then an error.
    """
    record = fields_of(line, "the line")
    try:
        problem, rows = _plain(record, line) if "responses" in record.values else _own(record)
        if not rows:
            raise ValueError("the line has no responses")
        if step_needed and "step" not in record.values:
            raise ValueError(f"the line has no 'step', which {step_needed} needs")
        rollouts = tuple(_rollout(row) for row in rows)
        prompt = Prompt(record.get("prompt", str, ""))
        group = Group(record.get("step", int, 0), record.get("index", int, line.number - 1), problem, prompt, rollouts)
        return group, [row.get("reward", float, None) for row in rows]
    except ValueError as error:
        raise PluginError(f"{line.place}: {error}") from None


def fields_of(line: Line, name: str) -> Fields:
    """The object that a line holds; `name` is what errors call it."""
    try:
        values = json.loads(line.text)
    except ValueError as error:
        raise PluginError(f"{line.place} is no JSON: {error}") from None
    try:
        return Fields(values, name)
    except ValueError as error:
        raise PluginError(f"{line.place}: {error}") from None


class Fields:
    """A JSON object whose values have types; ValueError says what is missing or otherwise than it should be."""

    def __init__(self, values: Any, name: str) -> None:
        if not isinstance(values, dict):
            raise ValueError(f"{name} is {values!r:.60}; an object is wanted")
        self.values, self.name = values, name

    def need(self, key: str, kind: type[Any]) -> Any:
        """A value that must be there."""
        if self.values.get(key) is None:
            raise ValueError(f"{self.name} has no {key!r}; it has {', '.join(self.values) or 'nothing'}")
        return self.get(key, kind, None)

    def get(self, key: str, kind: type[Any], default: Any) -> Any:
        """A value that may be missing."""
        value = self.values.get(key)
        if value is None:
            return default
        if kind is float and isinstance(value, int):
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ValueError(f"{key!r} of {self.name} is {value!r:.60}; {NAMES[kind]} is wanted")
        return value


NAMES: Mapping[type[Any], str] = {
    str: "a text", int: "a whole number", float: "a number", bool: "true or false", list: "a list", dict: "an object",
}  # fmt: skip


def _own(record: Fields) -> tuple[Problem, list[Fields]]:
    """Of a line as core writes it."""
    problem = Fields(record.need("problem", dict), "the problem")
    rows = [Fields(row, f"rollout {i}") for i, row in enumerate(record.need("rollouts", list))]
    return problem_of(problem, problem.need("id", str)), rows


def _plain(record: Fields, line: Line) -> tuple[Problem, list[Fields]]:
    """Of a line with question, answer and responses."""
    texts = record.need("responses", list)
    columns: dict[str, Sequence[Any]] = {"text": texts}
    for key in ("tokens", "truncated"):
        column = record.get(key, list, None)
        if column is not None and len(column) != len(texts):
            raise ValueError(f"{key!r} has {len(column)} entries for {len(texts)} responses")
        columns |= {key: column} if column is not None else {}
    values = [{key: column[i] for key, column in columns.items()} for i in range(len(texts))]
    rows = [Fields(row, f"response {i}") for i, row in enumerate(values)]
    return problem_of(record, f"{line.file.name}:{line.number}"), rows


def problem_of(fields: Fields, name: str) -> Problem:
    """The problem that an object describes; `name` is its id where it has none."""
    return Problem(
        fields.get("id", str, name),
        fields.need("question", str),
        fields.get("answer", str, None),
        fields.get("kind", str, "math"),
        _demonstration(fields),
        fields.get("meta", dict, {}),
    )


def _demonstration(fields: Fields) -> str | tuple[str, ...] | None:
    """A text, or a list of turns."""
    turns = fields.values.get("demonstration")
    if isinstance(turns, list) and all(isinstance(turn, str) for turn in turns):
        return tuple(turns)
    text: str | None = fields.get("demonstration", str, None)
    return text


def _rollout(row: Fields) -> Rollout:
    text, truncated = row.need("text", str), row.get("truncated", bool, False)
    n = row.get("tokens", int, None)
    if n is not None and n < 0:
        raise ValueError(f"'tokens' of {row.name} is {n}; a count is wanted")
    return text_rollout(text, n, truncated)
