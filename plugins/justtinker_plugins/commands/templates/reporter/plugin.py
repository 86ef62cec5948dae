"""Reporter `my_plugin`: write the metrics of all steps to a CSV file, for a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Annotated

from justtinker_core import Finding, RunContext, StepStats, hookimpl, plugin
from pydantic import Field


@plugin
class MyPlugin:
    """Write ``my_plugin.csv`` in the run's directory, anew each time, so that no row is repeated."""

    metrics: tuple[str, ...] = ("reward", "accuracy", "mean_response_tokens", "loss")
    """The columns: metrics, as steps.jsonl names them."""
    every: Annotated[int, Field(ge=1)] = 10
    """Write after every so many steps, and at the end of the run."""

    @hookimpl
    def report_step(self, run: RunContext, stats: StepStats, findings: Sequence[Finding]) -> None:
        """Called when a step is recorded, while the next one is sampled. An error here does not end the run."""
        if stats.step % self.every == 0:
            self.write(run)

    @hookimpl
    def finish_run(self, run: RunContext, status: str) -> None:
        """Called once, however the run ends."""
        self.write(run)

    def write(self, run: RunContext) -> None:
        """Write the file from the run's records, which remain the source of truth."""
        with (run.dir / "my_plugin.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["step", *self.metrics])
            for record in run.files.read("steps.jsonl"):
                rows.writerow([record["step"], *(record["metrics"].get(name, "") for name in self.metrics)])
