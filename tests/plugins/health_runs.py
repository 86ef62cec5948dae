"""Runs to try monitors on: the published collapse, and healthy and collapsing runs resampled from its first 80 steps.

A resampled run is a moving-block bootstrap (Künsch 1989): blocks of consecutive steps, all metrics together, so that
noise keeps its correlations between metrics and from step to step. Evaluations are drawn from those of the same steps.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from justtinker_core import Finding
from justtinker_core.types import EvalStats, StepStats
from justtinker_plugins.shared.records.bundled import bundled
from justtinker_plugins.shared.records.history import Records

HEALTHY_STEPS, EVERY = 80, 20
LENGTH, THINKING, ACCURACY = "mean_response_tokens", "thinking_rate", "accuracy"
Floats = NDArray[np.float64]


def told(monitor: Any, records: Records) -> list[tuple[int, Finding]]:
    """What a monitor says of a run, step by step, as the loop would ask it."""
    said = []
    for place, stats in enumerate(records.steps):
        said += [(stats.step, f) for f in monitor.inspect_step(stats, records.before(place))]
    return said


def series(**columns: Sequence[float | None]) -> Records:
    """Steps 1, 2 ... with these metrics; None leaves one out."""
    rows = zip(*columns.values(), strict=True)
    metrics = [{k: v for k, v in zip(columns, row, strict=True) if v is not None} for row in rows]
    return Records(tuple(StepStats(i, m) for i, m in enumerate(metrics, 1)))


def published() -> Records:
    """Experiment 001 of JustTinker."""
    with bundled()["exp001"].open() as file:
        rows = list(csv.DictReader(file))
    steps = [StepStats(int(r["step"]), {n: float(r[n]) for n in (ACCURACY, THINKING, LENGTH)}) for r in rows]
    evals = [
        EvalStats(
            int(r["step"]),
            "eval",
            {n: float(r[f"eval_{n}"]) for n in (ACCURACY, THINKING)},
            {},
            {},
            seen=int(r["step"]),
        )
        for r in rows
        if r["eval_accuracy"]
    ]
    return Records(tuple(steps), tuple(evals))


def resampled(
    seed: int, steps: int = 1000, *, block: int = 10, onset: int = 0, ramp: int = 50, parts: Sequence[str] = ()
) -> Records:
    """A healthy run with slow trends, length up or down by as much as 20 % and accuracy up by as much as 15 points.

    With `onset`, from that step on a collapse: over `ramp` steps each of `parts` goes as far as in the published one.
    """
    source, random = published(), np.random.default_rng(seed)
    real = np.array([list(s.metrics.values()) for s in source.steps[:HEALTHY_STEPS]])  # (80, 3)
    starts = random.integers(0, HEALTHY_STEPS - block + 1, -(-steps // block))
    values = real[(starts[:, None] + np.arange(block)).ravel()[:steps]]
    progress = np.arange(1, steps + 1) / steps
    values[:, 2] *= 1 + random.uniform(-0.2, 0.2) * progress
    rise = random.uniform(0, 0.15) * progress
    values[:, 0] += rise
    if onset:
        fall(values, np.clip((np.arange(1, steps + 1) - onset + 1) / ramp, 0, 1), parts)
    values[:, :2] = np.clip(values[:, :2], 0, 1)
    records = tuple(
        StepStats(i, {ACCURACY: a, THINKING: t, LENGTH: tokens, "reward": a})  # the reward of that run was binary
        for i, (a, t, tokens) in enumerate(values.tolist(), 1)
    )
    healthy = [e.metrics for e in source.evals if e.step <= HEALTHY_STEPS]
    drawn = random.integers(0, len(healthy), steps // EVERY)
    evals = [
        EvalStats(
            EVERY * (i + 1), "eval", raised(healthy[k], float(rise[EVERY * (i + 1) - 1])), {}, {}, seen=EVERY * (i + 1)
        )
        for i, k in enumerate(drawn)
    ]
    return Records(records, tuple(evals))


def fall(values: Floats, depth: Floats, parts: Sequence[str]) -> None:
    """Lengthen by 60 %, and let accuracy and thinking fall by 50 and 55 points, as in the last steps of 001."""
    if LENGTH in parts:
        values[:, 2] *= 1 + 0.6 * depth
    if ACCURACY in parts:
        values[:, 0] -= 0.5 * depth
    if THINKING in parts:
        values[:, 1] -= 0.55 * depth


def raised(metrics: Any, by: float) -> dict[str, float]:
    """The metrics of an evaluation, with a better accuracy."""
    return {**metrics, ACCURACY: min(1.0, metrics[ACCURACY] + by)}
