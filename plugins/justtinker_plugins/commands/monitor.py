"""``justtinker monitor``: run monitors over a recorded history, as the loop would have. Changes no file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from justtinker_core import config
from justtinker_core.plugins import Plugins
from justtinker_core.types import History
from justtinker_plugins.commands._cli.endings import EXIT_CODES
from justtinker_plugins.commands._cli.options import plugin_option, read_one, set_option
from justtinker_plugins.commands._cli.replay import bare, monitors_of, replay
from justtinker_plugins.monitors import DEFAULT
from justtinker_plugins.shared.records.history import RecordedFinding, Records, read_records
from justtinker_plugins.shared.records.runs import existing
from justtinker_plugins.shared.terminal import plain_table

STYLES = {"info": "cyan", "warn": "yellow", "stop": "bold red"}


@click.command()
@click.argument("source", metavar="RUN_DIR|HISTORY.csv|HISTORY.jsonl", type=click.Path(path_type=Path))
@click.option("--config", "config_source", metavar="CONFIG", help="Take the monitors of this config or preset.")
@set_option
@plugin_option
def monitor(source: Path, config_source: str | None, sets: tuple[str, ...], switches: tuple[str, ...]) -> None:
    """Replay a run, finished or running, and print what monitors find, with the steps.

    The monitors are the run's own, or the default ones for a bare history; change them and their options with -p and
    --set plugins.NAME.OPTION=VALUE. A history's columns are step and metrics (eval_NAME: the metric NAME of an
    evaluation at that step). Exit code 3: a monitor would have stopped the run.
    """
    if source.is_dir():
        source = existing(source)[-1]
    records = read_records(source)
    wanted, note = monitors_wanted(config_source or (source if source.is_dir() else None), sets, switches)
    plugins = Plugins(monitors_of(wanted))
    said = replay(records, plugins, wanted)
    if note:
        click.echo(note)
    show(records, plugins, said)
    if any(s.finding.level == "stop" for s in said):
        raise SystemExit(EXIT_CODES["stopped"])


def monitors_wanted(
    source: str | Path | None, sets: Sequence[str], switches: Sequence[str]
) -> tuple[config.RunConfig, str]:
    """The config whose monitors are meant, and a note if they are not its own."""
    if source is None:
        return bare(sets, switches), ""
    if monitors_of(read_one(source, (), switches)):
        return read_one(source, sets, switches), ""
    return read_one(source, sets, (*switches, *DEFAULT)), f"{source} has no monitors: these are the default ones"


def show(records: Records, plugins: Plugins, said: Sequence[RecordedFinding]) -> None:
    """The findings in a table, what each silent monitor has to say for itself, and a summary."""
    console = Console()
    table = plain_table("step", "level", "monitor", "finding")
    for s in said:
        level = s.finding.level
        table.add_row(str(s.step), f"[{STYLES[level]}]{level}[/]", s.finding.source, escape(s.finding.message))
    if said:
        console.print(table, highlight=False)
        console.print()
    spoke = {s.finding.source for s in said}
    for name in plugins.active:
        if name not in spoke:
            console.print(f"{name}: {silence(plugins, name, records)}", highlight=False)
    console.print(summary(records, said), highlight=False)


def silence(plugins: Plugins, name: str, records: Records) -> str:
    """Why a monitor said nothing."""
    instance = plugins.active[name].instance
    if getattr(instance, "action", "") == "off":
        return "switched off"
    lacks = getattr(instance, "lacks", None)  # of the bundled ones
    return escape(
        (lacks(History(records.steps, records.evals, records.checkpoints)) if lacks else "") or "nothing found"
    )


def summary(records: Records, said: Sequence[RecordedFinding]) -> str:
    """How much was looked at, how much was found, and where the run would have ended."""
    counts = Counter(s.finding.level for s in said)
    steps, evals = len(records.steps), len(records.evals)
    text = f"{steps:,} steps, {evals:,} evaluations: {counts['warn']} warnings, {counts['stop']} stops"
    first = next((s for s in said if s.finding.level == "stop"), None)
    return text if first is None else f"{text}; the run would have ended at step {first.step} ({first.finding.source})"
