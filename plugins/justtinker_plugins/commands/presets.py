"""``justtinker presets``: list the experiments that `train` takes by name, or show one."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import click
from rich.console import Console
from rich.markup import escape

from justtinker_core import PluginError
from justtinker_core.config_files import presets as installed_presets
from justtinker_core.discovery import find
from justtinker_core.errors import nearest
from justtinker_plugins.shared.terminal import plain_table

HISTORICAL = "Historical: "
"""How the head of a preset begins that is kept as a record."""


class Preset(NamedTuple):
    """What the list shows of a preset. Presets of one group sort together, historical ones last."""

    historical: bool
    backend: str
    model: str
    name: str
    steps: int
    text: str

    @property
    def group(self) -> str:
        """The heading above the preset."""
        return f"{HISTORICAL if self.historical else ''}{self.model} ({self.backend})"


@click.command()
@click.argument("name", required=False)
def presets(name: str | None) -> None:
    """List the presets that `train` takes by name, or print the one called NAME: its story and all its values."""
    known = installed_presets()
    if name is None:
        print_list(known)
    elif name in known:
        click.echo(known[name].read_text(encoding="utf-8"), nl=False)
    else:
        raise PluginError(f"no preset called {name!r}{nearest(name, known)}")


def print_list(known: Mapping[str, Path]) -> None:
    """Print all presets under their models and backends."""
    console = Console(highlight=False)
    backends = {found.name for found in find().values() if found.role == "backends"}
    rows = sorted(read_preset(name, path.read_text(encoding="utf-8"), backends) for name, path in known.items())
    widths = max(map(len, known), default=0), max((len(f"{row.steps:,}") for row in rows), default=0)
    for group, members in groupby(rows, key=lambda row: row.group):
        console.print(f"[bold]{escape(group)}[/]")
        table = plain_table("preset", "steps", "what it is")
        for column, width in zip(table.columns, widths, strict=False):
            column.min_width, column.no_wrap = width, True
        for row in members:
            table.add_row(row.name, f"{row.steps:,}", escape(row.text))
        console.print(table)
        console.print()
    console.print("justtinker presets NAME shows one: what was run, what was not, and every value.")


def read_preset(name: str, text: str, backends: Collection[str]) -> Preset:
    """Read what the list shows of a preset from its file."""
    tables, head = tomllib.loads(text), first_comment(text)
    enabled = tables.get("plugins", {}).get("enable", [])
    backend = next((plugin for plugin in enabled if plugin in backends), "no backend")
    run = tables["run"]
    return Preset(head.startswith(HISTORICAL), backend, run["model"], name, run["steps"], head.removeprefix(HISTORICAL))


def first_comment(text: str) -> str:
    """Return the comment at the head of a file as one line."""
    lines = text.splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return " ".join(line.removeprefix("#").strip() for line in lines[:end])
