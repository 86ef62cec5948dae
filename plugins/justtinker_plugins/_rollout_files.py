"""Reading a run's ``rollouts/`` files one group at a time, whatever their size. Nothing is judged or changed here."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

from justtinker_core import PluginError

FOLDER, SUFFIX = "rollouts", ".jsonl.zst"


def rollout_files(run_dir: Path) -> list[Path]:
    """The files of a run by step, training before evaluations."""
    files = (run_dir / FOLDER).glob(f"*_[0-9]*{SUFFIX}")
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
    """The groups of a file, as `justtinker_core.rundir.group_record` wrote them. PluginError names file and line."""
    number = 0
    try:
        with path.open("rb") as file:
            size = zstandard.frame_content_size(file.read(18))  # the longest header
            file.seek(0)
            stream = zstandard.ZstdDecompressor().stream_reader(file)
            for number, line in enumerate(io.TextIOWrapper(stream, "utf-8"), 1):
                record = json.loads(line)
                if not isinstance(record, dict) or "rollouts" not in record:
                    raise PluginError(f"{path}, line {number} is no group of rollouts")
                yield record
            if stream.tell() < size:  # the library takes that for an end like any other
                raise ValueError(f"it ends after {stream.tell():,} of {size:,} bytes")
    except (OSError, ValueError, zstandard.ZstdError) as error:
        raise PluginError(f"{path} cannot be read after line {number}: {error}") from error


def value_of(rollout: dict[str, Any]) -> float | None:
    """What a rollout is worth: its reward or, where none was given, 1 for a correct one; None: unscored."""
    outcome = rollout.get("verdict", {}).get("outcome")
    if outcome == "unscored":
        return None
    return float(rollout["reward"]) if rollout.get("terms") else float(outcome == "correct")
