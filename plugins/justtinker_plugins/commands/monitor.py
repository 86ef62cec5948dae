"""``justtinker monitor``: run monitors over a recorded history, as training would have; change no file."""

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
from justtinker_plugins.commands._cli.options import plugin_option, read_config, set_option
from justtinker_plugins.commands._cli.replay import active_monitors, default_config, replay
from justtinker_plugins.monitors import DEFAULT
from justtinker_plugins.shared.records.bundled import located
from justtinker_plugins.shared.records.history import RecordedFinding, Records, read_records
from justtinker_plugins.shared.records.runs import existing, how_it_ended
from justtinker_plugins.shared.terminal import plain_table

STYLES = {"info": "cyan", "warn": "yellow", "stop": "bold red"}


@click.command()
@click.argument("source", metavar="RUN_DIR|HISTORY", type=click.Path(path_type=Path))
@click.option("--config", "config_source", metavar="CONFIG", help="Use the monitors of this config or preset.")
@set_option
@plugin_option
def monitor(source: Path, config_source: str | None, sets: tuple[str, ...], switches: tuple[str, ...]) -> None:
    """Replay a run, finished or not, and print what monitors find, step by step.

    The monitors are the run's own, or the default ones for a history; change them and their options with -p and
    --set plugins.NAME.OPTION=VALUE. A history is a .csv or .jsonl file with the column step and one column a metric
    (eval_NAME: the metric NAME of an evaluation at that step), or exp001, the published collapse, which ships with the
    toolkit; a file or directory of that name comes first. Exit code 3: a monitor would have stopped the run.
    """
    given, source = source, located(source)
    if source != given:
        click.echo(f"{given}: the published history that ships with the toolkit; there is no file of that name here\n")
    if source.is_dir():
        source = existing(source)[-1]
    records = read_records(source)
    used, note = choose_config(config_source or (source if source.is_dir() else None), sets, switches)
    plugins = Plugins(active_monitors(used))
    findings = replay(records, plugins)
    if note:
        click.echo(note)
    print_findings(records, plugins, findings)
    if source.is_dir() and (ending := how_it_ended(source)):
        click.echo(f"run {ending}")
    if any(each.finding.level == "stop" for each in findings):
        raise SystemExit(EXIT_CODES["stopped"])


def choose_config(
    source: str | Path | None, sets: Sequence[str], switches: Sequence[str]
) -> tuple[config.RunConfig, str]:
    """Choose the config whose monitors to use, with a note if they are the default ones instead of its own."""
    if source is None:
        return default_config(sets, switches), ""
    if active_monitors(read_config(source, (), switches)):
        return read_config(source, sets, switches), ""
    return read_config(source, sets, (*switches, *DEFAULT)), f"{source} has no monitors: these are the default ones"


def print_findings(records: Records, plugins: Plugins, findings: Sequence[RecordedFinding]) -> None:
    """Print the findings as a table, then why each other monitor found nothing, then a summary."""
    console = Console()
    table = plain_table("step", "level", "monitor", "finding")
    for each in findings:
        level = each.finding.level
        table.add_row(str(each.step), f"[{STYLES[level]}]{level}[/]", each.finding.source, escape(each.finding.message))
    if findings:
        console.print(table, highlight=False)
        console.print()
    sources = {each.finding.source for each in findings}
    for name in plugins.active:
        if name not in sources:
            console.print(f"{name}: {why_no_findings(plugins, name, records)}", highlight=False)
    console.print(summarize(records, findings), highlight=False)


def why_no_findings(plugins: Plugins, name: str, records: Records) -> str:
    """Say why a monitor has no findings."""
    instance = plugins.active[name].instance
    if getattr(instance, "action", "") == "off":
        return "switched off"
    lacks = getattr(instance, "lacks", None)  # bundled monitors have it
    return escape(
        (lacks(History(records.steps, records.evals, records.checkpoints)) if lacks else "") or "nothing found"
    )


def summarize(records: Records, findings: Sequence[RecordedFinding]) -> str:
    """Count steps, evaluations, warnings and stops, and name the step where the run would have ended."""
    counts = Counter(each.finding.level for each in findings)
    steps, evals = len(records.steps), len(records.evals)
    text = f"{steps:,} steps, {evals:,} evaluations: {counts['warn']} warnings, {counts['stop']} stops"
    first = next((each for each in findings if each.finding.level == "stop"), None)
    return text if first is None else f"{text}; the run would have ended at step {first.step} ({first.finding.source})"
