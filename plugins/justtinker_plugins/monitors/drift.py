"""Sees a run turn away from its own healthy beginning: CUSUM charts on length, thinking, accuracy, truncation, loops.

Nothing absolute is known here, and nothing is learned from other runs: a run that was never well is taken for healthy.
The charts are explained in `_chart`, their choice and error rates in docs/health.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from justtinker_core import Finding, History, StepStats, plugin
from justtinker_plugins.monitors._chart import Chart, Design, charted, uncharted
from justtinker_plugins.monitors._monitor import Action, HistoryMemo, Monitor, checkpoint_before, go_back

GROWTH = frozenset({"mean_response_tokens", "truncated_rate"})
"""Longer answers may be what the policy has learned: these warn, and stop a run only in company of another."""
ALONE = 2
"""A signal that is no growth stops a run alone at so many times the limit."""


@dataclass(frozen=True, slots=True)
class State:
    """All charts after a step, and what is to be said of it."""

    charts: Mapping[str, Chart]
    said: tuple[str, ...] = ()
    """Levels that were said in this alarm."""
    say: Literal["", "baseline", "warn", "stop"] = ""


@plugin
class Drift(Monitor):
    """One alarm, said once, with the step at which it began; one stop if a second signal agrees or it gets worse.

    Each metric has a one-sided CUSUM chart against the mean of its own first `baseline` steps. A warning: one chart is
    above `limit`. A stop: a chart that is not of length is, and either another one is too or it is above twice the
    limit. Metrics that a run does not have are left out.
    """

    action: Action = "stop"
    """The most it may do: stop, warn, or nothing."""
    rising: tuple[str, ...] = ("mean_response_tokens", "truncated_rate", "redundancy_penalty")
    """Metrics that must not rise. ``redundancy_penalty`` is the mean excess over the threshold: the tail."""
    falling: tuple[str, ...] = ("thinking_rate", "accuracy")
    """Metrics that must not fall."""
    baseline: Annotated[int, Field(ge=10)] = 40
    """Steps from which the healthy level and its noise are learned; nothing is said before."""
    slack: Annotated[float, Field(ge=0)] = 0.7
    """What a step may be worse than usual, in long-run standard deviations, before it counts."""
    limit: Annotated[float, Field(gt=0)] = 8.0
    """How much may add up before there is an alarm, in the same unit."""
    follow: Annotated[float, Field(ge=0, le=1)] = 0.01
    """How fast the baseline follows a trend: at most so many standard deviations a step."""

    def __post_init__(self) -> None:
        self._watched = (*self.rising, *self.falling)
        if twice := {name for name in self._watched if self._watched.count(name) > 1}:
            raise ValueError(f"rising and falling name {', '.join(sorted(twice))} twice")
        self._design = Design(self.baseline, self.slack, self.limit, self.follow)
        self._memo = HistoryMemo(State(dict.fromkeys(self._watched, Chart())), self._advance)

    def look(self, stats: StepStats, history: History) -> Iterator[Finding]:
        """What this step adds to what was said before."""
        state = self._memo(stats, history)
        if state.say == "baseline":
            yield self._learned(state)
        elif state.say:
            yield self._alarm(state.say, state, history)

    def lacks(self, history: History) -> str:
        """Whether any metric has a baseline yet."""
        values = {name: sum(name in stats.metrics for stats in history.steps) for name in self._watched}
        most = max(values.values(), default=0)
        if most > self.baseline:
            return ""
        return f"not enough data: a baseline takes {self.baseline} steps, and there are {most} with a metric it watches"

    def _advance(self, state: State, stats: StepStats, history: History) -> State:
        charts = dict(state.charts)
        rollouts = stats.metrics.get("rollouts", 0.0)
        for name in self._watched:
            if name in stats.metrics:
                value = charted(stats.metrics[name])
                value = value if name in self.rising else -value
                charts[name] = charts[name].add(value, stats.step, rollouts, self._design)
        first = any(chart.ready for chart in charts.values()) and not any(c.ready for c in state.charts.values())
        state = replace(state, charts=charts, say="", said=state.said if self._on(charts, 0.5) else ())
        level = self._level(charts)
        if level and level not in state.said:
            return replace(state, say=level, said=("warn", "stop") if level == "stop" else ("warn", *state.said))
        return replace(state, say="baseline") if first else state

    def _on(self, charts: Mapping[str, Chart], factor: float = 1.0) -> list[str]:
        """The metrics whose chart is above so many times the limit, the earliest to begin first."""
        on = [name for name, chart in charts.items() if chart.sum > factor * self.limit]
        return sorted(on, key=lambda name: (charts[name].began, name))

    def _level(self, charts: Mapping[str, Chart]) -> Literal["", "warn", "stop"]:
        on = self._on(charts)
        serious = [name for name in on if name not in GROWTH]
        if serious and (len(on) > 1 or charts[serious[0]].sum > ALONE * self.limit):
            return "stop"
        return "warn" if on else ""

    def _alarm(self, level: Literal["warn", "stop"], state: State, history: History) -> Finding:
        on = self._on(state.charts)
        began = state.charts[on[0]].began
        told = [self._told(name, state.charts[name]) for name in on]
        evidence = {name: self._evidence(name, state.charts[name]) for name in on}
        saved = {"began": began, "last_healthy_checkpoint": checkpoint_before(began, history)}
        return Finding(level, f"{'; '.join(told)}; {go_back(began, history)}", saved | evidence)

    def _told(self, name: str, chart: Chart) -> str:
        seen = self._evidence(name, chart)
        return (
            f"{name} {seen['mean']:.4g} on average since step {chart.began}, was {level(seen)} "
            f"(CUSUM {chart.sum:.1f}, limit {self.limit:g})"
        )

    def _evidence(self, name: str, chart: Chart) -> dict[str, Any]:
        sign = 1 if name in self.rising else -1
        usual = uncharted(sign * chart.location)
        return {
            "usual": usual,
            "deviation": chart.scale * (1 + abs(usual)),
            "began": chart.began,
            "mean": uncharted(sign * chart.mean),
            "cusum": chart.sum,
            "limit": self.limit,
        }

    def _learned(self, state: State) -> Finding:
        ready = {name: self._evidence(name, chart) for name, chart in state.charts.items() if chart.ready}
        levels = ", ".join(f"{name} {level(seen)}" for name, seen in ready.items())
        missing = [name for name, chart in state.charts.items() if not chart.ready]
        none = f"; not enough data for {', '.join(missing)}" if missing else ""
        healthy = {name: {key: seen[key] for key in ("usual", "deviation")} for name, seen in ready.items()}
        return Finding("info", f"taken for healthy: {levels}{none}", {**healthy, "not_enough_data": missing})


def level(seen: Mapping[str, Any]) -> str:
    """What a number usually is, in words; small rates without an exponent."""
    return f"{round(seen['usual'], 4):.4g} ± {seen['deviation']:.3g}"
