"""What the curves of a run show, without drawing it: panels of series, for the page and for the picture alike.

A panel is there if the run measured anything of it; what it did not measure is named in `Sheet.missing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from justtinker_core.types import EvalStats, StepStats
from justtinker_plugins.shared.records.history import RecordedFinding, Records

Point = tuple[int, float]
Kind = Literal["rl", "sft", "simple"]
MOST_POINTS = 1000
"""Longer series are drawn as means of neighbouring steps."""
SMOOTHED_FROM = 40
"""Series of at least so many steps also get a moving mean."""
PENALTY_FROM = 0.3
"""The recipe pays for redundancy above this score."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line."""

    name: str
    points: tuple[Point, ...]
    intervals: tuple[tuple[float, float], ...] = ()
    """As many as points, or none."""
    evaluated: bool = False
    """Evaluations: few points, each of them drawn."""
    exact: bool = False
    """No noise to smooth."""

    @property
    def smooth(self) -> tuple[Point, ...]:
        """A moving mean over a twentieth of the series, empty for short ones and for evaluations."""
        if self.evaluated or self.exact or len(self.points) < SMOOTHED_FROM:
            return ()
        half, values = max(1, len(self.points) // 40), [y for _, y in self.points]
        windows = (values[max(0, i - half) : i + half + 1] for i in range(len(values)))
        return tuple((x, sum(w) / len(w)) for (x, _), w in zip(self.points, windows, strict=True))


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes."""

    title: str
    series: tuple[Series, ...]
    percent: bool = False
    unit: str = ""
    lines: Mapping[str, float] = field(default_factory=dict)
    """Levels to draw across, by what they mean."""
    milestones: bool = False
    """Mark start, best and last of its evaluations."""
    start: str = ""
    """Whose evaluation the start is, if it is not the run's own."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """All panels of a run, and what they do not show."""

    panels: tuple[Panel, ...]
    missing: tuple[str, ...] = ()
    said: tuple[RecordedFinding, ...] = ()
    """Warnings and stops, to be marked at their steps."""
    note: str = ""
    """Whose evaluations stand at step 0."""


@dataclass(frozen=True, slots=True)
class Milestone:
    """A point worth a mark."""

    name: str
    point: Point


def milestones(series: Series) -> list[Milestone]:
    """Start, best (the first of equals) and last."""
    points = series.points
    best = max(points, key=lambda point: (point[1], -point[0]))
    first = "first" if points[0][0] else "start"  # the starting weights may not have been evaluated
    return [Milestone(first, points[0]), Milestone("best", best), Milestone("last", points[-1])]


def told(panel: Panel) -> str:
    """Its milestones in words."""
    if not panel.milestones:
        return ""
    found = milestones(panel.series[0])
    if found[0].point == found[-1].point:
        return f"{found[0].point[1] * 100:.1f} (step {found[0].point[0]})"
    steps = {0: panel.start} if panel.start else {}
    return ", ".join(f"{m.name} {m.point[1] * 100:.1f} ({steps.get(m.point[0], f'step {m.point[0]}')})" for m in found)


def sheet_of(records: Records, kind: Kind | None = None) -> Sheet:
    """The panels of a run; without a kind: SFT's, if it has no reward and no accuracy in training."""
    kind = kind or ("rl" if trained_by_reward(records) or not records.steps else "sft")
    wanted = {"rl": rl_panels, "sft": sft_panels, "simple": simple_panels}[kind](records)
    filled = [only_filled(panel) for panel in wanted]
    said = tuple(s for s in records.said if s.finding.level != "info")
    return Sheet(
        tuple(p for p in filled if p.series), tuple(p.title for p in filled if not p.series), said, start_told(records)
    )


def start_told(records: Records) -> str:
    """What must be said of evaluations that are another run's."""
    by = dict.fromkeys(records.start.values())
    named = (f"{', '.join(n for n, whose in records.start.items() if whose == each)}: {each}" for each in by)
    told = "; ".join(named)
    return f"Step 0 is the last evaluation of the run whose weights this one started from ({told})." if told else ""


def trained_by_reward(records: Records) -> bool:
    """Whether a step has a reward or an accuracy."""
    return any("reward" in s.metrics or "accuracy" in s.metrics for s in records.steps)


def only_filled(panel: Panel) -> Panel:
    """The panel without the series that have no points; the title says which one is left of several."""
    filled = tuple(s for s in panel.series if s.points)
    alone = len(filled) == 1 < len(panel.series) and not panel.lines
    return replace(panel, series=filled, title=f"{panel.title}: {filled[0].name}" if alone else panel.title)


def rl_panels(records: Records) -> list[Panel]:
    """The sheet of the recipe: eight panels where there are two evaluation sets."""
    return [
        Panel("Accuracy in training", (of_steps(records, "accuracy"),), percent=True),
        *accuracy_panels(records),
        Panel("Reward", (of_steps(records, "reward"),)),
        Panel(
            "Redundancy",
            (of_steps(records, "redundancy_score", "score"), of_steps(records, "chunk_similarity", "chunk similarity")),
            lines={"penalty from": PENALTY_FROM},
        ),
        Panel("Step time", (timed(records),), unit="s"),
        Panel(
            "Thinking rate", (of_steps(records, "thinking_rate", "training"), *evals(records, "thinking_rate")), True
        ),
        Panel("Length", lengths(partial(of_steps, records)), unit="tokens"),
    ]


def sft_panels(records: Records) -> list[Panel]:
    """Loss and learning rate of the steps; thinking, boxes and lengths of the evaluations."""
    several = len(names(records)) > 1
    shapes = [
        s
        for metric, label in (("thinking_rate", "thinking"), ("boxed_rate", "boxed"))
        for s in evals(records, metric, label, several)
    ]
    long = [s for name in names(records) for s in lengths(partial(of_evals, records, name))]
    return [
        Panel("Loss", (of_steps(records, "loss"),)),
        Panel("Learning rate", (replace(of_steps(records, "learning_rate", "learning rate"), exact=True),)),
        Panel("Thinking and boxed rate", tuple(shapes), percent=True),
        Panel("Length", tuple(long), unit="tokens"),
        *accuracy_panels(records),
    ]


def simple_panels(records: Records) -> list[Panel]:
    """Accuracy of training and evaluations in one panel; where training has none, its loss."""
    if not trained_by_reward(records) and records.steps:
        return [Panel("Loss", (of_steps(records, "loss"),))]
    return [Panel("Accuracy", (of_steps(records, "accuracy", "training"), *evals(records, "accuracy")), percent=True)]


def accuracy_panels(records: Records) -> list[Panel]:
    """One for each evaluation set."""
    sets = names(records)
    series = [(name, of_evals(records, name, "accuracy", name)) for name in sets]
    panels = [
        Panel(f"Evaluation: {name}", (s,), percent=True, milestones=True, start=records.start.get(name, ""))
        for name, s in series
    ]
    return panels or [Panel("Evaluation", ())]


def names(records: Records) -> list[str]:
    """The evaluation sets, in order of appearance."""
    return list(dict.fromkeys(e.name for e in records.evals))


def lengths(series: Callable[[str, str], Series]) -> tuple[Series, ...]:
    """Of the response and of its thinking."""
    return series("mean_response_tokens", "response"), series("thinking_tokens", "thinking")


def of_steps(records: Records, metric: str, label: str = "") -> Series:
    """A metric of the training steps."""
    return Series(label or metric, thinned([(s.step, s.metrics[metric]) for s in records.steps if metric in s.metrics]))


def timed(records: Records) -> Series:
    """Seconds of each step; a table may have them as a column."""
    points = [(s.step, taken) for s in records.steps if (taken := seconds_of(s)) is not None]
    return Series("seconds a step", thinned(points))


def seconds_of(stats: StepStats) -> float | None:
    """How long a step took."""
    return stats.seconds.get("total", stats.metrics.get("step_seconds"))


def evals(records: Records, metric: str, label: str = "", several: bool = True) -> Iterator[Series]:
    """A metric of every evaluation set."""
    for name in names(records):
        yield of_evals(records, name, metric, f"{label} {name}".strip() if several else label)


def of_evals(records: Records, name: str, metric: str, label: str) -> Series:
    """A metric of one evaluation set, with intervals where all of them are known."""
    found: list[EvalStats] = [e for e in records.evals if e.name == name and metric in e.metrics]
    known = all(metric in e.intervals for e in found)
    intervals = tuple((e.intervals[metric][0], e.intervals[metric][1]) for e in found if known)
    return Series(label, tuple((e.step, e.metrics[metric]) for e in found), intervals, evaluated=True)


def thinned(points: Sequence[Point]) -> tuple[Point, ...]:
    """At most `MOST_POINTS`: each the mean of as many neighbours as that takes."""
    size = -(-len(points) // MOST_POINTS) or 1
    if size == 1:
        return tuple(points)
    chunks = (points[i : i + size] for i in range(0, len(points), size))
    return tuple((chunk[len(chunk) // 2][0], sum(y for _, y in chunk) / len(chunk)) for chunk in chunks)


def span_of(sheet: Sheet) -> tuple[int, int]:
    """The first and the last step that anything on the sheet is of."""
    steps = [x for panel in sheet.panels for s in panel.series for x, _ in s.points] + [s.step for s in sheet.said]
    return min(steps, default=0), max(steps, default=1)


def marks(said: Sequence[RecordedFinding]) -> list[tuple[int, str]]:
    """The steps of findings with the gravest level of each."""
    levels: dict[int, str] = {}
    for s in said:
        if levels.get(s.step) != "stop":
            levels[s.step] = s.finding.level
    return sorted(levels.items())


def labelled(found: Sequence[tuple[int, str]], span: float) -> list[tuple[int, str]]:
    """Of the marks those whose labels do not run into each other; stops first."""
    chosen: list[tuple[int, str]] = []
    for step, level in sorted(found, key=lambda mark: (mark[1] != "stop", mark[0])):
        if all(abs(step - other) > span * 0.09 for other, _ in chosen):
            chosen.append((step, level))
    return sorted(chosen)
