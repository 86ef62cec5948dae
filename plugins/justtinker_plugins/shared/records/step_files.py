"""A run's files of rollouts by step and set, and the records in them. Nothing is judged or changed here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from justtinker_core import PluginError
from justtinker_plugins.shared.records.lines import lines, object_of

SUFFIX = ".jsonl.zst"


def step_files(run_dir: Path) -> list[Path]:
    """The files of a run by step, training before evaluations; those of an evaluation under way are not among them."""
    files = [path for kind in ("step", "eval") for path in (run_dir / "rollouts").glob(f"{kind}_*[0-9]{SUFFIX}")]
    return sorted(files, key=lambda path: (step_of(path), not is_training(path), path.name))


def step_of(path: Path) -> int:
    """The step that a file is of."""
    return int(path.name.removesuffix(SUFFIX).rpartition("_")[2])


def set_of(path: Path) -> str:
    """``training``, or the name of the evaluation set."""
    return "training" if is_training(path) else path.name.removesuffix(SUFFIX).rpartition("_")[0].removeprefix("eval_")


def is_training(path: Path) -> bool:
    """Whether it holds rollouts that were sampled for training."""
    return path.name.startswith("step_")


def read_groups(path: Path) -> Iterator[dict[str, Any]]:
    """The groups of a file, one at a time, as `justtinker_core.rundir.group_record` wrote them.

    PluginError names file and line. What is cut off at the end is left out, with a warning.
    """
    for line in lines(path):
        record = object_of(line)
        if "rollouts" not in record:
            raise PluginError(f"{line.place} is no group of rollouts: it has no 'rollouts'")
        yield record


def value_of(rollout: dict[str, Any]) -> float | None:
    """What a rollout is worth: its reward or, where none was given, 1 for a correct one; None: unscored."""
    outcome = rollout.get("verdict", {}).get("outcome")
    if outcome == "unscored":
        return None
    return float(rollout["reward"]) if rollout.get("terms") else float(outcome == "correct")
