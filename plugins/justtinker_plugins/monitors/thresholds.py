"""Warn when a step's numbers cross a threshold: the health warnings of the recipe (JustTinker, Ning 2026).

It knows no trends. In the published collapse (experiment 001) these thresholds were crossed late, so use `drift` too.
Unlike in the recipe, a threshold must be crossed for several steps in a row, and is reported once.
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
WORDS = {
    "max_response_tokens": "responses are long",
    "min_thinking_rate": "few responses think",
    "min_accuracy": "few answers are right",
    "max_redundancy": "responses repeat themselves",
    "max_chunk_similarity": "passages of a response are alike",
    "suspicious_chunk_similarity": "responses may loop in other words",
}
"""What it means to cross the limit of an option."""


@plugin
class Thresholds(Monitor):
    """Warns of each threshold that a step's metrics cross; metrics that a step does not have are ignored.

    To switch a threshold off, set it where it cannot be crossed: ``inf`` for a maximum, 0 for a minimum.
    """

    action: Action = "warn"
    """The most it may do: stop, warn, or stay silent (off)."""
    steps: Annotated[int, Field(ge=1)] = 3
    """Report a threshold that is crossed for so many steps in a row. The recipe takes 1."""
    max_response_tokens: Threshold = 5000
    """The greatest ``mean_response_tokens``."""
    min_thinking_rate: Threshold = 0.6
    """The least ``thinking_rate``."""
    min_accuracy: Threshold = 0.0
    """The least ``accuracy``."""
    max_redundancy: Threshold = 0.4
    """The greatest ``redundancy_score``."""
    max_chunk_similarity: Threshold = 0.6
    """The greatest ``chunk_similarity``."""
    suspicious_chunk_similarity: Threshold = 0.5
    """The greatest ``chunk_similarity`` while ``redundancy_score`` is low: loops that change their words."""
    low_redundancy: Threshold = 0.3
    """The ``redundancy_score`` below which it is low."""

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
        """Report each threshold that has now been crossed for `steps` steps."""
        for rule in self._rules:
            found = rule(stats.metrics)
            if found is not None and self._just_lasting(rule, history):
                yield found

    def _just_lasting(self, rule: Rule, history: History) -> bool:
        """Whether a threshold, crossed at this step, has now been crossed for exactly `steps` steps in a row."""
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
            f"{found.message} while redundancy_score = {score:.4g} is below low_redundancy = {self.low_redundancy:g}",
            {**found.evidence, "redundancy_score": score, "low_redundancy": self.low_redundancy},
        )

    def _crossed(self, message: str, metrics: Metrics, name: str, option: str) -> Finding:
        lasting = f", for {self.steps} steps" if self.steps > 1 else ""
        return Finding(
            "stop", f"{WORDS[option]}: {message}{lasting}", {name: metrics[name], option: getattr(self, option)}
        )
