"""``justtinker report``: write the page of a run, finished or not. It only reads the run's records."""

from __future__ import annotations

from pathlib import Path

import click

from justtinker_core.rundir import RunDir
from justtinker_plugins.shared.page.page import write_page
from justtinker_plugins.shared.page.selection import Selection
from justtinker_plugins.shared.records.runs import existing


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--rollouts", default=30, show_default=True, type=click.IntRange(1, 500), help="Rollouts per filter, at most."
)
def report(run_dir: Path, rollouts: int) -> None:
    """Write report.html into RUN_DIR: curves, findings, evaluations and rollouts in one file that opens offline.

    For the directory of several runs, it writes a page into each run.
    """
    for path in existing(run_dir):
        files = RunDir(path)
        click.echo(write_page(files, Selection(rollouts), files.manifest().get("status", "not begun")))
