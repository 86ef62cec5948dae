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
from typing import Any

import numpy as np

from justtinker_core import checkpoints, watch
from justtinker_core.checkpoints import checkpoint_of, located
from justtinker_core.config import RunConfig, due
from justtinker_core.options import PluginError, all_of, nearest
from justtinker_core.rollouts import GroupError, number
from justtinker_core.run import Run
from justtinker_core.rundir import group_record
from justtinker_core.stats import metrics_of, term_stats
from justtinker_core.types import LEVELS, Batch, EvalStats, Finding, Group, History, StepStats

log = logging.getLogger("justtinker")


def train(run: Run) -> str:
    """Train an opened run to its end, from wherever it stands. Returns its status: finished, stopped or interrupted."""
    resume(run)
    run.files.manifest(status="running", error=None, **run.versions())
    reason = None
    with interruptible(run) as interrupted:
        try:
            run.status = steps(run, interrupted)
        except GroupError as error:
            run.files.append("offending_groups.jsonl", {"error": str(error), **group_record(error.group)})
            where = f"step {error.group.step}, problem {error.group.problem.id!r}"
            reason = f"{error} ({where}; the group is kept in {run.dir / 'offending_groups.jsonl'})"
            raise PluginError(reason) from error
        except KeyboardInterrupt:
            run.status = "interrupted"
            raise
        except BaseException as error:
            reason = f"{type(error).__name__}: {error}"
            raise
        finally:
            run.files.manifest(status=run.status, error=reason)
    return run.status


def resume(run: Run) -> None:
    """Restore the newest checkpoint and set aside what came after it; or start from the weights of the config."""
    run.history = recorded(run)
    records = checkpoints.newest_first(run.files.read(checkpoints.FILE))
    candidates = [record for record in records if settled(run, record["step"])]
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
            raise PluginError(
                f"none of the {len(candidates)} checkpoints of {run.dir} is there any more; start a new run"
            )
        if run.config.run.start_from:
            start_from(run, checkpoint_of(run.config.run.start_from, run.dir))
    if aside := run.files.rewind(run.step):
        since = f"going on from the checkpoint of step {run.step}" if run.step else "no checkpoint yet: beginning anew"
        log.warning("%s; later records are set aside in %s", since, aside.name)
    run.history, run.spent = recorded(run), run.files.spent()
    run.evaluations.forget_recorded()
    if not run.evaluations.missing(run.step):
        checkpoints.mark_best(run)  # a crash may have come between an evaluation and that


def settled(run: Run, step: int) -> bool:
    """Whether no evaluation of an earlier step was still under way at this one: its weights would be gone."""
    lag = run.config.evaluation.lag if run.backend.concurrent else 0
    return not any(run.evaluations.missing(earlier) for earlier in range(max(step - lag + 1, 0), step))


def recorded(run: Run) -> History:
    """What the records say."""
    return History(
        tuple(StepStats(**{k: v for k, v in r.items() if k != "findings"}) for r in run.files.read("steps.jsonl")),
        tuple(EvalStats(**r) for r in run.files.read("evals.jsonl")),
        tuple(r["step"] for r in run.files.read(checkpoints.FILE) if r["kind"] in ("periodic", "final")),
    )


def start_from(run: Run, path: str) -> None:
    """The weights that the config names, with a fresh optimizer."""
    try:
        run.restore(path, optimizer=False)
    except FileNotFoundError as error:
        raise PluginError(
            f"the checkpoint {path} is not there (expired or deleted; run.start_from, --checkpoint): {error}"
        ) from error


def steps(run: Run, interrupted: threading.Event) -> str:
    """All steps that are left, with what belongs to each, to the last record."""
    if text := over_budget(run):
        raise PluginError(f"{text}; raise it in {run.dir / 'config.toml'}")
    saved, status = run.step, ""
    while not status:
        if missing := run.evaluations.missing(run.step):
            run.evaluations.begin(missing)
        if run.step >= run.config.run.steps:
            status = "finished"
        elif interrupted.is_set() and saved == run.step:
            status = "interrupted"
        elif text := over_budget(run):  # evaluations cost as well
            log.warning(text)
            if saved != run.step:
                checkpoints.save(run, "periodic")
            status = "stopped"
        else:
            stop = any(finding.level == "stop" for finding in one_step(run))
            run.evaluations.end(run.step)
            if kind := kind_of(run.step, run.config, stop or interrupted.is_set()):
                checkpoints.save(run, kind)
                saved = run.step
            status = "stopped" if stop else ""
    run.evaluations.end()
    run.scribe.catch_up()
    return status


def kind_of(step: int, config: RunConfig, now: bool) -> str | None:
    """What checkpoint is to be saved after a step, if any."""
    saving, last = config.checkpoints, config.run.steps
    if step == last:
        return "final"
    if now or any(due(step, every, last) for every in (saving.every, config.evaluation.every)):
        return "periodic"
    return "rolling" if due(step, saving.rolling, last) else None


def over_budget(run: Run) -> str:
    """Why there is no money for another step like the last one; nothing if there is, or no step is left."""
    most, last = run.config.run.budget_usd, cost_of_step(run)
    if most is None or run.step == run.config.run.steps or (run.spent < most and run.spent + last <= most):
        return ""
    return f"{run.spent:.2f} USD spent, a step costs {last:.2f}: the next would exceed run.budget_usd = {most}"


def cost_of_step(run: Run) -> float:
    """USD of the last one."""
    return run.history.steps[-1].usd or 0.0 if run.history.steps else 0.0


def one_step(run: Run) -> list[Finding]:
    """Collect, train, inspect, record, report."""
    run.step += 1
    begun = time.perf_counter()
    before = run.tokens.copy()
    run.failed = 0
    batch = run.plugins.first("collect_batch", lambda b: all_of(Batch)([b])[0], step=run.step, run=run)
    if batch is None:
        raise PluginError(f"{run.plugins.who('collect_batch')[0]} collected no batch at step {run.step}")
    collected = time.perf_counter()
    run.scribe.catch_up()
    trained = update(run, batch)
    done = time.perf_counter()
    terms = term_stats(batch.groups)
    seconds = {"collect": collected - begun, "train": done - collected, "total": done - begun}
    failed = {"failed_groups": float(run.failed)} if batch.groups else {}
    measured = metrics_of(batch)
    for name in measured.keys() & trained.keys():
        raise PluginError(
            f"{name!r} is measured by a plugin, and by the loop or the backend: call the plugin's otherwise"
        )
    metrics = {name: number(v, f"step {run.step}: {name}") for name, v in (measured | trained | failed).items()}
    tokens = dict(run.tokens - before)
    stats = StepStats(run.step, metrics, terms, tokens, run.backend.usd(tokens), seconds)
    findings = inspect(run, stats, batch.groups)
    run.remember(stats)
    if text := over_budget(run):
        evidence = {"spent": run.spent, "step": cost_of_step(run), "budget": run.config.run.budget_usd}
        findings.append(Finding("stop", text, evidence, "budget"))
    run.scribe.later(write, run, stats, findings, batch.groups)
    return findings


def write(run: Run, stats: StepStats, findings: Sequence[Finding], groups: Sequence[Group]) -> None:
    """A step's rollouts, its record, and word of it."""
    if groups:
        run.files.write_groups(f"step_{stats.step:06d}", groups)
    run.files.append("steps.jsonl", asdict(stats) | {"findings": [asdict(finding) for finding in findings]})
    run.plugins.tell("report_step", run=run, stats=stats, findings=findings)


def update(run: Run, batch: Batch) -> dict[str, float]:
    """The batch's optimizer steps: all submitted, with the next sampler, before any is awaited."""
    adam = run.config.optimizer.at(run.step, run.config.run.steps)
    futures: list[tuple[Future[Any], Future[Any]]] = []
    for u in batch.updates:
        futures.append((run.backend.forward_backward(u.data, u.loss, u.config), run.backend.optim_step(adam)))
        run.tokens["trained"] += sum(len(datum.inputs) for datum in u.data)
    run.next_sampler = run.backend.sampler()
    losses, metrics = 0.0, []
    try:
        for train_future, optim_future in futures:
            result = train_future.result()
            losses += result.loss
            metrics.append({**result.metrics, **optim_future.result()})
    except PluginError as error:
        raise PluginError(f"training failed at step {run.step}: {error}; {checkpoints.last_words(run)}") from error
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
    history = replace(run.history, evals=tuple(e for e in run.history.evals if e.seen < stats.step))
    for name in run.plugins.who("inspect_step"):
        fatal = getattr(run.plugins.active[name].instance, "fatal", False)
        ask = run.plugins.ask if fatal else run.plugins.observe
        said = ask(name, "inspect_step", recordable, stats=stats, groups=groups, history=history)
        findings += [replace(finding, source=name) for finding in said or ()]
    return findings


def recordable(findings: Any) -> list[Finding]:
    """Findings of a known level, with evidence that JSON can hold."""
    said = all_of(Finding)(findings)
    for finding in said:
        if finding.level not in LEVELS:
            raise ValueError(f"no level of a finding is called {finding.level!r}{nearest(str(finding.level), LEVELS)}")
    return [replace(finding, evidence=plain(finding.evidence)) for finding in said]


def plain(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Evidence as it can be recorded: numbers of numpy as numbers, what JSON has no word for as text."""
    text = json.dumps(dict(evidence), default=lambda v: v.item() if hasattr(v, "item") else str(v))
    return dict(json.loads(text, parse_constant=str))


@contextmanager
def interruptible(run: Run) -> Iterator[threading.Event]:
    """Ctrl-C asks for a stop after the step, and says who holds it up; a second one is what it was before."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def first(*_: Any) -> None:
        signal.signal(signal.SIGINT, old)
        asked.set()
        who = watch.slow(run, watch.WORTH_A_WORD).values()
        log.warning("; ".join(["finishing this step, then saving; Ctrl-C again stops at once", *who]))

    old = signal.signal(signal.SIGINT, first)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, old)
