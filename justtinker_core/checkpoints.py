"""The records of checkpoints: which one to resume from, which one is the best, and where a reference leads.

``checkpoints.jsonl`` has step, kind and path of each checkpoint, and its expiry if a server deletes it. Kinds: periodic
(kept), rolling (only to resume from; the next checkpoint replaces it), final, and best, a second line for the
checkpoint with the best evaluation so far.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from justtinker_core.config import RunConfig, due
from justtinker_core.errors import PluginError
from justtinker_core.rundir import RunDir

FILE = "checkpoints.jsonl"
Record = Mapping[str, Any]


def due_kind(step: int, config: RunConfig, *, now: bool = False) -> str | None:
    """The kind of checkpoint to save after a step; None for no checkpoint. `now` asks for one in any case."""
    saving, last = config.checkpoints, config.run.steps
    if step == last:
        return "final"
    if now or any(due(step, every, last) for every in (saving.every, config.evaluation.every)):
        return "periodic"
    return "rolling" if due(step, saving.rolling, last) else None


def mark_best(files: RunDir) -> None:
    """Record which checkpoint is the best so far, if it has changed."""
    saved = {record["step"]: record for record in files.read(FILE)}
    step = best_step(files.read("evals.jsonl"), saved)
    if step is not None and saved[step]["kind"] != "best":
        files.append(FILE, {**saved[step], "kind": "best"})


def best_step(evals: Iterable[Record], saved: Iterable[int]) -> int | None:
    """Return the saved step with the best accuracy, averaged over the evaluation sets; the earliest if several tie.

    A step that a kill left with fewer sets than other steps cannot be compared and does not count.
    """
    accuracy: dict[int, list[float]] = {step: [] for step in saved}
    for record in evals:
        accuracy.get(record["step"], []).append(record["metrics"]["accuracy"])
    sets = max(map(len, accuracy.values()), default=0) or 1
    means = {step: sum(values) / sets for step, values in accuracy.items() if len(values) == sets}
    return max(sorted(means), key=lambda step: means[step], default=None)


def newest_first(records: Sequence[Record]) -> list[Record]:
    """Return one record per step, in the order in which a resume tries them."""
    return sorted({r["step"]: r for r in reversed(records)}.values(), key=lambda r: -r["step"])


def checkpoint_of(reference: str, here: Path) -> str:
    """Return the path to restore: of a checkpoint, or of a run directory's newest; relative to `here` or the cwd."""
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
    raise PluginError(f"expected a checkpoint or a run directory, got {reference!r} (run.start_from, --checkpoint)")


def located(path: str, directory: Path) -> str:
    """Return a recorded checkpoint's path; a relative one starts at the run directory."""
    return path if "://" in path else str((directory / path).resolve())


def relative(path: str, directory: Path) -> str:
    """Return how to record a checkpoint's path in a run directory, so that `located` finds it again."""
    return path if "://" in path else os.path.relpath(path, directory)
