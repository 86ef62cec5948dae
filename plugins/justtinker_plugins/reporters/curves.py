"""Draw a run's curves as PNG and PDF at every evaluation and at the end. Needs the extra ``plots``."""

from __future__ import annotations

from justtinker_core import EvalStats, RunContext, hookimpl, plugin
from justtinker_plugins.shared.charts.figure import MISSING, lacks_matplotlib
from justtinker_plugins.shared.charts.pictures import write_pictures


@plugin
class Curves:
    """Draws ``curves.png`` and ``.pdf`` with a panel for everything measured, ``curves_simple`` with one panel.

    Warnings and stops of monitors are marked at their steps.
    """

    simple: bool = True
    """Also draw ``curves_simple``."""

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Complain if matplotlib is missing."""
        return [MISSING] if lacks_matplotlib() else []

    @hookimpl
    def report_eval(self, run: RunContext, stats: EvalStats) -> None:
        """Draw the curves so far."""
        write_pictures(run.files, self.simple)

    @hookimpl
    def finish_run(self, run: RunContext, status: str) -> None:
        """Draw all curves, if anything was recorded."""
        if any((run.dir / name).exists() for name in ("steps.jsonl", "evals.jsonl")):
            write_pictures(run.files, self.simple)
