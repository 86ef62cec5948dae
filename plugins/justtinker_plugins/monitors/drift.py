"""Detect a run that drifts from its own healthy beginning: charts of length, thinking, accuracy, truncation, loops.

It knows no absolute limits and learns nothing from other runs, so a run that was never healthy looks healthy to it.
`_chart` explains the CUSUM charts, docs/health.md their choice and error rates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from justtinker_core import Finding, History, StepStats, plugin
from justtinker_plugins.monitors._chart import Chart, Design, from_log, to_log
from justtinker_plugins.monitors._monitor import Action, HistoryMemo, Monitor, checkpoint_before, go_back

GROWTH = frozenset({"mean_response_tokens", "truncated_rate"})
"""Longer answers may be what the policy has learned: these metrics stop a run only together with another."""
WORDS = {
    "mean_response_tokens": "responses are longer",
    "truncated_rate": "more responses are cut off",
    "redundancy_penalty": "answers repeat themselves more",
    "thinking_rate": "fewer responses think",
    "accuracy": "fewer answers are right",
}
"""What it means that one of the usual metrics has become worse."""
ALONE = 2
"""Any other metric stops a run alone at so many times the limit."""


@dataclass(frozen=True, slots=True)
class State:
    """All charts after a step, and what to report."""

    charts: Mapping[str, Chart]
    reported: tuple[str, ...] = ()
    """The levels that this alarm has reported."""
    report: Literal["", "baseline", "warn", "stop"] = ""
    """What to report at this step."""


@plugin
class Drift(Monitor):
    """Warns once when a metric drifts, and names the first step; stops if a second metric agrees or it gets worse.

    Each metric has a one-sided CUSUM chart against the mean of its own first `baseline` steps. It warns when one chart
    exceeds `limit`. It stops when a chart that is not of length exceeds it, and either another chart does too or this
    one exceeds twice the limit. Metrics that a run does not have are left out.
    """

    action: Action = "stop"
    """The most it may do: stop, warn, or stay silent (off)."""
    rising: tuple[str, ...] = ("mean_response_tokens", "truncated_rate", "redundancy_penalty")
    """Metrics that must not rise. ``redundancy_penalty`` is the mean excess over the threshold: it follows the tail."""
    falling: tuple[str, ...] = ("thinking_rate", "accuracy")
    """Metrics that must not fall."""
    baseline: Annotated[int, Field(ge=10)] = 40
    """The number of steps from which it learns the healthy level and its noise; until then it stays silent."""
    slack: Annotated[float, Field(ge=0)] = 0.7
    """How much worse than usual a step may be before it counts, in long-run standard deviations."""
    limit: Annotated[float, Field(gt=0)] = 8.0
    """How much may add up before an alarm, in the same unit."""
    follow: Annotated[float, Field(ge=0, le=1)] = 0.01
    """How fast the baseline follows a trend: at most so many standard deviations a step."""

    def __post_init__(self) -> None:
        self._watched = (*self.rising, *self.falling)
        if twice := {name for name in self._watched if self._watched.count(name) > 1}:
            raise ValueError(f"rising and falling name {', '.join(sorted(twice))} twice")
        self._design = Design(self.baseline, self.slack, self.limit, self.follow)
        self._memo = HistoryMemo(State(dict.fromkeys(self._watched, Chart())), self._advance)

    def look(self, stats: StepStats, history: History) -> Iterator[Finding]:
        """Report the baseline once, and each level of an alarm once."""
        state = self._memo(stats, history)
        if state.report == "baseline":
            yield self._baseline_finding(state)
        elif state.report:
            yield self._alarm_finding(state.report, state, history)

    def lacks(self, history: History) -> str:
        """Say whether no metric has a baseline yet."""
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
                value = to_log(stats.metrics[name])
                value = value if name in self.rising else -value
                charts[name] = charts[name].add(value, stats.step, rollouts, self._design)
        first = any(chart.ready for chart in charts.values()) and not any(c.ready for c in state.charts.values())
        reported = state.reported if self._above(charts, 0.5) else ()
        state = replace(state, charts=charts, report="", reported=reported)
        level = self._level(charts)
        if level and level not in reported:
            reported = ("warn", "stop") if level == "stop" else ("warn", *reported)
            return replace(state, report=level, reported=reported)
        return replace(state, report="baseline") if first else state

    def _above(self, charts: Mapping[str, Chart], factor: float = 1.0) -> list[str]:
        """List the metrics whose chart exceeds `factor` times the limit, in the order in which they began."""
        above = [name for name, chart in charts.items() if chart.sum > factor * self.limit]
        return sorted(above, key=lambda name: (charts[name].began, name))

    def _level(self, charts: Mapping[str, Chart]) -> Literal["", "warn", "stop"]:
        above = self._above(charts)
        serious = [name for name in above if name not in GROWTH]
        if serious and (len(above) > 1 or charts[serious[0]].sum > ALONE * self.limit):
            return "stop"
        return "warn" if above else ""

    def _alarm_finding(self, level: Literal["warn", "stop"], state: State, history: History) -> Finding:
        above = self._above(state.charts)
        began = state.charts[above[0]].began
        texts = [self._describe(name, state.charts[name]) for name in above]
        evidence = {name: self._evidence(name, state.charts[name]) for name in above}
        saved = {"began": began, "last_healthy_checkpoint": checkpoint_before(began, history)}
        return Finding(level, f"{self._words(above)}: {'; '.join(texts)}; {go_back(began, history)}", saved | evidence)

    def _words(self, above: Sequence[str]) -> str:
        """Say what has become worse, before the numbers."""
        return ", ".join(
            WORDS.get(name, f"{name} {'has risen' if name in self.rising else 'has fallen'}") for name in above
        )

    def _describe(self, name: str, chart: Chart) -> str:
        seen = self._evidence(name, chart)
        return (
            f"{name} {seen['mean']:.4g} on average since step {chart.began}, was {level_text(seen)} "
            f"(CUSUM {chart.sum:.1f}, limit {self.limit:g})"
        )

    def _evidence(self, name: str, chart: Chart) -> dict[str, Any]:
        sign = 1 if name in self.rising else -1
        usual = from_log(sign * chart.location)
        return {
            "usual": usual,
            "deviation": chart.scale * (1 + abs(usual)),
            "began": chart.began,
            "mean": from_log(sign * chart.mean),
            "cusum": chart.sum,
            "limit": self.limit,
        }

    def _baseline_finding(self, state: State) -> Finding:
        ready = {name: self._evidence(name, chart) for name, chart in state.charts.items() if chart.ready}
        levels = ", ".join(f"{name} {level_text(seen)}" for name, seen in ready.items())
        missing = [name for name, chart in state.charts.items() if not chart.ready]
        none = f"; not enough data for {', '.join(missing)}" if missing else ""
        healthy = {name: {key: seen[key] for key in ("usual", "deviation")} for name, seen in ready.items()}
        return Finding(
            "info",
            f"from now on, each step is compared with this baseline: {levels}{none}",
            {**healthy, "not_enough_data": missing},
        )


def level_text(seen: Mapping[str, Any]) -> str:
    """Write the usual level and its deviation, small rates without an exponent."""
    return f"{round(seen['usual'], 4):.4g} ± {seen['deviation']:.3g}"
