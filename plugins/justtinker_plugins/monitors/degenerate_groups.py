"""Says aloud when a run trains on nothing: groups that are all right or all wrong have no advantage to learn from.

It reads how many rollouts were trained (core's numbers), and which groups were of one mind where the metrics plugin
`answers` measured it. What to do about it (other problems, another temperature) is for the reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from justtinker_core import Finding, History, StepStats, plugin
from justtinker_plugins.monitors._monitor import Action, HistoryMemo, Monitor, go_back

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Streak:
    """How many steps in a row up to this one were without signal, and had nearly no group with one."""

    idle: int = 0
    alike: int = 0
    since: int = 0
    """The first of the idle ones."""


@plugin
class DegenerateGroups(Monitor):
    """Warns when nothing, or nearly nothing, of several steps in a row can be trained; stops when that goes on."""

    action: Action = "stop"
    """The most it may do: stop, warn, or nothing."""
    patience: Annotated[int, Field(ge=1)] = 3
    """So many steps in a row without a trained rollout are a warning."""
    stop_after: Annotated[int, Field(ge=1)] = 20
    """So many are a stop: the weights stand still, and the money runs."""
    max_alike: Share = 0.95
    """Greatest share of groups that are all right or all wrong, for `lasting` steps in a row; 1 is off."""
    lasting: Annotated[int, Field(ge=1)] = 10
    """See `max_alike`."""

    def __post_init__(self) -> None:
        self._memo = HistoryMemo(Streak(), self._advance)

    def look(self, stats: StepStats, history: History) -> Iterator[Finding]:
        """What is said at the last step of a streak that is now long enough; once a streak."""
        streak = self._memo(stats, history)
        if streak.idle in (self.patience, self.stop_after):
            yield self._idle(streak, stats, history)
        if streak.alike == self.lasting and not streak.idle:
            yield self._alike(stats)

    def lacks(self, history: History) -> str:
        """Whether the records say what was trained."""
        known = any("trained" in stats.metrics and "rollouts" in stats.metrics for stats in history.steps)
        return "" if known else "not enough data: no step says how many of its rollouts were trained"

    def _advance(self, streak: Streak, stats: StepStats, history: History) -> Streak:
        metrics = stats.metrics
        idle = metrics.get("trained", 1) == 0 and metrics.get("rollouts", 0) > 0
        return Streak(
            streak.idle + 1 if idle else 0,
            streak.alike + 1 if alike(metrics) > self.max_alike else 0,
            (streak.since or stats.step) if idle else 0,
        )

    def _idle(self, streak: Streak, stats: StepStats, history: History) -> Finding:
        rollouts = stats.metrics["rollouts"]
        seen = {"steps": streak.idle, "since": streak.since, "rollouts": rollouts, **shares(stats)}
        return Finding(
            "stop" if streak.idle >= self.stop_after else "warn",
            f"trained 0 of {rollouts:.0f} rollouts, for {streak.idle} steps, since step {streak.since}{told(stats)}; "
            f"{go_back(streak.since, history)}",
            seen,
        )

    def _alike(self, stats: StepStats) -> Finding:
        return Finding(
            "warn",
            f"{alike(stats.metrics):.0%} of the groups have one and the same verdict, more than {self.max_alike:.0%} "
            f"for {self.lasting} steps{told(stats)}",
            {"steps": self.lasting, "max_alike": self.max_alike, **shares(stats)},
        )


def alike(metrics: Mapping[str, float]) -> float:
    """The share of groups whose verdicts are all alike; 0 where nobody measured it."""
    return metrics.get("all_right_rate", 0.0) + metrics.get("all_wrong_rate", 0.0)


def shares(stats: StepStats) -> dict[str, float]:
    """What was measured of the groups."""
    return {name: stats.metrics[name] for name in ("all_right_rate", "all_wrong_rate") if name in stats.metrics}


def told(stats: StepStats) -> str:
    """Which of the two it is, in words."""
    words = {"all_right_rate": "all right", "all_wrong_rate": "all wrong"}
    parts = [f"{value:.0%} {words[name]}" for name, value in shares(stats).items()]
    return f" (groups: {', '.join(parts)})" if parts else ""
