"""Find the weights that ``--checkpoint`` names: best, final, a step or a path."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from justtinker_core import PluginError, config_files
from justtinker_core.checkpoints import FILE, best_step, checkpoint_of, located, newest_first
from justtinker_core.rundir import RunDir
from justtinker_plugins.shared.records.origin import find_origin


def find_weights(run_dir: Path | None, checkpoint: str | None, start: str | None) -> tuple[int, str | None, str | None]:
    """Find weights: the step, path and run of a checkpoint.

    Without a path, they are the model's own. A checkpoint that no run's records name has step 0 and no run.
    """
    if run_dir is None or not (checkpoint in (None, "best", "final") or checkpoint.isdecimal()):
        reference = checkpoint or start
        if reference is None:
            return 0, None, None
        if run_dir is not None and "://" not in reference and not Path(reference).exists():
            raise PluginError(f"--checkpoint: expected best, final, a step or a path, got {reference!r}")
        path = checkpoint_of(reference, Path.cwd())
        source = find_origin(reference, path)
        return (source.step, path, source.run) if source else (0, path, None)
    files = RunDir(run_dir)
    records = {record["step"]: record for record in newest_first(files.read(FILE))}
    if not records:
        raise PluginError(f"the run {run_dir} has no checkpoint yet")
    if checkpoint is not None and checkpoint.isdecimal():
        step = int(checkpoint)
        if step not in records:
            saved = ", ".join(map(str, sorted(records)))
            raise PluginError(f"the run {run_dir} has no checkpoint of step {step}; it has {saved}")
    else:
        step = best_saved_step(files, records) if checkpoint == "best" else max(records)
    if checkpoint == "final" and records[step]["kind"] != "final":
        raise PluginError(
            f"the run {run_dir} is not finished; its newest checkpoint is of step {step}: leave out --checkpoint"
        )
    return step, located(records[step]["path"], run_dir), config_files.read(run_dir).run.name


def best_saved_step(files: RunDir, saved: Iterable[int]) -> int:
    """The saved step with the best evaluation."""
    step = best_step(files.read("evals.jsonl"), saved)
    if step is None:
        raise PluginError(f"no checkpoint of {files.path} has been evaluated, so none is the best")
    return step
