"""Read recorded evaluations, and the groups that were sampled for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from justtinker_core import EvalStats, PluginError
from justtinker_core.rundir import RunDir
from justtinker_plugins.shared.records.runs import existing
from justtinker_plugins.shared.records.step_files import SUFFIX, read_groups

Record = dict[str, Any]
"""A group as ``rundir.group_record`` writes it."""


def evaluations(reference: str) -> tuple[Path, dict[str, EvalStats]]:
    """Find the evaluations of ``DIR`` (the newest of each set) or ``DIR@STEP``.

    Returns their directory, and the evaluations by set. A directory of several runs stands for the last of them.
    """
    name, _, step = reference.rpartition("@") if not Path(reference).is_dir() else (reference, "", "")
    if not Path(name).is_dir() or not (step.isdecimal() or name == reference):
        raise PluginError(f"expected the directory of a run or an evaluation, or DIR@STEP, got {reference!r}")
    directory = existing(Path(name))[-1]
    found = [EvalStats(**record) for record in RunDir(directory).read("evals.jsonl")]
    if not found:
        raise PluginError(f"{directory} holds no evaluation yet")
    steps = sorted({stats.step for stats in found})
    if step and int(step) not in steps:
        raise PluginError(f"{directory} has no evaluation of step {step}; it has {', '.join(map(str, steps))}")
    return directory, {stats.name: stats for stats in found if not step or stats.step == int(step)}


def eval_groups(directory: Path, stats: EvalStats) -> list[Record]:
    """Read the groups of an evaluation, one for each problem."""
    try:
        return list(read_groups(directory / "rollouts" / f"eval_{stats.name}_{stats.step:06d}{SUFFIX}"))
    except PluginError as error:
        raise PluginError(f"the rollouts of {stats.name} at step {stats.step} cannot be read: {error}") from error
