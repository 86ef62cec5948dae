"""One HTML file that shows a run to a person: ``report.html``, written at every evaluation and at the end.

It reads the records and the rollout files, never the run's live state; each rollout file is read once.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from justtinker_core import EvalStats, RunContext, hookimpl, plugin
from justtinker_plugins.shared.page.page import write_page
from justtinker_plugins.shared.page.selection import Selection


@plugin
class Report:
    """A page with the run's curves, reward terms, evaluations, findings and the rollouts that stand out."""

    rollouts: Annotated[int, Field(ge=1, le=500)] = 30
    """Of each filter (best, worst, most redundant, unscored, truncated); the page stays below 10 MB in any case."""

    def __post_init__(self) -> None:
        self._selection = Selection(self.rollouts)

    @hookimpl
    def report_eval(self, run: RunContext, stats: EvalStats) -> None:
        """The page so far."""
        write_page(run.files, self._selection, "running")

    @hookimpl
    def finish_run(self, run: RunContext, status: str) -> None:
        """The whole page, if anything was recorded."""
        if any((run.dir / name).exists() for name in ("steps.jsonl", "evals.jsonl")):
            write_page(run.files, self._selection, status)
