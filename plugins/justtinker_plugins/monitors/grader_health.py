"""Watch the grader: rollouts that it could not grade, slow verdicts, workers that had to be killed, lost machines.

A policy that trains on a broken grader learns noise. The monitor reads `unscored_rate`, `slow_verdict_rate` and
`worker_ended_rate` of the verifier `math_verify`, `rubric_failed_rate` of the reward `llm_rubric`, and `resent_rate` of
the executor `ray`; it grades nothing itself.
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
    """The last values of each metric, and the limits that they exceed."""

    recent: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    exceeded: frozenset[str] = frozenset()
    crossed: tuple[str, ...] = ()
    """The limits that were crossed at this step."""


@plugin
class GraderHealth(Monitor):
    """Warns when too many rollouts of the last `window` steps could not be graded, were slow, or ended their judge.

    Steps still to come count as 0. It warns once, and again only after the share has come down to half of the limit. A
    share of slow verdicts above 1 % means that the 99th percentile of the verifier's latency exceeds its option `slow`.
    """

    action: Action = "stop"
    """The most it may do: stop, warn, or stay silent (off)."""
    window: Annotated[int, Field(ge=1)] = 10
    """The number of steps."""
    max_unscored: Share = 0.02
    """The greatest share of rollouts that could not be graded."""
    stop_unscored: Share = 0.2
    """Stop if the share of rollouts that could not be graded exceeds this."""
    max_slow: Share = 0.01
    """The greatest share of rollouts with a slow verdict."""
    max_worker_ends: Share = 0.02
    """The greatest share of rollouts whose answer ended its worker (out of time or memory, or a crash)."""
    max_rubric_failed: Share = 0.02
    """The greatest share of responses of which the judge of `llm_rubric` could not say anything."""
    max_resent: Share = 0.1
    """The greatest share of rollouts that were sent to a cluster again, as their actor or its node had died."""

    def __post_init__(self) -> None:
        self._limits = {
            "max_unscored": ("unscored_rate", self.max_unscored, "of the rollouts could not be graded"),
            "stop_unscored": ("unscored_rate", self.stop_unscored, "of the rollouts could not be graded"),
            "max_slow": ("slow_verdict_rate", self.max_slow, "of the verdicts were slow: p99 of the latency is too"),
            "max_rubric_failed": (
                "rubric_failed_rate",
                self.max_rubric_failed,
                "of the rubrics could not be judged",
            ),
            "max_worker_ends": ("worker_ended_rate", self.max_worker_ends, "of the answers ended their worker"),
            "max_resent": (
                "resent_rate",
                self.max_resent,
                "of the rollouts were sent again: actors of the cluster died",
            ),
        }
        self._memo = HistoryMemo(State(), self._advance)

    def look(self, stats: StepStats, history: History) -> Iterator[Finding]:
        """Report each limit that is crossed at this step."""
        state = self._memo(stats, history)
        for option in state.crossed:
            if option == "max_unscored" and "stop_unscored" in state.crossed:
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
        """Say whether nothing was graded."""
        names = {name for name, _, _ in self._limits.values()}
        known = any(name in stats.metrics for stats in history.steps for name in names)
        return "" if known else f"not enough data: no step has {', '.join(sorted(names))}"

    def _advance(self, state: State, stats: StepStats, history: History) -> State:
        recent = dict(state.recent)
        for name in {name for name, _, _ in self._limits.values()} & set(stats.metrics):
            recent[name] = (*recent.get(name, ()), stats.metrics[name])[-self.window :]
        exceeded = frozenset(
            option
            for option, (name, limit, _) in self._limits.items()
            if sum(recent.get(name, ())) / self.window > (limit / 2 if option in state.exceeded else limit)
        )
        new = exceeded - state.exceeded
        return State(recent, exceeded, tuple(option for option in self._limits if option in new))
