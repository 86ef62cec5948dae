"""``justtinker train``: run configs one after the other, each from the weights of the one before; or resume them."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from justtinker_core import PluginError, config, loop
from justtinker_core.checkpoints import FILE, newest_first
from justtinker_core.run import Run, open_plugins, resolved
from justtinker_core.rundir import RunDir, exists
from justtinker_plugins.commands import _preflight
from justtinker_plugins.commands._endings import last_words, say, say_why
from justtinker_plugins.commands._options import plugin_option, read_all, set_option
from justtinker_plugins.commands.check import Planned, rehearse

EXIT_CODES = {"interrupted": 130, "stopped": 3, "failed": 1}  # stopped: by a monitor
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
@click.option(
    "--dry-run", is_flag=True, help="Show what would be done and what is in the way; spend and leave nothing."
)
def train(
    configs: tuple[str, ...],
    sets: tuple[str, ...],
    switches: tuple[str, ...],
    directory: Path | None,
    resume: Path | None,
    dry_run: bool,
) -> None:
    """Train on each CONFIG (a TOML file or a preset) in order, each starting from the weights of the one before.

    Without any: the quickstart, SFT and then RL of a tiny model, on this machine. --set and -p change every CONFIG;
    those of a plugin, the ones that have it. Of several, --set quickstart-rl:run.steps=5 changes one.
    """
    if resume is None:
        sources = configs or QUICKSTART
        configured, changes = read_all(sources, sets, switches)
        parent, plan = planned(sources, configured, directory, "" if configs else "quickstart")
    elif configs or sets or switches or directory:
        raise click.UsageError("--resume goes on with the config of the run: it takes no CONFIG, --set, -p or --dir")
    else:
        parent, plan = resume, [unfinished(path) for path in existing(resume)]
    if resume is None and parent.exists():
        raise exists(parent)
    if resume is None and changes:
        click.echo(f"Changed: {changes}")
    if dry_run:
        rehearse([each for each in plan if each.step < each.config.run.steps])
        return
    if resume is None:
        make(parent, plan)
    train_and_tell(parent, [each.path for each in plan], new=resume is None)


def train_and_tell(parent: Path, run_dirs: list[Path], new: bool) -> None:
    """Train all; say how to go on if that does not end well, or clean up where it came to nothing."""
    go_on = f"justtinker train --resume {shlex.quote(str(parent))}"
    last_words(f"interrupted; go on with: {go_on}")
    try:
        status = train_all(run_dirs)
    except BaseException as error:
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        say_why(error)
    if status == "failed" and new and not any(map(recorded, run_dirs)):
        shutil.rmtree(parent, ignore_errors=True)  # only the config: the same command shall work once it is mended
    elif status == "failed":
        say(f"failed; mend it, then go on, with the same config: {go_on}")
    elif status != "finished":
        say(f"{status}; go on with: {go_on}")
    if status != "finished":
        raise SystemExit(EXIT_CODES[status])


def planned(
    sources: Sequence[str], configs: Sequence[config.RunConfig], directory: Path | None, name: str
) -> tuple[Path, list[Planned]]:
    """The runs of a command and the directory of all: a mistake in the second must not show after the first has run."""
    configured = [resolved_one(source, each, len(configs) > 1) for source, each in zip(sources, configs, strict=True)]
    stamp = time.strftime("%Y%m%d-%H%M%S")
    parent = directory or Path("runs") / f"{name or configured[-1].run.name}-{stamp}"
    if len(configured) == 1:
        return parent, [Planned(configured[0], parent)]
    plan: list[Planned] = []
    for number, each in enumerate(configured, 1):
        if plan and each.run.start_from is None:
            each = replace(each, run=replace(each.run, start_from=f"../{plan[-1].path.name}"))
        plan.append(Planned(each, parent / f"{number}-{each.run.name}"))
    return parent, plan


def resolved_one(source: str, configured: config.RunConfig, several: bool) -> config.RunConfig:
    """The config, resolved; of several, an error says which one it is of."""
    try:
        return resolved(configured)
    except PluginError as error:
        raise (PluginError(f"{source}: {error}") if several else error) from None


def make(parent: Path, plan: list[Planned]) -> None:
    """The directories of a command's runs: all of them or, if the process is killed here, none."""
    part = parent.with_name(f".{parent.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    for each in plan:
        RunDir.create(part / each.path.relative_to(parent), each.config.dump())
    part.rename(parent)


def unfinished(path: Path) -> Planned:
    """A run as it stands; one that is finished is at its last step."""
    files, configured = RunDir(path), config.read(path)
    if "checkpoint" in files.manifest():  # of no steps: training would begin with setting aside what was evaluated
        raise PluginError(f"{path} is an evaluation: go on with justtinker eval --resume {shlex.quote(str(path))}")
    saved = newest_first(files.read(FILE))  # the last line may be the best one's
    if saved:  # then the weights it began with may have expired
        configured = replace(configured, run=replace(configured.run, start_from=None))
    return Planned(configured, path, saved[0]["step"] if saved else 0)


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
    return any(file.name not in ("config.toml", "manifest.json", ".lock") for file in run_dir.iterdir())


def train_all(run_dirs: list[Path]) -> str:
    """Train what is not finished yet, in order."""
    for number, path in enumerate(run_dirs):
        files = RunDir(path)
        if files.manifest().get("status") == "finished":
            click.echo(f"{path} is finished already")
            continue
        configured = config.read(path)
        checks = _preflight.checks(path)
        previous, last = run_dirs[:number], path == run_dirs[-1]
        with Run(configured, open_plugins(configured), files, previous, last, checks) as run:
            status = loop.train(run)
        if status != "finished":
            return status
    return "finished"
