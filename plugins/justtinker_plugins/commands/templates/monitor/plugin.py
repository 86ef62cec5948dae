"""Monitor `my_plugin`: says when a metric has been too low for several steps in a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from justtinker_core import Finding, hookimpl, plugin
from justtinker_core.types import History, StepStats
from pydantic import Field


@plugin
class MyPlugin:
    """A finding once `metric` has been below `least` for `patience` steps; not repeated while it stays there."""

    metric: str = "accuracy"
    """One of a step's metrics, as they stand in steps.jsonl."""
    least: float = 0.1
    """The line."""
    patience: Annotated[int, Field(ge=1)] = 5
    """How many steps in a row are worth a word."""
    level: Literal["info", "warn", "stop"] = "warn"
    """What happens then; stop ends the run, with a checkpoint."""

    @hookimpl
    def inspect_step(self, stats: StepStats, history: History) -> Sequence[Finding]:
        """Look at this step and those before it. A monitor keeps no memory: a resumed run must see the same."""
        streak = 0
        for step in [stats, *reversed(history.steps)]:
            if step.metrics.get(self.metric, self.least) >= self.least:
                break
            streak += 1
        if streak != self.patience:
            return []
        said = f"{self.metric} is below {self.least} for {streak} steps, now {stats.metrics[self.metric]:.3g}"
        return [Finding(self.level, said, {"metric": self.metric, "steps": streak})]
