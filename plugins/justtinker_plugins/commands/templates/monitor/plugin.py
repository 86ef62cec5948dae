"""Monitor `my_plugin`: report a metric that has been too low for several steps in a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from justtinker_core import Finding, History, StepStats, hookimpl, plugin
from pydantic import Field


@plugin
class MyPlugin:
    """Give one finding when `metric` has been below `least` for `patience` steps, and none while it stays there."""

    metric: str = "accuracy"
    """A metric of the steps, as steps.jsonl names it."""
    least: float = 0.1
    """The lowest value that is fine."""
    patience: Annotated[int, Field(ge=1)] = 5
    """How many steps in a row it takes."""
    level: Literal["info", "warn", "stop"] = "warn"
    """The level of the finding; stop ends the run, with a checkpoint."""

    @hookimpl
    def inspect_step(self, stats: StepStats, history: History) -> Sequence[Finding]:
        """Look at this step and the earlier ones. Keep no state, so that a resumed run gives the same findings."""
        streak = 0
        for step in [stats, *reversed(history.steps)]:
            if step.metrics.get(self.metric, self.least) >= self.least:
                break
            streak += 1
        if streak != self.patience:
            return []
        message = f"{self.metric} is below {self.least} for {streak} steps, now {stats.metrics[self.metric]:.3g}"
        return [Finding(self.level, message, {"metric": self.metric, "steps": streak})]
