"""``justtinker train``: run configs one after the other, each from the weights of the one before; or resume them."""

from __future__ import annotations

import shlex
import shutil
import time
from dataclasses import replace
from pathlib import Path

import click

from justtinker_core import PluginError, config, loop
from justtinker_core.run import Run, open_plugins, resolved
from justtinker_core.rundir import RunDir, exists
from justtinker_plugins.commands._options import plugin_option, set_option

EXIT_CODES = {"interrupted": 130, "stopped": 3}  # stopped: by a monitor
QUICKSTART = ("quickstart-sft", "quickstart-rl")


@click.command()
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

    Without any: the quickstart, SFT and then RL of a tiny model, on this machine. --set and -p change every CONFIG.
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
        if status == "failed" and resume is None and not any(map(recorded, run_dirs)):
            shutil.rmtree(
                parent, ignore_errors=True
            )  # nothing but the config: the same command shall work once its mistake is mended
        elif status != "finished":
            click.echo(f"{status}; go on with: justtinker train --resume {shlex.quote(str(parent))}", err=True)
    if status != "finished":
        raise SystemExit(EXIT_CODES[status])


def create(
    configs: tuple[str, ...], sets: tuple[str, ...], switches: tuple[str, ...], directory: Path | None, name: str
) -> tuple[Path, list[Path]]:
    """Make the run directories of a command, all of them before the first one runs."""
    # All of them now: a mistake in the second config must not show after the first has run.
    configured = [resolved(config.read(source, sets, switches)) for source in configs]
    stamp = time.strftime("%Y%m%d-%H%M%S")
    parent = directory or Path("runs") / f"{name or configured[-1].run.name}-{stamp}"
    if len(configured) == 1:
        return parent, [RunDir.create(parent, configured[0].dump()).path]
    if parent.exists():
        raise exists(parent)
    run_dirs: list[Path] = []
    for number, each in enumerate(configured, 1):
        if run_dirs and each.run.start_from is None:
            each = replace(each, run=replace(each.run, start_from=f"../{run_dirs[-1].name}"))
        run_dirs.append(RunDir.create(parent / f"{number}-{each.run.name}", each.dump()).path)
    return parent, run_dirs


def existing(parent: Path) -> list[Path]:
    """The run directories of an earlier command, in their order."""
    if (parent / "config.toml").is_file():
        return [parent]
    run_dirs = {p.parent.name.partition("-")[0]: p.parent for p in parent.glob("[0-9]*-*/config.toml")}
    if not run_dirs or not all(number.isdecimal() for number in run_dirs):
        raise PluginError(f"{parent} is no run directory: it holds neither config.toml nor 1-NAME, 2-NAME ...")
    return [run_dirs[number] for number in sorted(run_dirs, key=int)]


def recorded(run_dir: Path) -> bool:
    """Whether a run has come to anything yet."""
    return any(file.name not in ("config.toml", "manifest.json") for file in run_dir.iterdir())


def train_all(run_dirs: list[Path]) -> str:
    """Train what is not finished yet, in order."""
    for number, path in enumerate(run_dirs):
        files = RunDir(path)
        if files.manifest().get("status") == "finished":
            click.echo(f"{path} is finished already")
            continue
        configured = config.read(path)
        with Run(
            configured, open_plugins(configured), files, previous=run_dirs[:number], last=path == run_dirs[-1]
        ) as run:
            status = loop.train(run)
        if status != "finished":
            return status
    return "finished"
