"""A reporter that keeps the run's curves in one CSV file, for spreadsheets, R, or ``watch tail``.

One row a step: its metrics, ``reward/TERM/raw`` and ``/weighted``, tokens, dollars; then columns ``NAME/METRIC`` of the
evaluations made at that step. Names are those of the records.

The reporter never appends; it writes the file anew from `steps.jsonl` and `evals.jsonl`. A resumed run sets records
aside and repeats steps, and a new column may appear at any step; a file made from the records is right in all these
cases. It is replaced as a whole, so a reader never sees half of it.

What can go wrong. The longer the run, the more writing costs (a tenth of a second for a thousand steps), so the file is
written every `every` steps and at the end; a run that is killed leaves the last one. A reporter that fails does not
disturb the run: its error is logged once.

    [plugins]
    enable = ["csv_file"]

    [plugins.csv_file]
    every = 10

    [local_plugins]
    csv_file = "csv_file.py:CsvFile"
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from justtinker_core import RunContext, StepStats, hookimpl, plugin


@plugin
class CsvFile:
    """Writes curves.csv into the run's directory."""

    name: str = "curves.csv"
    every: Annotated[int, Field(ge=1)] = 10
    """Steps from one writing of the file to the next."""

    @hookimpl
    def report_step(self, run: RunContext, stats: StepStats) -> None:
        """Write the records up to this step, every `every` steps."""
        if stats.step % self.every == 0:
            self._write(run)

    @hookimpl
    def finish_run(self, run: RunContext, status: str) -> None:
        """Write all records, however the run ended."""
        self._write(run)

    def _write(self, run: RunContext) -> None:
        rows = {record["step"]: row_of(record) for record in run.files.read("steps.jsonl")}
        for record in run.files.read("evals.jsonl"):
            row = rows.setdefault(record["step"], {"step": record["step"]})
            row |= {f"{record['name']}/{metric}": value for metric, value in record["metrics"].items()}
        text = io.StringIO()
        columns = dict.fromkeys(name for row in rows.values() for name in row)  # in order of appearance
        table = csv.DictWriter(text, ["step", *(name for name in columns if name != "step")], lineterminator="\n")
        table.writeheader()
        table.writerows(rows[step] for step in sorted(rows))
        run.files.replace(self.name, text.getvalue().encode())


def row_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten a step's record into columns."""
    row = {"step": record["step"], **record["metrics"]}
    for term, numbers in record["terms"].items():
        row |= {f"reward/{term}/{kind}": numbers[kind] for kind in ("raw", "weighted")}
    row |= {f"tokens/{kind}": count for kind, count in record["tokens"].items()}
    return row if record["usd"] is None else {**row, "usd": record["usd"]}
