"""``justtinker presets``: list the experiments that `train` takes by name, or show one."""

from __future__ import annotations

import tomllib

import click
from rich.console import Console

from justtinker_core import PluginError
from justtinker_core.config_files import presets as installed_presets
from justtinker_core.errors import nearest
from justtinker_plugins.shared.terminal import plain_table


@click.command()
@click.argument("name", required=False)
def presets(name: str | None) -> None:
    """List the presets that `train` takes by name, or print the one called NAME: its story and all its values."""
    known = installed_presets()
    if name is None:
        table = plain_table("preset", "steps", "model", "what it is")
        for column in table.columns[:3]:
            column.no_wrap = True
        for preset, path in known.items():
            text = path.read_text(encoding="utf-8")
            run = tomllib.loads(text)["run"]
            table.add_row(preset, f"{run['steps']:,}", run["model"].rpartition("/")[2], first_comment(text))
        Console().print(table)
    elif name in known:
        click.echo(known[name].read_text(encoding="utf-8"), nl=False)
    else:
        raise PluginError(f"no preset called {name!r}{nearest(name, known)}")


def first_comment(text: str) -> str:
    """Return the comment at the head of a file as one line."""
    lines = text.splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return " ".join(line.removeprefix("#").strip() for line in lines[:end])
