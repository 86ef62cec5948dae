"""Warns when a step's numbers cross a line: the health warnings of the recipe (JustTinker, Ning 2026).

It looks at one step alone: no trends, and it never stops a run. On the published collapse (experiment 001) these lines
were crossed late, so a monitor of drift belongs beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from justtinker_core import Finding, hookimpl, plugin
from justtinker_core.types import StepStats

Threshold = Annotated[float, Field(ge=0)]


@plugin
class Thresholds:
    """A warning for each threshold that is crossed; a metric that the step does not have says nothing.

    What cannot be crossed is off: ``inf`` for what must not be above, 0 for what must not be below (TOML has no null).
    """

    fatal: ClassVar[bool] = False

    max_response_tokens: Threshold = 5000
    """Most ``mean_response_tokens``."""
    min_thinking_rate: Threshold = 0.6
    """Least ``thinking_rate``."""
    min_accuracy: Threshold = 0.0
    """Least ``accuracy``."""
    max_redundancy: Threshold = 0.4
    """Most ``redundancy_score``."""
    max_chunk_similarity: Threshold = 0.6
    """Most ``chunk_similarity``."""
    suspicious_chunk_similarity: Threshold = 0.5
    """Most ``chunk_similarity`` while ``redundancy_score`` is low: loops in other words."""
    low_redundancy: Threshold = 0.3
    """Below this, ``redundancy_score`` is low."""

    @hookimpl
    def inspect_step(self, stats: StepStats) -> Sequence[Finding]:
        """The warnings of this step, each with the metric and the threshold as evidence."""
        return [
            *self._above(stats.metrics, "mean_response_tokens", "max_response_tokens"),
            *self._below(stats.metrics, "thinking_rate", "min_thinking_rate"),
            *self._below(stats.metrics, "accuracy", "min_accuracy"),
            *self._above(stats.metrics, "redundancy_score", "max_redundancy"),
            *self._above(stats.metrics, "chunk_similarity", "max_chunk_similarity"),
            *self._suspicious(stats.metrics),
        ]

    def _above(self, metrics: Mapping[str, float], name: str, option: str) -> Iterator[Finding]:
        limit: float = getattr(self, option)
        if name in metrics and metrics[name] > limit:
            yield warning(f"{name} = {metrics[name]:.4g} is above {option} = {limit:g}", metrics, name, option, limit)

    def _below(self, metrics: Mapping[str, float], name: str, option: str) -> Iterator[Finding]:
        limit: float = getattr(self, option)
        if name in metrics and metrics[name] < limit:
            yield warning(f"{name} = {metrics[name]:.4g} is below {option} = {limit:g}", metrics, name, option, limit)

    def _suspicious(self, metrics: Mapping[str, float]) -> Iterator[Finding]:
        if metrics.get("redundancy_score", self.low_redundancy) >= self.low_redundancy:
            return
        for finding in self._above(metrics, "chunk_similarity", "suspicious_chunk_similarity"):
            score = metrics["redundancy_score"]
            yield Finding(
                "warn",
                f"{finding.message} while redundancy_score = {score:.4g} is below low_redundancy = "
                f"{self.low_redundancy:g}: perhaps loops in other words",
                {**finding.evidence, "redundancy_score": score, "low_redundancy": self.low_redundancy},
            )


def warning(message: str, metrics: Mapping[str, float], name: str, option: str, limit: float) -> Finding:
    """A finding that shows the metric and the option that it crossed."""
    return Finding("warn", message, {name: metrics[name], option: limit})
