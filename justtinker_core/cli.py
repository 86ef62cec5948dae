"""The command line: `train` is core's; every other command is a plugin, imported when it is called."""

from __future__ import annotations

import logging
import shlex
import time
from pathlib import Path
from typing import Any

import click

from justtinker_core.options import PluginError

EXIT_CODES = {"interrupted": 130, "stopped": 3}  # stopped: by a monitor
QUICKSTART = ("quickstart-sft", "quickstart-rl")


class Commands(click.Group):
    """The group of all commands. A PluginError is a message and exit code 1; Ctrl-C is 130."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Core's own, then those of plugins."""
        from justtinker_core.plugins import find

        return [*super().list_commands(ctx), *(f.name for f in find().values() if f.role == "commands")]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a plugin's command when it is called."""
        from justtinker_core.plugins import find

        own = super().get_command(ctx, name)
        if own is not None:
            return own
        found = find().get(name)
        return found.load() if found is not None and found.role == "commands" else None

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; say what went wrong in a sentence."""
        logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
        try:
            return super().invoke(ctx)
        except PluginError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="justtinker")
def main() -> None:
    """Reinforcement learning with verifiable rewards on your laptop."""


set_option = click.option("--set", "sets", multiple=True, metavar="TABLE.KEY=VALUE", help="Change one config value.")
plugin_option = click.option("-p", "switches", multiple=True, metavar="[no:]NAME", help="Enable or disable a plugin.")


@main.command()
@click.argument("configs", nargs=-1)
@set_option
@plugin_option
@click.option(
    "--dir", "directory", type=click.Path(path_type=Path), help="The run directory; default: a new one in runs/."
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="RUN_DIR",
    help="Go on with this run.",
)
def train(
    configs: tuple[str, ...],
    sets: tuple[str, ...],
    switches: tuple[str, ...],
    directory: Path | None,
    resume: Path | None,
) -> None:
    """Train on each CONFIG (a TOML file or a preset) in order, each starting from the weights of the one before.

    Without any: the quickstart, SFT and then RL of a tiny model, on this machine.
    """
    if resume is not None:
        if configs or sets or switches or directory:
            raise click.UsageError(
                "--resume goes on with the config of the run: it takes no CONFIG, --set, -p or --dir"
            )
        parent, run_dirs = resume, existing(resume)
    else:
        parent, run_dirs = create(configs or QUICKSTART, sets, switches, directory, "quickstart" if not configs else "")
    status = "failed"
    try:
        status = train_all(run_dirs)
    except KeyboardInterrupt:
        status = "interrupted"
    finally:
        if status != "finished":
            click.echo(f"{status}; go on with: justtinker train --resume {shlex.quote(str(parent))}", err=True)
    if status != "finished":
        raise SystemExit(EXIT_CODES[status])


def create(
    configs: tuple[str, ...], sets: tuple[str, ...], switches: tuple[str, ...], directory: Path | None, name: str
) -> tuple[Path, list[Path]]:
    """Make the run directories of a command, all of them before the first one runs."""
    from dataclasses import replace

    from justtinker_core import config
    from justtinker_core.run import resolved
    from justtinker_core.rundir import RunDir

    # All of them now: a mistake in the second config must not show after the first has run.
    configured = [resolved(config.read(source, sets, switches)) for source in configs]
    stamp = time.strftime("%Y%m%d-%H%M%S")
    parent = directory or Path("runs") / f"{name or configured[-1].run.name}-{stamp}"
    if len(configured) == 1:
        return parent, [RunDir.create(parent, configured[0].dump()).path]
    if parent.exists():
        raise PluginError(
            f"the run directory {parent} exists; continue it with --resume {parent}, or name another with --dir"
        )
    run_dirs: list[Path] = []
    for number, each in enumerate(configured, 1):
        if run_dirs and each.run.start_from is None:
            each = replace(each, run=replace(each.run, start_from=f"../{run_dirs[-1].name}"))
        run_dirs.append(RunDir.create(parent / f"{number}-{each.run.name}", each.dump()).path)
    return parent, run_dirs


def existing(parent: Path) -> list[Path]:
    """The run directories of an earlier command, in their order."""
    run_dirs = (
        [parent] if (parent / "config.toml").is_file() else sorted(p.parent for p in parent.glob("*/config.toml"))
    )
    if not run_dirs:
        raise PluginError(f"{parent} is no run directory: it holds no config.toml")
    return run_dirs


def train_all(run_dirs: list[Path]) -> str:
    """Train what is not finished yet, in order."""
    from justtinker_core import config, loop
    from justtinker_core.run import Run
    from justtinker_core.rundir import RunDir

    for number, path in enumerate(run_dirs):
        files = RunDir(path)
        if files.manifest().get("status") == "finished":
            continue
        with Run(config.read(path), files, previous=run_dirs[:number]) as run:
            status = loop.train(run)
        if status != "finished":
            return status
    return "finished"
