"""Pictures of a run's curves, PNG and PDF, written at every evaluation and at the end. Extra: ``plots``."""

from __future__ import annotations

import tomllib
from pathlib import Path

from justtinker_core import hookimpl, plugin
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.types import EvalStats
from justtinker_plugins._origin import shown
from justtinker_plugins.commands._histories import Records
from justtinker_plugins.reporters._figure import MISSING, drawn, lacks_matplotlib
from justtinker_plugins.reporters._panels import sheet_of


@plugin
class Curves:
    """``curves.png`` and ``curves.pdf``: the sheet of all that was measured; ``curves_simple``: one panel.

    Warnings and stops of monitors are marked at their steps.
    """

    simple: bool = True
    """Also draw the one panel."""

    @hookimpl
    def preflight(self, run: Run) -> list[str]:
        """A complaint if nothing can be drawn."""
        return [MISSING] if lacks_matplotlib() else []

    @hookimpl
    def report_eval(self, run: Run, stats: EvalStats) -> None:
        """The curves so far."""
        write(run.files, self.simple)

    @hookimpl
    def finish_run(self, run: Run, status: str) -> None:
        """All curves, if anything was recorded."""
        if any((run.dir / name).exists() for name in ("steps.jsonl", "evals.jsonl")):
            write(run.files, self.simple)


def write(files: RunDir, simple: bool = True) -> list[Path]:
    """Draw into a run directory; the paths of the pictures."""
    config = tomllib.loads((files.path / "config.toml").read_text(encoding="utf-8"))
    pictures = pictures_of(shown(files), config["run"]["name"], simple)
    for name, content in pictures.items():
        files.replace(name, content)
    return [files.path / name for name in pictures]


def pictures_of(records: Records, title: str, simple: bool = True) -> dict[str, bytes]:
    """Every picture by file name."""
    sheets = {"curves": sheet_of(records)} | ({"curves_simple": sheet_of(records, "simple")} if simple else {})
    return {
        f"{name}.{suffix}": content
        for name, sheet in sheets.items()
        if sheet.panels
        for suffix, content in drawn(sheet, title).items()
    }
