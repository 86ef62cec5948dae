"""Command `my_plugin`: draw a metric of a run as one line of blocks."""

from __future__ import annotations

from pathlib import Path

import click
from justtinker_core import PluginError
from justtinker_core.rundir import RunDir

BLOCKS = "▁▂▃▄▅▆▇█"


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--metric", default="reward", show_default=True, help="A metric of the steps.")
def my_plugin(run_dir: Path, metric: str) -> None:
    """Draw a metric of the run in RUN_DIR, one block for each step."""
    steps = [record["metrics"] for record in RunDir(run_dir).read("steps.jsonl")]
    values = [step[metric] for step in steps if metric in step]
    if not values:
        known = ", ".join(sorted({name for step in steps for name in step})) or "none"
        raise PluginError(f"no step of {run_dir} has a metric {metric!r}; it has {known}")
    click.echo(f"{metric} {sparkline(values)} {values[0]:.3g} to {values[-1]:.3g}")


def sparkline(values: list[float]) -> str:
    """Draw numbers as blocks, from the lowest to the highest."""
    low, spread = min(values), max(values) - min(values) or 1.0
    return "".join(BLOCKS[round((value - low) / spread * (len(BLOCKS) - 1))] for value in values)


if __name__ == "__main__":  # until it is in a package
    my_plugin()
