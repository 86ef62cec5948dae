"""``justtinker check``: open everything that a run would open, show what it would do, and spend nothing.

`train --dry-run` does the same for every run of its command.
"""

from __future__ import annotations

from pathlib import Path

import click

from justtinker_core.enabling import resolved
from justtinker_plugins.commands._cli.options import plugin_option, read_config, set_option
from justtinker_plugins.commands._cli.plan import PlannedRun
from justtinker_plugins.commands._preflight.rehearsal import rehearse


@click.command()
@click.argument("source", metavar="CONFIG")
@set_option
@plugin_option
def check(source: str, sets: tuple[str, ...], switches: tuple[str, ...]) -> None:
    """Check a config before anything is spent: key, server, model, data, prompt, verifier, lengths, disk.

    All mistakes in the config are listed at once; once they are corrected, so is all that prevents the run.
    """
    rehearse([PlannedRun(resolved(read_config(source, sets, switches)), Path("runs"))])
