"""Report when a run trains on nothing: groups that are all right or all wrong have no advantage to learn from.

It reads how many rollouts were trained on, and how many groups were all right or all wrong if the metrics plugin
`answers` is enabled. Other problems or another temperature may help.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from justtinker_core import Finding, History, StepStats, plugin
from justtinker_plugins.monitors._monitor import Action, HistoryMemo, Monitor, go_back
from justtinker_plugins.shared.terminal import count_of

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Streak:
    """The steps in a row, up to this one, with little or nothing to learn from."""

    idle: int = 0
    """Steps without a trained rollout."""
    alike: int = 0
    """Steps in which too many groups were all right or all wrong."""
    since: int = 0
    """The first of the idle steps."""


@plugin
class DegenerateGroups(Monitor):
    """Warns when several steps in a row have nothing, or almost nothing, to train on; stops if that continues."""

    action: Action = "stop"
    """The most it may do: stop, warn, or stay silent (off)."""
    patience: Annotated[int, Field(ge=1)] = 3
    """Warn after so many steps in a row without a trained rollout."""
    stop_after: Annotated[int, Field(ge=1)] = 20
    """Stop after so many: the weights do not change, but the run costs money."""
    max_alike: Share = 0.95
    """Warn if more than this share of groups is all right or all wrong for `lasting` steps in a row; 1: never."""
    lasting: Annotated[int, Field(ge=1)] = 10
    """See `max_alike`."""

    def __post_init__(self) -> None:
        self._memo = HistoryMemo(Streak(), self._advance)

    def look(self, stats: StepStats, history: History) -> Iterator[Finding]:
        """Report a streak once, at the step at which it is long enough."""
        streak = self._memo(stats, history)
        if streak.idle in (self.patience, self.stop_after):
            yield self._idle_finding(streak, stats, history)
        if streak.alike == self.lasting and not streak.idle:
            yield self._alike_finding(stats)

    def lacks(self, history: History) -> str:
        """Say whether the records lack the number of trained rollouts."""
        known = any("trained" in stats.metrics and "rollouts" in stats.metrics for stats in history.steps)
        return "" if known else "not enough data: no step says how many of its rollouts were trained"

    def _advance(self, streak: Streak, stats: StepStats, history: History) -> Streak:
        metrics = stats.metrics
        idle = metrics.get("trained", 1) == 0 and metrics.get("rollouts", 0) > 0
        return Streak(
            streak.idle + 1 if idle else 0,
            streak.alike + 1 if share_alike(metrics) > self.max_alike else 0,
            (streak.since or stats.step) if idle else 0,
        )

    def _idle_finding(self, streak: Streak, stats: StepStats, history: History) -> Finding:
        rollouts = stats.metrics["rollouts"]
        seen = {"steps": streak.idle, "since": streak.since, "rollouts": rollouts, **shares(stats)}
        return Finding(
            "stop" if streak.idle >= self.stop_after else "warn",
            f"nothing to learn from: trained 0 of {rollouts:.0f} rollouts, for {count_of(streak.idle, 'step')}, since "
            f"step {streak.since}{shares_text(stats)}; {go_back(streak.since, history)}",
            seen,
        )

    def _alike_finding(self, stats: StepStats) -> Finding:
        return Finding(
            "warn",
            f"little to learn from: {share_alike(stats.metrics):.0%} of the groups are all right or all wrong, more "
            f"than {self.max_alike:.0%} for {count_of(self.lasting, 'step')}{shares_text(stats)}",
            {"steps": self.lasting, "max_alike": self.max_alike, **shares(stats)},
        )


def share_alike(metrics: Mapping[str, float]) -> float:
    """The share of groups that are all right or all wrong; 0 if it was not measured."""
    return metrics.get("all_right_rate", 0.0) + metrics.get("all_wrong_rate", 0.0)


def shares(stats: StepStats) -> dict[str, float]:
    """The shares of groups that are all right and all wrong, as far as they were measured."""
    return {name: stats.metrics[name] for name in ("all_right_rate", "all_wrong_rate") if name in stats.metrics}


def shares_text(stats: StepStats) -> str:
    """Write these shares in words."""
    words = {"all_right_rate": "all right", "all_wrong_rate": "all wrong"}
    parts = [f"{value:.0%} {words[name]}" for name, value in shares(stats).items()]
    return f" (groups: {', '.join(parts)})" if parts else ""
