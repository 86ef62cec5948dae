"""``justtinker train``: run configs one after the other, each from the weights of the one before, or resume them."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

import click

from justtinker_core import config_files, loop
from justtinker_core.enabling import open_plugins
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir, exists_error
from justtinker_plugins.commands._cli.awaiting import awaiting
from justtinker_plugins.commands._cli.endings import EXIT_CODES, print_error, print_if_killed, print_to_stderr
from justtinker_plugins.commands._cli.headers import print_header
from justtinker_plugins.commands._cli.options import plugin_option, read_configs, set_option
from justtinker_plugins.commands._cli.plan import check_stages, make_directories, plan_resumed, plan_runs
from justtinker_plugins.commands._cli.results import advice, print_results, resume_command
from justtinker_plugins.commands._preflight.checks import checks_for
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
    help="Resume this run.",
)
@click.option(
    "--dry-run", is_flag=True, help="Show what the runs would do and what prevents them; spend nothing, write nothing."
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

    Without a CONFIG, run the quickstart: SFT and then RL of a tiny model, on this machine. --set and -p change every
    CONFIG, or, if they are about a plugin, those that have it. To change one of several: --set
    quickstart-rl:run.steps=5.
    """
    if resume is None:
        sources = configs or QUICKSTART
        changed, changes = read_configs(sources, sets, switches)
        parent, plan = plan_runs(sources, changed, directory, "" if configs else "quickstart")
    elif configs or sets or switches or directory:
        raise click.UsageError("--resume uses the config of the run: it takes no CONFIG, --set, -p or --dir")
    else:
        parent, plan = resume, [plan_resumed(path) for path in existing(resume)]
    if resume is None and parent.exists():
        raise exists_error(parent)
    if resume is None:
        if changes:
            click.echo(f"Changed: {changes}")
        check_stages(plan)
    if dry_run:
        rehearse([each for each in plan if each.step < each.config.run.steps])
        return
    if resume is None:
        make_directories(parent, plan)
    train_and_report(parent, [each.path for each in plan], new=resume is None)


def train_and_report(parent: Path, run_dirs: list[Path], new: bool) -> None:
    """Train all runs. Print where the results are and, if one does not finish, what to do.

    A new command that recorded nothing leaves no directory.
    """
    failure = None
    print_if_killed(f"interrupted; resume with: {resume_command(parent)}")
    try:
        status = train_all(run_dirs)
    except BaseException as error:
        status, failure = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed", error
        print_error(error)
    if status == "failed" and new and not any(map(has_records, run_dirs)):
        shutil.rmtree(parent, ignore_errors=True)  # so that the same command works once the mistake is corrected
        print_to_stderr(f"failed before its first step, so {parent} is removed; fix the cause and repeat the command")
    else:
        print_results(run_dirs, status)
        for line in advice(status, failure, parent, run_dirs):
            print_to_stderr(line)
    if status != "finished":
        raise SystemExit(EXIT_CODES[status])


def has_records(run_dir: Path) -> bool:
    """Whether a run has recorded anything yet."""
    return any(file.name not in ("config.toml", "manifest.json", ".lock") for file in run_dir.iterdir())


def train_all(run_dirs: list[Path]) -> str:
    """Train the runs that are not finished yet, in order; return the status of the last that was trained."""
    for number, path in enumerate(run_dirs):
        files = RunDir(path)
        if files.manifest().get("status") == "finished":
            click.echo(f"{path} is already finished")
            continue
        run_config = config_files.read(path)
        run = Run(run_config, open_plugins(run_config), files, run_dirs[:number], path == run_dirs[-1])
        print_header(run)
        with ExitStack() as stack:
            with awaiting() as say:
                stack.enter_context(loop.opened(run, checks_for(path), say))
            status = loop.train(run)
        if status != "finished":
            return status
    return "finished"
