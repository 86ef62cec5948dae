"""The history of a run, read from its directory or from a table, for monitors, curves and pages.

A column of a table is a metric of its name; ``eval_NAME`` is the metric NAME of an evaluation of that step. Rewards by
term, tokens and rollouts stand in run directories only.
"""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from justtinker_core import EvalStats, Finding, History, PluginError, StepStats
from justtinker_core.rundir import RunDir, step_of
from justtinker_plugins.shared.records.runs import how_it_ended

STEP, EVAL = "step", "eval_"


@dataclass(frozen=True, slots=True)
class RecordedFinding:
    """A finding and its step."""

    step: int
    finding: Finding


@dataclass(frozen=True, slots=True)
class Records:
    """Everything recorded about a run, oldest first."""

    steps: tuple[StepStats, ...]
    evals: tuple[EvalStats, ...] = ()
    checkpoints: tuple[int, ...] = ()
    said: tuple[RecordedFinding, ...] = ()
    """The findings of the run's own monitors."""
    weights: str = ""
    """For the directory of an evaluation: the weights that it evaluated."""
    start: Mapping[str, str] = field(default_factory=dict)
    """Evaluation set -> the run whose evaluation stands at step 0, if it is not this run's own."""

    def before(self, place: int) -> History:
        """Return the history that monitors saw at a step: without the evaluations and checkpoints of that step."""
        step = self.steps[place].step
        return History(
            self.steps[:place],
            tuple(e for e in self.evals if e.seen < step),
            tuple(saved for saved in self.checkpoints if saved < step),
        )


def read_records(path: Path) -> Records:
    """Read a run directory, or a CSV or JSON-lines file. PluginError names file, line and column."""
    if path.is_dir():
        records = read_run(RunDir(path))
    elif not path.exists():
        raise PluginError(f"there is no run directory and no file {path}")
    elif path.suffix == ".csv":
        records = records_of_rows(path, csv_rows(path))
    elif path.suffix == ".jsonl":
        records = records_of_rows(path, json_rows(path))
    else:
        raise PluginError(f"{path}: expected a run directory, a .csv or a .jsonl file")
    if not records.steps:
        ending = how_it_ended(path) if path.is_dir() else ""
        raise PluginError(f"{path} holds no steps" + (f"; run {ending}" if ending else ""))
    return records


def read_run(files: RunDir) -> Records:
    """Read the records of a run, finished or still running."""
    history = files.history()
    said = [RecordedFinding(r["step"], Finding(**f)) for r in files.read("steps.jsonl") for f in r.get("findings", ())]
    return Records(history.steps, history.evals, history.checkpoints, tuple(said))


Rows = Iterator[tuple[int, Mapping[str, Any]]]


def csv_rows(path: Path) -> Rows:
    """Yield each row of a CSV file: its line number and its cells."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            if STEP not in (reader.fieldnames or ()):
                found = ", ".join(reader.fieldnames or ()) or "nothing"
                raise PluginError(f"{path}, line 1: expected a column {STEP!r}, got {found}")
            twice = [name for name, times in Counter(reader.fieldnames).items() if times > 1]
            if twice:
                raise PluginError(f"{path}, line 1: more than one column is called {twice[0]!r}")
            for row in reader:
                if None in row:
                    raise PluginError(f"{path}, line {reader.line_num}: more cells than the header has columns")
                yield reader.line_num, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise PluginError(f"{path}, line {reader.line_num + 1} is no CSV: {error}") from None


def json_rows(path: Path) -> Rows:
    """Yield each line of a JSON-lines file: its number and its object."""
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise PluginError(f"{path}, line {number} is no JSON: {error}") from None
        if not isinstance(row, dict):
            raise PluginError(f"{path}, line {number}: expected an object, got {line[:40].decode(errors='replace')}")
        yield number, row


def records_of_rows(path: Path, rows: Rows) -> Records:
    """Turn rows into records. A row may also be a whole line of ``steps.jsonl``."""
    steps: list[StepStats] = []
    evals: list[EvalStats] = []
    for line, row in rows:
        place = f"{path}, line {line}"
        stats, evaluation = split_row(row, place)
        if steps and stats.step <= steps[-1].step:
            raise PluginError(f"{place}, column {STEP!r}: {stats.step} comes after {steps[-1].step}; steps must rise")
        steps.append(stats)
        if evaluation:
            evals.append(EvalStats(stats.step, "eval", evaluation, {}, {}, seen=stats.step))
    return Records(tuple(steps), tuple(evals))


def split_row(row: Mapping[str, Any], place: str) -> tuple[StepStats, dict[str, float]]:
    """Split a row into a step and the metrics of its evaluation, without empty cells."""
    step = cell_number(row.get(STEP), f"{place}, column {STEP!r}")
    if step is None or step != int(step) or step < 0:
        raise PluginError(f"{place}, column {STEP!r}: expected a whole number, got {row.get(STEP)!r}")
    if isinstance(row.get("metrics"), dict):
        try:
            return replace(step_of(row), metrics=filled_cells(row["metrics"], place)), {}
        except TypeError as error:
            raise PluginError(f"{place} is no line of steps.jsonl: {error}") from None
    values = filled_cells({name: cell for name, cell in row.items() if name != STEP}, place)
    metrics = {name: value for name, value in values.items() if not name.startswith(EVAL)}
    evaluation = {name.removeprefix(EVAL): value for name, value in values.items() if name.startswith(EVAL)}
    return StepStats(int(step), metrics), evaluation


def filled_cells(cells: Mapping[str, Any], place: str) -> dict[str, float]:
    """Read the numbers of a row, without empty cells."""
    values = {name: cell_number(cell, f"{place}, column {name!r}") for name, cell in cells.items()}
    return {name: value for name, value in values.items() if value is not None}


def cell_number(cell: Any, place: str) -> float | None:
    """Read a cell as a number; None if it is empty."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    try:
        value = float(cell) if isinstance(cell, str | int | float) and not isinstance(cell, bool) else math.nan
    except (ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise PluginError(f"{place}: expected a finite number, got {cell!r}")
    return value
