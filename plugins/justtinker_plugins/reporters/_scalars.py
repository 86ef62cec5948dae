"""Flatten steps and evaluations to names and numbers, so that all trackers show the same names."""

from __future__ import annotations

from justtinker_core import EvalStats, StepStats


def step_scalars(stats: StepStats) -> dict[str, float]:
    """``train/METRIC``, ``terms/NAME/raw`` (weighted, applies, weight), ``seconds/…``, ``tokens/…``, ``usd``."""
    scalars = {f"train/{name}": value for name, value in stats.metrics.items()}
    for term, numbers in stats.terms.items():
        scalars |= {f"terms/{term}/{name}": value for name, value in numbers.items()}
    scalars |= {f"seconds/{name}": value for name, value in stats.seconds.items()}
    scalars |= {f"tokens/{name}": float(count) for name, count in stats.tokens.items()}
    return scalars if stats.usd is None else {**scalars, "usd": stats.usd}


def eval_scalars(stats: EvalStats) -> dict[str, float]:
    """An evaluation: ``eval_NAME/METRIC``, and its interval as ``…/low`` and ``…/high``."""
    scalars = {f"eval_{stats.name}/{name}": value for name, value in stats.metrics.items()}
    for name, (low, high) in stats.intervals.items():
        scalars |= {f"eval_{stats.name}/{name}/low": low, f"eval_{stats.name}/{name}/high": high}
    return scalars
