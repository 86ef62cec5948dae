"""Resume a run from its newest checkpoint, or begin it."""

from __future__ import annotations

import logging

from justtinker_core.checkpoints import FILE, checkpoint_of, located, mark_best, newest_first
from justtinker_core.errors import CannotResumeError, PluginError
from justtinker_core.evaluation import Evaluations
from justtinker_core.run import Run

log = logging.getLogger("justtinker")


def resume(run: Run, evaluations: Evaluations) -> None:
    """Restore the newest checkpoint and set aside what came after it; or start from the weights of the config."""
    run.history = run.files.history()
    if run.plugins.reads("reference", run.config.run.steps):
        run.note_first_weights()
    records = newest_first(run.files.read(FILE))
    candidates = [record for record in records if settled(run, evaluations, record["step"])]
    if candidates or run.config.run.start_from:
        run.plugins.tell("report_progress", stage="load weights", done=0, total=1)
    for record in candidates:
        try:
            run.restore(located(record["path"], run.dir), optimizer=True)
        except FileNotFoundError:
            log.warning("the checkpoint of step %d is gone; taking an older one", record["step"])
            continue
        run.step = record["step"]
        break
    else:
        if candidates:
            raise CannotResumeError(
                f"none of the {len(candidates)} checkpoints of {run.dir} still exists; start a new run"
            )
        if run.config.run.start_from:
            start_from(run, checkpoint_of(run.config.run.start_from, run.dir))
    if aside := run.files.rewind(run.step):
        place = f"the checkpoint of step {run.step}" if run.step else "the beginning, for want of a checkpoint"
        log.warning("resuming from %s; later records are set aside in %s", place, aside.name)
    run.history, run.spent = run.files.history(), run.files.spent()
    evaluations.forget_recorded()
    if not evaluations.missing(run.step):
        mark_best(run.files)  # a crash may have prevented it after the last evaluation


def settled(run: Run, evaluations: Evaluations, step: int) -> bool:
    """Whether every evaluation begun before this checkpoint is recorded; if not, its weights are gone."""
    lag = run.config.evaluation.lag if run.backend.concurrent else 0
    return not any(evaluations.missing(earlier) for earlier in range(max(step - lag + 1, 0), step))


def start_from(run: Run, path: str) -> None:
    """Load the weights that the config names, with a fresh optimizer."""
    try:
        run.restore(path, optimizer=False)
    except FileNotFoundError as error:
        raise PluginError(
            f"the checkpoint {path} is not there (expired or deleted; run.start_from, --checkpoint): {error}"
        ) from error
