"""``justtinker eval``: evaluate weights on a config's evaluation sets, by the path that training uses too."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import click

from justtinker_core import PluginError, config_files, evaluation, loop
from justtinker_core.checkpoints import FILE, best_step, checkpoint_of, located, newest_first
from justtinker_core.enabling import open_plugins, resolved
from justtinker_core.loop.resume import start_from
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_plugins.commands._cli.endings import last_words, say, say_why
from justtinker_plugins.commands._cli.options import plugin_option, read_one, set_option
from justtinker_plugins.commands._preflight import checks
from justtinker_plugins.shared.records.origin import origin
from justtinker_plugins.shared.records.runs import existing


@click.command("eval")
@click.argument("source", metavar="CONFIG|RUN_DIR", required=False)
@click.option(
    "--checkpoint", metavar="PATH|STEP|best|final", help="Default: a run's newest; of a config, what it starts from."
)
@set_option
@plugin_option
@click.option(
    "--dir", "directory", type=click.Path(path_type=Path), help="Where the records go; default: a new directory."
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="EVAL_DIR",
    help="Go on with this evaluation: what it has sampled is not sampled again.",
)
def evaluate(
    source: str | None,
    checkpoint: str | None,
    sets: tuple[str, ...],
    switches: tuple[str, ...],
    directory: Path | None,
    resume: Path | None,
) -> None:
    """Evaluate a checkpoint (or the starting weights) on every [data.eval.NAME] of a config or a run.

    The directory of several runs of one command stands for the last of them.
    """
    if resume is not None and (source or checkpoint or sets or switches or directory):
        raise click.UsageError("--resume goes on with an evaluation as it was begun: it takes no other option")
    if resume is None and source is None:
        raise click.UsageError("a CONFIG, a RUN_DIR or --resume EVAL_DIR is needed")
    if resume is not None and not RunDir(resume).manifest().keys() >= {"step", "checkpoint"}:
        raise PluginError(f"{resume} is no evaluation that justtinker eval has begun")
    place = resume or begin(str(source), checkpoint, sets, switches, directory)
    advice = f"go on with: justtinker eval --resume {shlex.quote(str(place))}"
    last_words(f"interrupted; {advice}")
    try:
        go_on(place)
    except BaseException as error:
        say_why(error)
        if resume is None and not (place / "rollouts").exists():
            shutil.rmtree(place)  # the same command shall work once its mistake is mended
        else:
            say(advice)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise SystemExit(1) from error


def begin(
    source: str, checkpoint: str | None, sets: tuple[str, ...], switches: tuple[str, ...], directory: Path | None
) -> Path:
    """Make the directory of an evaluation, which says what is to be evaluated."""
    run_dir = existing(Path(source))[-1] if Path(source).is_dir() else None
    wanted = read_one(run_dir or source, sets, switches)
    data = tuple(spec for spec in wanted.data if spec.purpose == "eval")
    if not data:
        raise PluginError(f"{source} has no table [data.eval.NAME] to evaluate on")
    step, path, run = choose(run_dir, checkpoint, wanted.run.start_from)
    wanted = resolved(replace(wanted, data=data, run=replace(wanted.run, steps=0, start_from=None)))
    stamp = f"eval-{time.strftime('%Y%m%d-%H%M%S')}"
    place = directory or (run_dir / "evaluations" / stamp if run_dir else Path("runs") / f"{wanted.run.name}-{stamp}")
    RunDir.create(place, wanted.dump()).manifest(
        status="running", step=step, run=run, checkpoint=path, model=wanted.run.model
    )
    return place


def go_on(place: Path) -> None:
    """Evaluate what has no record yet."""
    files = RunDir(place)
    about = files.manifest()
    if about["status"] == "evaluated":
        click.echo(f"{place} is finished already")
        return
    wanted = config_files.read(place)
    with loop.opened(Run(wanted, open_plugins(wanted), files), checks.checks(place)) as run:
        if about["checkpoint"] is not None:
            start_from(run, about["checkpoint"])
        run.step = about["step"]
        files.manifest(status="running", reason=None, **run.versions())
        try:
            evaluation.evaluate(run)
            run.status, run.reason = "evaluated", "every evaluation set is recorded"
        except KeyboardInterrupt:
            run.status, run.reason = "interrupted", "Ctrl-C"
            raise
        except BaseException as error:
            run.reason = f"{type(error).__name__}: {error}"
            raise
        finally:
            files.manifest(status=run.status, reason=run.reason)


def choose(run_dir: Path | None, checkpoint: str | None, start_from: str | None) -> tuple[int, str | None, str | None]:
    """Step, path and run of the checkpoint that is meant; path None: the model as it is. Where no run's records name
    the checkpoint, step 0 and no run."""
    if run_dir is None or not (checkpoint in (None, "best", "final") or checkpoint.isdecimal()):
        reference = checkpoint or start_from
        if reference is None:
            return 0, None, None
        path = checkpoint_of(reference, Path.cwd())
        source = origin(reference, path)
        return (source.step, path, source.run) if source else (0, path, None)
    files = RunDir(run_dir)
    records = {record["step"]: record for record in newest_first(files.read(FILE))}
    if not records:
        raise PluginError(f"the run {run_dir} has no checkpoint yet")
    if checkpoint is not None and checkpoint.isdecimal():
        step = int(checkpoint)
        if step not in records:
            raise PluginError(
                f"the run {run_dir} has no checkpoint of step {step}; it has {', '.join(map(str, sorted(records)))}"
            )
    else:
        step = best(files, records) if checkpoint == "best" else max(records)
    if checkpoint == "final" and records[step]["kind"] != "final":
        raise PluginError(
            f"the run {run_dir} is not finished; its newest checkpoint is of step {step}: leave --checkpoint out"
        )
    return step, located(records[step]["path"], run_dir), config_files.read(run_dir).run.name


def best(files: RunDir, saved: Iterable[int]) -> int:
    """The saved step with the best evaluation."""
    step = best_step(files.read("evals.jsonl"), saved)
    if step is None:
        raise PluginError(f"no checkpoint of {files.path} has been evaluated, so none is the best")
    return step
