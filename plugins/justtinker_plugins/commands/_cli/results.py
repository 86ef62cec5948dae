"""What `train` says at its end: where the results are, and how to go on in the way that can help."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import click

from justtinker_core import config_files
from justtinker_core.checkpoints import FILE, newest_first
from justtinker_core.discovery import find
from justtinker_core.errors import CannotResumeError
from justtinker_core.rundir import RunDir


def resume_command(parent: Path) -> str:
    """The command that goes on with the runs in a directory."""
    return f"justtinker train --resume {shlex.quote(str(parent))}"


def print_results(run_dirs: Sequence[Path], status: str) -> None:
    """Name the pages of the runs and, if they are finished, the commands that look at the last one."""
    from justtinker_plugins.shared.page.page import NAME

    last = shlex.quote(str(run_dirs[-1]))
    lines = [f"page: {path / NAME}" for path in run_dirs if (path / NAME).is_file()]
    if status == "finished" and (run_dirs[-1] / "rollouts").is_dir():
        lines.append(f"rollouts: justtinker show {last}")
    if status == "finished" and (run_dirs[-1] / "evals.jsonl").is_file():
        lines.append(f"evaluate its best checkpoint: justtinker eval {last} --checkpoint best")
    if status == "finished" and can_export(run_dirs[-1]):
        lines.append(f"use its weights elsewhere: justtinker export {last} DIR")
    with suppress(OSError):
        for line in lines:
            click.echo(line)


def can_export(run_dir: Path) -> bool:
    """Whether a run has a checkpoint, and an installed backend that writes its weights for other programs."""
    known = {name: found for name, found in find().items() if found.role == "backends"}
    backends = [known[name].load() for name in config_files.read(run_dir).enable if name in known]
    return bool(RunDir(run_dir).read(FILE)) and any(hasattr(backend, "export") for backend in backends)


def advice(status: str, error: BaseException | None, parent: Path, run_dirs: Sequence[Path]) -> Iterator[str]:
    """Say how to go on after a command whose runs did not all finish."""
    resume = resume_command(parent)
    ended = next((path for path in run_dirs if RunDir(path).manifest().get("status") != "finished"), run_dirs[-1])
    if status == "interrupted":
        yield f"interrupted; resume with: {resume}"
    elif status == "stopped" and not (monitors := stopping_monitors(ended)):
        yield f"stopped by the budget; raise run.budget_usd in {ended / 'config.toml'}, then resume with: {resume}"
    elif status == "stopped":
        yield f"stopped by {' and '.join(monitors)}; to resume, though it may stop again soon: {resume}"
        found, again = find(), start_command(ended, ended)
        if all(name not in found or found[name].role == "monitors" for name in monitors):
            yield f"or go on without it: {again}{''.join(f' -p no:{name}' for name in monitors)}"
        else:  # a run needs its verifier and rewards
            yield f"or go on with other options: {again}{''.join(f' --set plugins.{n}.OPTION=VALUE' for n in monitors)}"
    elif isinstance(error, CannotResumeError):
        yield "failed; resuming does not help before that is done"
    elif status == "failed":
        yield f"failed; fix the cause, then resume with the same config: {resume}"
        saved = [path for path in run_dirs[: run_dirs.index(ended) + 1] if newest_first(RunDir(path).read(FILE))]
        if saved:
            anew = start_command(ended, saved[-1])
            yield f"or, if its config is the cause, train another from the newest checkpoint: {anew}"


def start_command(run_dir: Path, weights: Path) -> str:
    """The command that trains a run's config from the newest weights of a run, ready for further changes."""
    return (
        f"justtinker train {shlex.quote(str(run_dir / 'config.toml'))} --set {shlex.quote(f'run.start_from={weights}')}"
    )


def stopping_monitors(run_dir: Path) -> list[str]:
    """The monitors that stopped a run at its last step; none if the budget did."""
    steps = RunDir(run_dir).read("steps.jsonl")
    stops = [f["source"] for f in (steps[-1]["findings"] if steps else ()) if f["level"] == "stop"]
    return [source for source in dict.fromkeys(stops) if source != "budget"]
