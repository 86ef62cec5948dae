"""Train a run from wherever it stands to its end. Knows no algorithm.

A step's record is written before its checkpoint, and the checkpoint before the step's evaluation, so that a run
that dies anywhere resumes from its last checkpoint and ends with the same records.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from justtinker_core.checkpoints import due_kind
from justtinker_core.errors import CannotResumeError, PluginError
from justtinker_core.evaluation import Evaluations
from justtinker_core.grading import GroupError
from justtinker_core.loop import watch
from justtinker_core.loop.resume import resume
from justtinker_core.loop.saving import naming_the_checkpoint, save
from justtinker_core.loop.step import one_step, over_budget
from justtinker_core.run import Run
from justtinker_core.rundir import group_record

log = logging.getLogger("justtinker")


def train(run: Run) -> str:
    """Train an opened run to its end, from wherever it stands. Returns its status: finished, stopped or interrupted.

    The manifest gets both the status and, as `reason`, why the run ended.
    """
    error = None
    with Evaluations(run) as evaluations:
        resume(run, evaluations)
        run.files.manifest(status="running", error=None, reason=None, **run.versions())
        with interruptible(run) as interrupted:
            try:
                if text := over_budget(run):
                    raise CannotResumeError(f"{text}; raise it in {run.dir / 'config.toml'}, then resume")
                with naming_the_checkpoint(run):
                    run.status, run.reason = train_steps(run, evaluations, interrupted)
            except GroupError as failure:
                error = save_offending_group(run, failure)
                raise PluginError(error) from failure
            except KeyboardInterrupt:
                run.status, run.reason = "interrupted", f"interrupted in step {run.step}"
                raise
            except BaseException as failure:
                error = f"{type(failure).__name__}: {failure}"
                raise
            finally:
                run.reason = error or run.reason
                run.files.manifest(status=run.status, error=error, reason=run.reason)
    return run.status


def save_offending_group(run: Run, error: GroupError) -> str:
    """Save the group that a plugin failed on; returns the error with its place."""
    run.files.append("offending_groups.jsonl", {"error": str(error), **group_record(error.group)})
    where = f"step {error.group.step}, problem {error.group.problem.id!r}"
    return f"{error} ({where}; the group is kept in {run.dir / 'offending_groups.jsonl'})"


def train_steps(run: Run, evaluations: Evaluations, interrupted: threading.Event) -> tuple[str, str]:
    """Train all steps that are left, with their checkpoints and evaluations. Returns status and reason."""
    saved, status, reason = run.step, "", ""
    while not status:
        if missing := evaluations.missing(run.step):
            evaluations.begin(missing)
        if run.step >= run.config.run.steps:
            steps = run.config.run.steps
            status, reason = "finished", "the one step is trained" if steps == 1 else f"all {steps} steps are trained"
        elif interrupted.is_set() and saved == run.step:
            status, reason = "interrupted", f"Ctrl-C, after step {run.step}"
        elif text := over_budget(run):  # evaluations cost as well
            log.warning(text)
            if saved != run.step:
                save(run, "periodic")
            status, reason = "stopped", f"budget: {text}"
        else:
            stops = [finding for finding in one_step(run) if finding.level == "stop"]
            evaluations.end(run.step)
            if kind := due_kind(run.step, run.config, now=bool(stops) or interrupted.is_set()):
                save(run, kind)
                saved = run.step
            if stops:
                status, reason = "stopped", "; ".join(f"{stop.source}: {stop.message}" for stop in stops)
    evaluations.end()
    run.writer.catch_up()
    return status, reason


@contextmanager
def interruptible(run: Run) -> Iterator[threading.Event]:
    """On the first Ctrl-C, ask for a stop after this step and name slow calls. The second works as before."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def first(*_: Any) -> None:
        signal.signal(signal.SIGINT, old)
        asked.set()
        slow = watch.slow_calls(run.plugins, run.step, watch.NAMED_AFTER).values()
        log.warning("; ".join(["finishing this step, then saving; Ctrl-C again stops at once", *slow]))

    old = signal.signal(signal.SIGINT, first)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, old)
