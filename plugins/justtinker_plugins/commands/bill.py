"""``justtinker bill``: what a run's own meter has counted, beside what the service has billed for it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from justtinker_core.config import RunConfig
from justtinker_core.enabling import open_plugins
from justtinker_core.rundir import RunDir
from justtinker_plugins.commands._cli.backend import backend_method
from justtinker_plugins.commands._cli.options import read_config, set_option
from justtinker_plugins.shared.bills import Bill
from justtinker_plugins.shared.records.runs import existing
from justtinker_plugins.shared.terminal import plain_table

KINDS = ("prefill", "cached_prefill", "sampled", "trained")


@click.command()
@click.argument("run_dir", metavar="RUN", type=click.Path(path_type=Path, exists=True, file_okay=False))
@set_option
def bill(run_dir: Path, sets: tuple[str, ...]) -> None:
    """Compare the tokens and the cost that RUN has recorded with what its service has billed for it.

    Given the directory of a command with several runs, show each of them. Nothing is spent.
    """
    console = Console()
    for path in existing(run_dir):
        print_bill(console, path, read_config(path, sets, ()))


def print_bill(console: Console, path: Path, config: RunConfig) -> None:
    """Print a run's table, and what the service says about its figures."""
    since, until = times_of(path)
    billed: Bill = method_of(config)(config, path.name, since, until)
    metered, usd = meter(path)
    table = plain_table(escape(config.run.name), "recorded", "billed", "difference", "USD billed")
    for column in table.columns[1:]:
        column.justify = "right"
    for kind in KINDS:
        ours, theirs = metered[kind], billed.tokens.get(kind, 0)
        cost = f"{billed.usd.get(kind, 0.0):,.2f}" if billed.tokens else ""
        table.add_row(kind.replace("_", " "), f"{ours:,}", f"{theirs:,}", difference(ours, theirs), cost)
    console.print(table)
    if usd or billed.usd:
        console.print(f"USD: {usd:,.2f} recorded, {sum(billed.usd.values()):,.2f} billed", highlight=False)
    if not billed.tokens:
        console.print("The service has billed nothing under this run's name. Its figures lag by some hours.")
    for note in billed.notes:
        console.print(escape(note), style="dim", highlight=False)


def method_of(config: RunConfig) -> Any:
    """The `bill` method of the config's backend."""
    plugins = open_plugins(config)
    plugins.require("open_backend", "a bill")
    return backend_method(plugins, "bill", "the backend {name} sends no bill: its plugin has no method `bill`")


def meter(path: Path) -> tuple[Counter[str], float]:
    """The tokens and the USD that a run has recorded, on steps that were set aside too."""
    tokens = Counter[str]()
    for record in RunDir(path).all_records():
        tokens.update(record.get("tokens") or {})
    return tokens, RunDir(path).spent()


def times_of(path: Path) -> tuple[datetime, datetime]:
    """When the first and the last file of a run were written."""
    times = [file.stat().st_mtime for file in path.rglob("*") if file.is_file()]
    return datetime.fromtimestamp(min(times), UTC), datetime.fromtimestamp(max(times), UTC)


def difference(ours: float, theirs: float) -> str:
    """How much more is billed than recorded, in per cent; a dash if nothing was recorded or nothing is billed."""
    return f"{theirs / ours - 1:+.1%}" if ours and theirs else "-"
