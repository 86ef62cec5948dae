"""The numbers of a step and of an evaluation, over all groups, before any is filtered."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from justtinker_core.types import Batch, Group

CORE_METRICS = frozenset(
    {"reward", "accuracy", "unscored_rate", "truncated_rate", "mean_response_tokens", "rollouts", "trained"}
    | {"loss", "learning_rate", "failed_groups"}
)
"""Names that no plugin may measure under."""


def metrics_of(batch: Batch) -> dict[str, float]:
    """What core measures of a step, over all its groups, and what plugins measured; the algorithm's own numbers too."""
    rollouts = [r for g in batch.groups for r in g.rollouts]
    metrics = dict(batch.metrics)
    if not rollouts:
        return metrics
    scored = [
        (v, r) for g in batch.groups for v, r in zip(g.verdicts, g.rewards, strict=True) if v.outcome != "unscored"
    ]
    if scored:
        metrics["reward"] = float(np.mean([r.total for _, r in scored]))
        metrics["accuracy"] = float(np.mean([v.outcome == "correct" for v, _ in scored]))
    metrics["unscored_rate"] = 1 - len(scored) / len(rollouts)
    metrics["truncated_rate"] = float(np.mean([r.truncated for r in rollouts]))
    metrics["mean_response_tokens"] = float(np.mean([r.response_tokens for r in rollouts]))
    metrics["rollouts"] = float(len(rollouts))
    for name in sorted({name for g in batch.groups for name in g.measures}):
        values = [v for g in batch.groups for v in g.measures.get(name, ()) if v is not None]
        if values:
            metrics[name] = float(np.mean(values))
    return metrics


def term_stats(groups: Sequence[Group]) -> dict[str, dict[str, float]]:
    """Every reward term by name: raw (mean where it applies), weighted (mean over all rewards), applies, weight."""
    rewards = [r for g in groups for r in g.rewards]
    stats = {}
    for name in dict.fromkeys(name for r in rewards for name in r.terms):
        raw = [v for r in rewards if (v := r.terms.get(name)) is not None]
        stats[name] = {
            "raw": float(np.mean(raw)) if raw else 0.0,
            "weighted": sum(r.weighted.get(name, 0.0) for r in rewards) / len(rewards),
            "applies": len(raw) / len(rewards),
            "weight": next(r.weights[name] for r in rewards if name in r.weights),
        }
    return stats


def summarise(groups: Sequence[Group]) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Metrics over all rollouts, and the 95 % interval of each that is a rate.

    Accuracy counts an unscored rollout as not correct and says beside it how many there were: a lower bound.
    """
    columns: dict[str, list[list[float]]] = {
        "accuracy": [[float(v.outcome == "correct") for v in g.verdicts] for g in groups],
        "unscored_rate": [[float(v.outcome == "unscored") for v in g.verdicts] for g in groups],
        "truncated_rate": [[float(r.truncated) for r in g.rollouts] for g in groups],
        "mean_response_tokens": [[float(r.response_tokens) for r in g.rollouts] for g in groups],
    }
    for name in sorted({name for g in groups for name in g.measures}):
        columns[name] = [[v for v in g.measures.get(name, ()) if v is not None] for g in groups]
    metrics, intervals = {}, {}
    for name, clusters in columns.items():
        filled = [c for c in clusters if c]
        if not filled:
            continue
        metrics[name] = float(np.mean(np.concatenate(filled)))
        if all(0 <= v <= 1 for c in filled for v in c):
            intervals[name] = list(clustered_interval(filled))
    return metrics, intervals


def clustered_interval(clusters: Sequence[Sequence[float]], z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a rate whose samples come in clusters (the samples of one problem).

    Wilson's score interval at the effective sample size p(1-p)/variance of the clustered mean (Miller 2024,
    arXiv:2411.00640, for the variance; Korn & Graubard 1998 for the effective size). It is at most the number of
    samples; at rates of 0 and 1 the number of clusters stands in, so the interval is never of zero width.
    """
    values = np.concatenate([np.asarray(c, float) for c in clusters])
    p, n = float(values.mean()), len(clusters)
    residuals = np.array([np.sum(np.asarray(c) - p) for c in clusters])
    variance = float(np.sum(residuals**2)) / len(values) ** 2 * (n / (n - 1) if n > 1 else 1.0)
    size = float(n) if p in (0, 1) else min(p * (1 - p) / variance if variance > 0 else math.inf, len(values))
    centre = (p + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * math.sqrt(p * (1 - p) / size + z * z / (4 * size * size))
    return max(0.0, centre - half), min(1.0, centre + half)
