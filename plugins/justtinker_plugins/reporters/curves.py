"""Pictures of a run's curves, PNG and PDF, written at every evaluation and at the end. Extra: ``plots``."""

from __future__ import annotations

from justtinker_core import EvalStats, RunContext, hookimpl, plugin
from justtinker_plugins.shared.charts.figure import MISSING, lacks_matplotlib
from justtinker_plugins.shared.charts.pictures import write_pictures


@plugin
class Curves:
    """``curves.png`` and ``curves.pdf``: the sheet of all that was measured; ``curves_simple``: one panel.

    Warnings and stops of monitors are marked at their steps.
    """

    simple: bool = True
    """Also draw the one panel."""

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """A complaint if nothing can be drawn."""
        return [MISSING] if lacks_matplotlib() else []

    @hookimpl
    def report_eval(self, run: RunContext, stats: EvalStats) -> None:
        """The curves so far."""
        write_pictures(run.files, self.simple)

    @hookimpl
    def finish_run(self, run: RunContext, status: str) -> None:
        """All curves, if anything was recorded."""
        if any((run.dir / name).exists() for name in ("steps.jsonl", "evals.jsonl")):
            write_pictures(run.files, self.simple)
