"""``justtinker check``: open everything that a run would open, spend nothing, and show what would happen.

`train --dry-run` does the same for all the runs of its command.
"""

from __future__ import annotations

from pathlib import Path

import click

from justtinker_core.enabling import resolved
from justtinker_plugins.commands._cli.options import plugin_option, read_one, set_option
from justtinker_plugins.commands._cli.plan import Planned
from justtinker_plugins.commands._preflight.rehearsal import rehearse


@click.command()
@click.argument("source", metavar="CONFIG")
@set_option
@plugin_option
def check(source: str, sets: tuple[str, ...], switches: tuple[str, ...]) -> None:
    """Check a config before anything is spent: key, server, model, data, prompt, verifier, lengths, disk.

    Complaints of one kind are told at once: those of the config, then, when these are mended, those of the run.
    """
    rehearse([Planned(resolved(read_one(source, sets, switches)), Path("runs"))])
