"""The loop: collect, train, inspect, record, checkpoint, evaluate. One for both stages; knows no algorithm.

A step's record is written before its checkpoint, and the checkpoint before the step's evaluation, so that a run
which dies anywhere goes on from its last checkpoint as if nothing had happened.
"""

from __future__ import annotations

import json
import logging
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from justtinker_core.options import PluginError, all_of
from justtinker_core.rollouts import GroupError, number
from justtinker_core.run import Run, checkpoint_of, located
from justtinker_core.rundir import group_record
from justtinker_core.stats import metrics_of, term_stats
from justtinker_core.types import Batch, EvalStats, Finding, Group, History, StepStats

log = logging.getLogger("justtinker")


def train(run: Run) -> str:
    """Train an opened run to its end, from wherever it stands. Returns its status: finished, stopped or interrupted."""
    resume(run)
    run.files.manifest(status="running", **run.versions())
    with interruptible() as interrupted:
        try:
            run.status = steps(run, interrupted)
        except GroupError as error:
            run.files.append("offending_groups.jsonl", {"error": str(error), **group_record(error.group)})
            raise PluginError(f"{error} (the group is kept in {run.dir / 'offending_groups.jsonl'})") from error
        except KeyboardInterrupt:
            run.status = "interrupted"
            raise
        finally:
            run.files.manifest(status=run.status)
    return run.status


def resume(run: Run) -> None:
    """Restore the newest checkpoint and set aside what came after it; or start from the weights of the config."""
    records = run.files.read("checkpoints.jsonl")
    for record in reversed(records):
        try:
            run.restore(located(record["path"], run.dir), optimizer=True)
        except FileNotFoundError:
            continue
        run.step = record["step"]
        break
    else:
        if records:
            raise PluginError(f"none of the {len(records)} checkpoints of {run.dir} is there any more; start a new run")
        if run.config.run.start_from:
            start_from(run, checkpoint_of(run.config.run.start_from, run.dir))
    run.files.rewind(run.step)
    run.history = History(
        tuple(StepStats(**{k: v for k, v in r.items() if k != "findings"}) for r in run.files.read("steps.jsonl")),
        tuple(EvalStats(**r) for r in run.files.read("evals.jsonl")),
    )


def start_from(run: Run, path: str) -> None:
    """The weights that the config names, with a fresh optimizer."""
    try:
        run.restore(path, optimizer=False)
    except FileNotFoundError as error:
        raise PluginError(
            f"run.start_from: the checkpoint {path} is not there (expired or deleted): {error}"
        ) from error


def steps(run: Run, interrupted: threading.Event) -> str:
    """All steps that are left."""
    evaluation, saving, last = run.config.evaluation, run.config.checkpoints, run.config.run.steps
    saved = run.step
    while True:
        if evaluation.at_start if run.step == 0 else due(run.step, evaluation.every, last, evaluation.at_end):
            run.evaluate()
        if run.step >= last:
            return "finished"
        if interrupted.is_set() and saved == run.step:
            return "interrupted"
        stop = any(finding.level == "stop" for finding in one_step(run))
        regular = any(due(run.step, every, last, at_end=True) for every in (saving.every, evaluation.every))
        if regular or stop or interrupted.is_set():
            checkpoint(run)
            saved = run.step
        if stop:
            return "stopped"


def due(step: int, every: int, last: int, at_end: bool = False) -> bool:
    """Whether something done every so many steps (0: never) is to be done after this one."""
    return (every > 0 and step % every == 0 and step < last) or (at_end and step == last)


def one_step(run: Run) -> list[Finding]:
    """Collect, train, inspect, record, report."""
    run.step += 1
    begun = time.perf_counter()
    before = run.tokens.copy()
    batch = run.plugins.first("collect_batch", lambda b: all_of(Batch)([b])[0], step=run.step, run=run)
    if batch is None:
        raise PluginError(f"{run.plugins.who('collect_batch')[0]} collected no batch at step {run.step}")
    collected = time.perf_counter()
    trained = update(run, batch)
    done = time.perf_counter()
    terms = term_stats(batch.groups)
    seconds = {"collect": collected - begun, "train": done - collected, "total": done - begun}
    metrics = {name: number(v, f"step {run.step}: {name}") for name, v in (metrics_of(batch) | trained).items()}
    stats = StepStats(run.step, metrics, terms, dict(run.tokens - before), seconds)
    findings = inspect(run, stats, batch.groups)
    if batch.groups:
        run.files.write_groups(f"step_{run.step:06d}", batch.groups)
    run.files.append("steps.jsonl", asdict(stats) | {"findings": [asdict(finding) for finding in findings]})
    run.remember(stats)
    run.plugins.tell("report_step", run=run, stats=stats, findings=findings)
    return findings


def update(run: Run, batch: Batch) -> dict[str, float]:
    """The batch's optimizer steps: all submitted, with the next sampler, before any is awaited."""
    adam = run.config.optimizer.at(run.step, run.config.run.steps)
    futures: list[tuple[Future[Any], Future[Any]]] = []
    for u in batch.updates:
        futures.append((run.backend.forward_backward(u.data, u.loss, u.config), run.backend.optim_step(adam)))
        run.tokens["trained"] += sum(len(datum.inputs) for datum in u.data)
    run.next_sampler = run.backend.sampler()
    losses, metrics = 0.0, []
    for train_future, optim_future in futures:
        result = train_future.result()
        losses += result.loss
        metrics.append({**result.metrics, **optim_future.result()})
    weights = sum(len([w for w in weighted(d) if w]) for u in batch.updates for d in u.data)
    means = {name: float(np.mean([m[name] for m in metrics if name in m])) for name in sorted(set().union(*metrics))}
    loss = {"loss": losses / weights} if weights else {}
    return {"learning_rate": adam.learning_rate, "trained": float(batch.trained), **loss, **means}


def weighted(datum: Any) -> Sequence[float]:
    """What weighs each target of a datum in its loss."""
    return datum.weights if datum.weights is not None else datum.advantages or ()


def inspect(run: Run, stats: StepStats, groups: Sequence[Group]) -> list[Finding]:
    """Ask the monitors. One that may stop the run (``fatal = True``) and fails ends it; others are survived."""
    findings: list[Finding] = []
    for name in run.plugins.who("inspect_step"):
        fatal = getattr(run.plugins.active[name].instance, "fatal", False)
        ask = run.plugins.ask if fatal else run.plugins.observe
        said = ask(name, "inspect_step", recordable, stats=stats, groups=groups, history=run.history)
        findings += [replace(finding, source=name) for finding in said or ()]
    return findings


def recordable(findings: Any) -> list[Finding]:
    """Findings with evidence that JSON can hold."""
    return [replace(finding, evidence=plain(finding.evidence)) for finding in all_of(Finding)(findings)]


def plain(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Evidence as it can be recorded: numbers of numpy as numbers, what JSON has no word for as text."""
    text = json.dumps(dict(evidence), default=lambda v: v.item() if hasattr(v, "item") else str(v))
    return dict(json.loads(text, parse_constant=str))


def checkpoint(run: Run) -> None:
    """Save weights and optimizer, then say so in the records."""
    kind = "final" if run.step == run.config.run.steps else "periodic"
    try:
        path = run.backend.save(f"step_{run.step:06d}").result()
    except OSError as error:
        raise PluginError(f"cannot save the checkpoint of step {run.step} in {run.dir}: {error}") from error
    if Path(path).is_relative_to(run.dir):
        path = str(Path(path).relative_to(run.dir))
    run.files.append("checkpoints.jsonl", {"step": run.step, "kind": kind, "path": path})


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Ctrl-C asks for a stop after the step; a second one is the ordinary KeyboardInterrupt."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def first(*_: Any) -> None:
        asked.set()
        log.warning("finishing this step, then saving; Ctrl-C again stops at once")
        signal.signal(signal.SIGINT, old)

    old = signal.signal(signal.SIGINT, first)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, old)
