"""Warns when a step's numbers cross a line: the health warnings of the recipe (JustTinker, Ning 2026).

It knows no trends. On the published collapse (experiment 001) these lines were crossed late, so `drift` belongs beside
it. What is here besides the recipe's lines: a line must be crossed for some steps in a row, and that is said once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated

from pydantic import Field

from justtinker_core import Finding, History, StepStats, plugin
from justtinker_plugins.monitors._monitor import Action, Monitor

Threshold = Annotated[float, Field(ge=0)]
Metrics = Mapping[str, float]
Rule = Callable[[Metrics], Finding | None]


@plugin
class Thresholds(Monitor):
    """A warning for each threshold that is crossed; a metric that the step does not have says nothing.

    What cannot be crossed is off: ``inf`` for what must not be above, 0 for what must not be below (TOML has no null).
    """

    action: Action = "warn"
    """The most it may do: stop, warn, or nothing."""
    steps: Annotated[int, Field(ge=1)] = 3
    """How many steps in a row a line must be crossed; said at the last of these. The recipe takes 1."""
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

    def __post_init__(self) -> None:
        self._rules: list[Rule] = [
            lambda metrics: self._above(metrics, "mean_response_tokens", "max_response_tokens"),
            lambda metrics: self._below(metrics, "thinking_rate", "min_thinking_rate"),
            lambda metrics: self._below(metrics, "accuracy", "min_accuracy"),
            lambda metrics: self._above(metrics, "redundancy_score", "max_redundancy"),
            lambda metrics: self._above(metrics, "chunk_similarity", "max_chunk_similarity"),
            self._suspicious,
        ]

    def look(self, stats: StepStats, history: History) -> Iterator[Finding]:
        """The lines that have now been crossed for so many steps, each with the metric and the threshold."""
        for rule in self._rules:
            found = rule(stats.metrics)
            if found is not None and self._now_lasting(rule, history):
                yield found

    def _now_lasting(self, rule: Rule, history: History) -> bool:
        """Whether the line was crossed at the steps before, and for no longer than is wanted."""
        before = [rule(s.metrics) is not None for s in reversed(history.steps[-self.steps :])]
        enough = len(before) >= self.steps - 1 and all(before[: self.steps - 1])
        return enough and not (len(before) == self.steps and before[-1])

    def _above(self, metrics: Metrics, name: str, option: str) -> Finding | None:
        limit: float = getattr(self, option)
        if metrics.get(name, limit) <= limit:
            return None
        return self._crossed(f"{name} = {metrics[name]:.4g} is above {option} = {limit:g}", metrics, name, option)

    def _below(self, metrics: Metrics, name: str, option: str) -> Finding | None:
        limit: float = getattr(self, option)
        if metrics.get(name, limit) >= limit:
            return None
        return self._crossed(f"{name} = {metrics[name]:.4g} is below {option} = {limit:g}", metrics, name, option)

    def _suspicious(self, metrics: Metrics) -> Finding | None:
        score = metrics.get("redundancy_score", self.low_redundancy)
        found = self._above(metrics, "chunk_similarity", "suspicious_chunk_similarity")
        if found is None or score >= self.low_redundancy:
            return None
        return Finding(
            "stop",
            f"{found.message} while redundancy_score = {score:.4g} is below low_redundancy = "
            f"{self.low_redundancy:g}: perhaps loops in other words",
            {**found.evidence, "redundancy_score": score, "low_redundancy": self.low_redundancy},
        )

    def _crossed(self, message: str, metrics: Metrics, name: str, option: str) -> Finding:
        lasting = f", for {self.steps} steps" if self.steps > 1 else ""
        return Finding("stop", message + lasting, {name: metrics[name], option: getattr(self, option)})
