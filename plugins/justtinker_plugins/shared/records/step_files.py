"""A run's rollout files, by step and data set, and the records in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from justtinker_core import PluginError
from justtinker_plugins.shared.records.lines import lines, object_of

SUFFIX = ".jsonl.zst"


def step_files(run_dir: Path) -> list[Path]:
    """List a run's rollout files by step, training before evaluations, without those of an unfinished evaluation."""
    files = [path for kind in ("step", "eval") for path in (run_dir / "rollouts").glob(f"{kind}_*[0-9]{SUFFIX}")]
    return sorted(files, key=lambda path: (step_of(path), not is_training(path), path.name))


def step_of(path: Path) -> int:
    """Read the step from a file's name."""
    return int(path.name.removesuffix(SUFFIX).rpartition("_")[2])


def set_of(path: Path) -> str:
    """Read the data set from a file's name: ``training``, or the name of an evaluation set."""
    return "training" if is_training(path) else path.name.removesuffix(SUFFIX).rpartition("_")[0].removeprefix("eval_")


def is_training(path: Path) -> bool:
    """Whether the rollouts in a file were sampled for training."""
    return path.name.startswith("step_")


def read_groups(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the groups of a file as `justtinker_core.rundir.group_record` wrote them.

    PluginError names file and line. A damaged end is left out with a warning.
    """
    for line in lines(path):
        record = object_of(line)
        if "rollouts" not in record:
            raise PluginError(f"{line.place} is no group of rollouts: it has no 'rollouts'")
        yield record


def value_of(rollout: dict[str, Any]) -> float | None:
    """A rollout's reward or, if it was not rewarded, 1 for a correct and 0 for a wrong answer; None if unscored."""
    outcome = rollout.get("verdict", {}).get("outcome")
    if outcome == "unscored":
        return None
    return float(rollout["reward"]) if rollout.get("terms") else float(outcome == "correct")
