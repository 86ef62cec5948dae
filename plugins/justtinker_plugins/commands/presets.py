"""``justtinker presets``: the experiments that `train` takes by name."""

from __future__ import annotations

import tomllib

import click
from rich.console import Console

from justtinker_core.config import presets as installed_presets
from justtinker_plugins._tables import plain_table


@click.command()
def presets() -> None:
    """List the presets that `train` takes by name."""
    table = plain_table("preset", "model", "steps", "what it is")
    for name, path in installed_presets().items():
        text = path.read_text(encoding="utf-8")
        run = tomllib.loads(text)["run"]
        table.add_row(name, run["model"], str(run["steps"]), first_comment(text))
    Console().print(table)


def first_comment(text: str) -> str:
    """The comment that a file begins with, as one line."""
    lines = text.splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return " ".join(line.removeprefix("#").strip() for line in lines[:end])
