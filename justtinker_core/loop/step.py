"""One training step: collect, train, inspect, record, report."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from justtinker_core.answers import instance_of, number, recordable
from justtinker_core.errors import PluginError
from justtinker_core.hookspecs import attribute_of
from justtinker_core.loop.saving import newest_checkpoint
from justtinker_core.plugins import Plugins
from justtinker_core.run import Run
from justtinker_core.stats import CORE_METRICS, metrics_of, term_stats
from justtinker_core.types import Batch, Datum, Finding, Group, History, StepStats, TrainResult

log = logging.getLogger("justtinker")


def one_step(run: Run) -> list[Finding]:
    """Collect, train, inspect, record and report one step. Returns the findings about it."""
    run.step += 1
    run.plugins.tell("report_progress", stage=f"step {run.step}", done=0, total=1)
    begun = time.perf_counter()
    before = run.tokens.copy()
    batch: Batch | None = run.plugins.first("collect_batch", instance_of(Batch), step=run.step, run=run)
    if batch is None:
        raise PluginError(f"{run.plugins.who('collect_batch')[0]} collected no batch at step {run.step}")
    collected = time.perf_counter()
    run.tokens.update(run.used.pop(run.step, {}))
    if not run.drew and (idle := run.plugins.who("draw_problems")):
        run.drew = True  # said once
        log.warning("plugin %r does nothing: %s does not ask which problems to draw", idle[0], algorithm(run))
    run.writer.catch_up()
    trained = update(run, batch)
    done = time.perf_counter()
    seconds = {"collect": collected - begun, "train": done - collected, "total": done - begun}
    tokens = dict(run.tokens - before)
    metrics = step_metrics(run, batch, trained)
    stats = StepStats(run.step, metrics, term_stats(batch.groups), tokens, run.backend.usd(tokens), seconds)
    findings = ask_monitors(run.plugins, stats, batch.groups, run.history)
    run.remember(stats)
    if text := over_budget(run):
        evidence = {"spent": run.spent, "step": cost_of_step(run), "budget": run.config.run.budget_usd}
        findings.append(Finding("stop", text, evidence, "budget"))
    run.writer.later(write, run, stats, findings, batch.groups)
    return findings


def step_metrics(run: Run, batch: Batch, trained: dict[str, float]) -> dict[str, float]:
    """The metrics of a step: of its groups, of its updates, and how many groups failed."""
    failed = {"failed_groups": float(run.failed.pop(run.step, 0))} if batch.groups else {}
    if mine := sorted(CORE_METRICS.union(*(g.measures for g in batch.groups)) & batch.metrics.keys()):
        raise PluginError(
            f"{algorithm(run)} gives a metric {mine[0]!r}, a name of the core or of a plugin that measures; "
            "choose another"
        )
    measured = metrics_of(batch)
    for name in measured.keys() & trained.keys():
        raise PluginError(f"{name!r} is measured by a plugin, and by the loop or the backend: rename the plugin's")
    return {name: number(v, f"step {run.step}: {name}") for name, v in (measured | trained | failed).items()}


def algorithm(run: Run) -> str:
    """The algorithm, by name."""
    return f"algorithm {run.plugins.who('collect_batch')[0]!r}"


def update(run: Run, batch: Batch) -> dict[str, float]:
    """Take the batch's optimizer steps: submit them all, and the next sampler, before any is awaited."""
    adam = run.config.optimizer.at(run.step, run.config.run.steps)
    futures: list[tuple[Future[TrainResult], Future[Any]]] = []
    for u in batch.updates:
        futures.append((run.backend.forward_backward(u.data, u.loss, u.config), run.backend.optim_step(adam)))
        run.tokens["trained"] += sum(len(datum.inputs) for datum in u.data)
    if batch.new_sampler:
        run.renew_sampler()
    else:
        run.keep_sampler()
    losses, metrics = 0.0, []
    try:
        for done, (train_future, optim_future) in enumerate(futures):
            run.plugins.tell("report_progress", stage="train", done=done, total=len(futures))
            result = train_future.result()
            losses += result.loss
            metrics.append({**result.metrics, **optim_future.result()})
    except PluginError as error:
        raise PluginError(f"training failed at step {run.step}: {error}; {newest_checkpoint(run)}") from error
    weights = sum(len([w for w in weights_of(d) if w]) for u in batch.updates for d in u.data)
    means = {name: float(np.mean([m[name] for m in metrics if name in m])) for name in sorted(set().union(*metrics))}
    loss = {"loss": losses / weights} if weights else {}
    return {"learning_rate": adam.learning_rate, "trained": float(batch.trained), **loss, **means}


def weights_of(datum: Datum) -> Sequence[float]:
    """The weight of each target of a datum in its loss."""
    return datum.weights if datum.weights is not None else datum.advantages or ()


def ask_monitors(plugins: Plugins, stats: StepStats, groups: Sequence[Group], history: History) -> list[Finding]:
    """Ask the monitors about a step. An error ends the run if the monitor has ``fatal = True``; else it is logged."""
    findings: list[Finding] = []
    history = replace(history, evals=tuple(e for e in history.evals if e.seen < stats.step))
    for name in plugins.who("inspect_step"):
        ask = plugins.ask if attribute_of(plugins.active[name].instance, "fatal") else plugins.observe
        found = ask(name, "inspect_step", recordable, stats=stats, groups=groups, history=history)
        findings += [replace(finding, source=name) for finding in found or ()]
    return findings


def write(run: Run, stats: StepStats, findings: Sequence[Finding], groups: Sequence[Group]) -> None:
    """Write a step's rollouts and record, then notify reporters."""
    if groups:
        run.files.write_groups(f"step_{stats.step:06d}", groups)
    run.files.append("steps.jsonl", asdict(stats) | {"findings": [asdict(finding) for finding in findings]})
    run.plugins.tell("report_step", run=run, stats=stats, findings=findings)


def over_budget(run: Run) -> str:
    """Why the next step would exceed the budget; '' if it would not, or no step is left."""
    most, last = run.config.run.budget_usd, cost_of_step(run)
    if most is None or run.step == run.config.run.steps:
        return ""
    spent = run.spent + (run.backend.usd(ahead) or 0.0 if (ahead := run.ahead()) else 0.0)
    if spent < most and spent + last <= most:
        return ""
    return f"{spent:.2f} USD spent, a step costs {last:.2f}: the next would exceed run.budget_usd = {most}"


def cost_of_step(run: Run) -> float:
    """USD of the last step."""
    return run.history.steps[-1].usd or 0.0 if run.history.steps else 0.0
