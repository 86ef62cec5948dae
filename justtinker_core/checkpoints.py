"""The records of checkpoints: which one a resume takes, which one is the best, and how to name one.

``checkpoints.jsonl`` says kind, step, path and, where a server forgets them, when they expire. Kinds: periodic (kept),
rolling (only to resume from; the next checkpoint takes its place), final, and best, a second line for the checkpoint
with the best evaluation so far.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from justtinker_core.errors import PluginError
from justtinker_core.rundir import RunDir

FILE = "checkpoints.jsonl"
Record = Mapping[str, Any]


def mark_best(files: RunDir) -> None:
    """Record which checkpoint is the best so far, if that has changed."""
    saved = {record["step"]: record for record in files.read(FILE)}
    step = best_step(files.read("evals.jsonl"), saved)
    if step is not None and saved[step]["kind"] != "best":
        files.append(FILE, {**saved[step], "kind": "best"})


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
