"""Save checkpoints: ask the backend, and record each once it is there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from justtinker_core.checkpoints import FILE, located, newest_first
from justtinker_core.errors import PluginError
from justtinker_core.grading import GroupError
from justtinker_core.run import Run


def save(run: Run, kind: str) -> None:
    """Ask the backend to save this step's weights and optimizer; record them, without waiting, once they are there."""
    ttl = run.config.checkpoints.ttl(kind)
    try:
        saved = run.backend.save(f"step_{run.step:06d}", ttl)
    except OSError as error:
        raise unsaved(run, run.step, error) from error
    if kind != "rolling":
        run.history = replace(run.history, checkpoints=(*run.history.checkpoints, run.step))
    run.writer.later(_record, run, run.step, kind, ttl, saved)


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
    return PluginError(f"cannot save the checkpoint of step {step} in {run.dir}: {error}; {newest_checkpoint(run)}")


@contextmanager
def naming_the_checkpoint(run: Run) -> Iterator[None]:
    """Name the newest checkpoint, if there is one, in a PluginError that does not name it yet."""
    try:
        yield
    except PluginError as error:
        newest = newest_checkpoint(run)
        if isinstance(error, GroupError) or newest in str(error) or not run.files.read(FILE):
            raise
        raise PluginError(f"{error}; {newest}") from error


def newest_checkpoint(run: Run) -> str:
    """Describe the checkpoint that a failed run can resume from."""
    records = newest_first(run.files.read(FILE))
    if not records:
        return "there is no checkpoint yet"
    return f"the last good checkpoint is of step {records[0]['step']}: {records[0]['path']}"
