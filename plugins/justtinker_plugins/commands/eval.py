"""``justtinker eval``: evaluate weights on a config's evaluation sets, with the code that training uses."""

from __future__ import annotations

import shlex
import shutil
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import click

from justtinker_core import PluginError, config_files, evaluation, loop
from justtinker_core.enabling import open_plugins, resolved
from justtinker_core.loop.resume import start_from
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_plugins.commands._cli.awaiting import awaiting
from justtinker_plugins.commands._cli.endings import print_error, print_if_killed, print_to_stderr
from justtinker_plugins.commands._cli.options import plugin_option, read_config, set_option
from justtinker_plugins.commands._preflight.checks import checks_for
from justtinker_plugins.shared.records.runs import existing
from justtinker_plugins.shared.records.weights import find_weights


@click.command("eval")
@click.argument("source", metavar="CONFIG|RUN_DIR", required=False)
@click.option(
    "--checkpoint", metavar="PATH|STEP|best|final", help="Default: a run's newest, or what a config starts from."
)
@set_option
@plugin_option
@click.option(
    "--dir", "directory", type=click.Path(path_type=Path), help="The directory for the records; default: a new one."
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="EVAL_DIR",
    help="Resume this evaluation; keep what it has sampled.",
)
def evaluate(
    source: str | None,
    checkpoint: str | None,
    sets: tuple[str, ...],
    switches: tuple[str, ...],
    directory: Path | None,
    resume: Path | None,
) -> None:
    """Evaluate a checkpoint, or the starting weights, on every [data.eval.NAME] of a config or a run.

    Given the directory of a command with several runs, evaluate the last of them.
    """
    if resume is not None and (source or checkpoint or sets or switches or directory):
        raise click.UsageError("--resume uses the evaluation's own config and checkpoint: it takes no other option")
    if resume is None and source is None:
        raise click.UsageError("expected a CONFIG, a RUN_DIR or --resume EVAL_DIR, got none of them")
    if resume is not None and not RunDir(resume).manifest().keys() >= {"step", "checkpoint"}:
        raise PluginError(f"{resume} is not an evaluation that justtinker eval began")
    eval_dir = resume or make_directory(str(source), checkpoint, sets, switches, directory)
    advice = f"resume with: justtinker eval --resume {shlex.quote(str(eval_dir))}"
    print_if_killed(f"interrupted; {advice}")
    try:
        evaluate_missing(eval_dir)
    except BaseException as error:
        print_error(error)
        if resume is None and not (eval_dir / "rollouts").exists():
            shutil.rmtree(eval_dir)  # so that the same command works once its mistake is corrected
        else:
            print_to_stderr(advice)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise SystemExit(1) from error


def make_directory(
    source: str, checkpoint: str | None, sets: tuple[str, ...], switches: tuple[str, ...], directory: Path | None
) -> Path:
    """Make the directory of an evaluation, with its config and a manifest that names the checkpoint."""
    run_dir = existing(Path(source))[-1] if Path(source).is_dir() else None
    changed = read_config(run_dir or source, sets, switches)
    data = tuple(spec for spec in changed.data if spec.purpose == "eval")
    if not data:
        raise PluginError(f"{source} has no table [data.eval.NAME] to evaluate on")
    step, path, run = find_weights(run_dir, checkpoint, changed.run.start_from)
    own = resolved(replace(changed, data=data, run=replace(changed.run, steps=0, start_from=None)))
    stamp = f"eval-{time.strftime('%Y%m%d-%H%M%S')}"
    eval_dir = directory or (run_dir / "evaluations" / stamp if run_dir else Path("runs") / f"{own.run.name}-{stamp}")
    RunDir.create(eval_dir, own.dump()).manifest(
        status="running", step=step, run=run, checkpoint=path, model=own.run.model
    )
    return eval_dir


def evaluate_missing(eval_dir: Path) -> None:
    """Evaluate the sets that have no record yet."""
    files = RunDir(eval_dir)
    manifest = files.manifest()
    if manifest["status"] == "evaluated":
        click.echo(f"{eval_dir} is already finished")
        return
    own = config_files.read(eval_dir)
    source = f"step {manifest['step']} of {manifest['run']}" if manifest.get("run") else manifest["checkpoint"]
    click.echo(f"{', '.join(spec.name for spec in own.data)}: evaluating {source or own.run.model}, in {eval_dir}")
    with ExitStack() as stack:
        with awaiting() as say:
            run = stack.enter_context(loop.opened(Run(own, open_plugins(own), files), checks_for(eval_dir), say))
        if manifest["checkpoint"] is not None:
            start_from(run, manifest["checkpoint"])
        run.step = manifest["step"]
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
