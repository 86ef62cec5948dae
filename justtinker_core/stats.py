"""The numbers of a training step, over all its groups, before any is filtered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from justtinker_core.types import Batch, Group, Reward, Verdict

CORE_METRICS = frozenset(
    {"reward", "accuracy", "unscored_rate", "truncated_rate", "mean_response_tokens", "rollouts", "trained"}
    | {"loss", "learning_rate", "failed_groups"}
)
"""Metric names that no plugin may use."""


def metrics_of(batch: Batch) -> dict[str, float]:
    """Return a step's metrics: those of the core and of plugins, over all its groups, and the algorithm's own."""
    rollouts = [r for g in batch.groups for r in g.rollouts]
    metrics = dict(batch.metrics)
    if not rollouts:
        return metrics
    scored = scored_of(batch.groups)
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


def scored_of(groups: Sequence[Group]) -> list[tuple[Verdict, Reward]]:
    """Return verdict and reward of each rollout that could be graded."""
    return [(v, r) for g in groups for v, r in zip(g.verdicts, g.rewards, strict=True) if v.outcome != "unscored"]


def term_stats(groups: Sequence[Group]) -> dict[str, dict[str, float]]:
    """Return the stats of each reward term: raw (mean where it applies), weighted, applies (share), weight.

    Like the reward, they are means over all graded rollouts, so the weighted means add up to the mean reward.
    """
    rewards = [r for _, r in scored_of(groups)]
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
