"""Write ``report.html``, one page that shows a run, at every evaluation and at the end.

It reads only the run's records and rollout files, each file once.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from justtinker_core import EvalStats, RunContext, hookimpl, plugin
from justtinker_plugins.shared.page.page import write_page
from justtinker_plugins.shared.page.selection import Selection


@plugin
class Report:
    """Writes a page with the run's curves, reward terms, evaluations, findings and the rollouts that stand out."""

    rollouts: Annotated[int, Field(ge=1, le=500)] = 30
    """The most rollouts of each filter (best, worst, most redundant, unscored, truncated), up to a page of 10 MB."""

    def __post_init__(self) -> None:
        self._selection = Selection(self.rollouts)

    @hookimpl
    def report_eval(self, run: RunContext, stats: EvalStats) -> None:
        """Write the page so far."""
        write_page(run.files, self._selection, "running")

    @hookimpl
    def finish_run(self, run: RunContext, status: str) -> None:
        """Write the whole page, if anything was recorded."""
        if any((run.dir / name).exists() for name in ("steps.jsonl", "evals.jsonl")):
            write_page(run.files, self._selection, status)
