"""``justtinker monitor``: run monitors over a recorded history, as the loop would have. Changes no file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from justtinker_core import config, loop
from justtinker_core.plugins import Active, Plugins, activate, implements, look_up
from justtinker_core.run import Run, installed
from justtinker_core.rundir import RunDir
from justtinker_core.types import History
from justtinker_plugins._tables import plain_table
from justtinker_plugins.commands._histories import Records, Said, read_records
from justtinker_plugins.commands._options import plugin_option, read_one, set_option
from justtinker_plugins.commands.train import EXIT_CODES, existing
from justtinker_plugins.monitors import DEFAULT

STYLES = {"info": "cyan", "warn": "yellow", "stop": "bold red"}
ROLES = ("monitors", "environments", "local")
"""Where monitors come from; plugins of other roles are not even imported."""


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


def bare(sets: Sequence[str], switches: Sequence[str]) -> config.RunConfig:
    """A config with the default monitors, and nothing to run."""
    run: dict[str, Any] = {"name": "history", "model": "none", "steps": 0}
    tables: dict[str, Any] = {"run": run, "plugins": {"enable": list(DEFAULT)}}
    for item in sets:
        config.override(tables, item)
    config.check_shape(tables)
    for name in switches:
        config.switch(tables, name)
    return config.parse(tables, Path.cwd())


def monitors_of(wanted: config.RunConfig) -> list[Active]:
    """The monitors that a config enables, set up."""
    known = installed(wanted)
    found = [look_up(name, known) for name in wanted.enable]
    monitors = [f for f in found if f.role in ROLES and implements(f.load(), "inspect_step")]
    return [activate(f, wanted.plugin_options.get(f.name, {})) for f in monitors]


def replay(records: Records, plugins: Plugins, wanted: config.RunConfig) -> list[Said]:
    """What the monitors say of each step, shown what they would have been shown; groups of rollouts are not."""
    run = Run(wanted, plugins, RunDir(Path()))
    said = []
    for place, stats in enumerate(records.steps):
        run.history = records.before(place)
        said += [Said(stats.step, finding) for finding in loop.inspect(run, stats, ())]
    return said


def show(records: Records, plugins: Plugins, said: Sequence[Said]) -> None:
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


def summary(records: Records, said: Sequence[Said]) -> str:
    """How much was looked at, how much was found, and where the run would have ended."""
    counts = Counter(s.finding.level for s in said)
    steps, evals = len(records.steps), len(records.evals)
    text = f"{steps:,} steps, {evals:,} evaluations: {counts['warn']} warnings, {counts['stop']} stops"
    first = next((s for s in said if s.finding.level == "stop"), None)
    return text if first is None else f"{text}; the run would have ended at step {first.step} ({first.finding.source})"
