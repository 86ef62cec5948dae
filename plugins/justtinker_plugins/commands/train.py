"""``justtinker train``: run configs one after the other, each from the weights of the one before; or resume them."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import click

from justtinker_core import config_files, loop
from justtinker_core.enabling import open_plugins
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir, exists
from justtinker_plugins.commands._cli.endings import EXIT_CODES, last_words, say, say_why
from justtinker_plugins.commands._cli.options import plugin_option, read_all, set_option
from justtinker_plugins.commands._cli.plan import make, planned, unfinished
from justtinker_plugins.commands._preflight import checks
from justtinker_plugins.commands._preflight.rehearsal import rehearse
from justtinker_plugins.shared.records.runs import existing

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
        configured = config_files.read(path)
        previous, last = run_dirs[:number], path == run_dirs[-1]
        with loop.opened(Run(configured, open_plugins(configured), files, previous, last), checks.checks(path)) as run:
            status = loop.train(run)
        if status != "finished":
            return status
    return "finished"
