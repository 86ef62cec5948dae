"""Checkpoints: when they are recorded, which one a resume takes, which one is the best, and how to name one.

``checkpoints.jsonl`` says kind, step, path and, where a server forgets them, when they expire. Kinds: periodic (kept),
rolling (only to resume from; the next checkpoint takes its place), final, and best, a second line for the checkpoint
with the best evaluation so far.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from justtinker_core.options import PluginError
from justtinker_core.rundir import RunDir

if TYPE_CHECKING:
    from justtinker_core.run import Run

FILE = "checkpoints.jsonl"
Record = Mapping[str, Any]


def save(run: Run, kind: str) -> None:
    """Ask the backend to save this step's weights and optimizer; recorded once they are there, holding nothing up."""
    ttl = run.config.checkpoints.ttl(kind)
    try:
        saved = run.backend.save(f"step_{run.step:06d}", ttl)
    except OSError as error:
        raise unsaved(run, run.step, error) from error
    if kind != "rolling":
        run.history = replace(run.history, checkpoints=(*run.history.checkpoints, run.step))
    run.scribe.later(_record, run, run.step, kind, ttl, saved)


def _record(run: Run, step: int, kind: str, ttl: int | None, saved: Future[str]) -> None:
    try:
        path = saved.result()
    except (OSError, PluginError) as error:
        raise unsaved(run, step, error) from error
    if Path(path).is_relative_to(run.dir):
        path = str(Path(path).relative_to(run.dir))
    expires = {"expires": f"{datetime.now(UTC) + timedelta(seconds=ttl):%Y-%m-%dT%H:%M:%SZ}"} if ttl else {}
    before = [r for r in run.files.read(FILE) if r["kind"] != "best"][-1:]
    run.files.append(FILE, {"step": step, "kind": kind, "path": path, **expires})
    for record in before:
        if record["kind"] == "rolling":
            run.backend.forget(located(record["path"], run.dir))


def unsaved(run: Run, step: int, error: Exception) -> PluginError:
    """The error of a checkpoint that cannot be written."""
    return PluginError(f"cannot save the checkpoint of step {step} in {run.dir}: {error}; {last_words(run)}")


def mark_best(run: Run) -> None:
    """Say in the records which checkpoint is the best so far, if that has changed."""
    saved = {record["step"]: record for record in run.files.read(FILE)}
    step = best_step(run.files.read("evals.jsonl"), saved)
    if step is not None and saved[step]["kind"] != "best":
        run.files.append(FILE, {**saved[step], "kind": "best"})


def best_step(evals: Iterable[Record], saved: Iterable[int]) -> int | None:
    """The saved step with the best accuracy, averaged over the evaluation sets; the earliest of equals.

    A step that a kill left with fewer sets than others have cannot be compared with them.
    """
    accuracy: dict[int, list[float]] = {step: [] for step in saved}
    for record in evals:
        accuracy.get(record["step"], []).append(record["metrics"]["accuracy"])
    sets = max(map(len, accuracy.values()), default=0) or 1
    means = {step: sum(values) / sets for step, values in accuracy.items() if len(values) == sets}
    return max(sorted(means), key=lambda step: means[step], default=None)


def newest_first(records: Sequence[Record]) -> list[Record]:
    """One record a step, in the order in which a resume tries them."""
    return sorted({r["step"]: r for r in reversed(records)}.values(), key=lambda r: -r["step"])


def last_words(run: Run) -> str:
    """Which checkpoint a run that fails can go on from."""
    records = newest_first(run.files.read(FILE))
    if not records:
        return "there is no checkpoint yet"
    return f"the last good checkpoint is of step {records[0]['step']}: {records[0]['path']}"


def checkpoint_of(reference: str, here: Path) -> str:
    """The path to restore: of a checkpoint, or of a run directory's newest one; relative to `here` or the cwd."""
    if "://" in reference:
        return reference
    for directory in (Path(os.path.normpath(here / reference)), Path(reference)):
        if (directory / "config.toml").is_file():
            records = newest_first(RunDir(directory).read(FILE))
            if not records:
                raise PluginError(f"the run {directory} has no checkpoint yet")
            return located(records[0]["path"], directory)
        if directory.exists():
            return str(directory.resolve())
    raise PluginError(f"{reference!r} is neither a checkpoint nor a run directory (run.start_from, --checkpoint)")


def located(path: str, directory: Path) -> str:
    """A recorded checkpoint's path: relative ones lie in the run directory."""
    return path if "://" in path else str((directory / path).resolve())
