"""Watches the grader: verdicts that nobody could reach, slow ones, and workers that had to be ended.

A policy that is trained on a broken grader learns noise. It reads `unscored_rate` (core's) and what the verifier
`math_verify` measures of itself: `slow_verdict_rate` and `worker_ended_rate`. It grades nothing anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from justtinker_core import Finding, History, StepStats, plugin
from justtinker_plugins.monitors._monitor import Action, HistoryMemo, Monitor

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class State:
    """The last values of each metric, and which limits they are above."""

    recent: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    on: frozenset[str] = frozenset()
    news: tuple[str, ...] = ()
    """The limits that were crossed at this step."""


@plugin
class GraderHealth(Monitor):
    """Warns when a share of the last `window` steps' rollouts, a step that is yet to come counted as 0, is too great.

    Said once, and again only after the share has come down to half of the limit. A share of slow verdicts above 1 % is
    the same as a 99th percentile of the verifier's latency above its option `slow`.
    """

    action: Action = "stop"
    """The most it may do: stop, warn, or nothing."""
    window: Annotated[int, Field(ge=1)] = 10
    """Steps."""
    max_unscored: Share = 0.02
    """Greatest share of rollouts that could not be graded."""
    stop_unscored: Share = 0.2
    """Above this share of them the run stops."""
    max_slow: Share = 0.01
    """Greatest share of rollouts with a slow verdict."""
    max_worker_ends: Share = 0.02
    """Greatest share of rollouts whose answer ended its worker (out of time or memory, or a crash): restarts."""

    def __post_init__(self) -> None:
        self._limits = {
            "max_unscored": ("unscored_rate", self.max_unscored, "of the rollouts could not be graded"),
            "stop_unscored": ("unscored_rate", self.stop_unscored, "of the rollouts could not be graded"),
            "max_slow": ("slow_verdict_rate", self.max_slow, "of the verdicts were slow: p99 of the latency is too"),
            "max_worker_ends": ("worker_ended_rate", self.max_worker_ends, "of the answers ended their worker"),
        }
        self._memo = HistoryMemo(State(), self._advance)

    def look(self, stats: StepStats, history: History) -> Iterator[Finding]:
        """A finding for each limit that is crossed at this step."""
        state = self._memo(stats, history)
        for option in state.news:
            if option == "max_unscored" and "stop_unscored" in state.news:
                continue
            name, limit, what = self._limits[option]
            share = sum(state.recent[name]) / self.window
            steps = len(state.recent[name])
            short = f" ({steps} so far, the others count as 0)" if steps < self.window else ""
            yield Finding(
                "stop" if option == "stop_unscored" else "warn",
                f"{share:.1%} {what}, over the last {self.window} steps{short}; {option} = {limit:g}",
                {name: share, option: limit, "this_step": stats.metrics.get(name), "steps": steps},
            )

    def lacks(self, history: History) -> str:
        """Whether anything was graded."""
        names = {name for name, _, _ in self._limits.values()}
        known = any(name in stats.metrics for stats in history.steps for name in names)
        return "" if known else f"not enough data: no step has {', '.join(sorted(names))}"

    def _advance(self, state: State, stats: StepStats, history: History) -> State:
        recent = dict(state.recent)
        for name in {name for name, _, _ in self._limits.values()} & set(stats.metrics):
            recent[name] = (*recent.get(name, ()), stats.metrics[name])[-self.window :]
        on = frozenset(
            option
            for option, (name, limit, _) in self._limits.items()
            if sum(recent.get(name, ())) / self.window > (limit / 2 if option in state.on else limit)
        )
        return State(recent, on, tuple(option for option in self._limits if option in on - state.on))
