"""Decide what the curves of a run show: panels of series, which `svg` draws for the page and `figure` as pictures.

A panel that the run measured nothing of is left out and named in `Sheet.missing`; one that is constantly zero, in
`Sheet.zero`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from justtinker_core import EvalStats, StepStats
from justtinker_plugins.shared.records.history import RecordedFinding, Records

Point = tuple[int, float]
Kind = Literal["rl", "sft", "simple"]
MOST_POINTS = 1000
"""The most points of a series; longer ones become means of neighbouring steps."""
SMOOTHED_FROM = 40
"""The fewest steps of a series that gets a moving mean."""
PENALTY_FROM = 0.3
"""The score above which the recipe penalises redundancy."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line."""

    name: str
    points: tuple[Point, ...]
    intervals: tuple[tuple[float, float], ...] = ()
    """One for each point, or none at all."""
    evaluated: bool = False
    """Its points are evaluations: few, and each is drawn."""
    exact: bool = False
    """It has no noise to smooth."""

    @property
    def smooth(self) -> tuple[Point, ...]:
        """A moving mean over a twentieth of the series; empty for short series and for evaluations."""
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
    """Horizontal lines: name -> level."""
    milestones: bool = False
    """Mark the start, the best and the last of its evaluations."""
    start: str = ""
    """The run that the first evaluation belongs to; empty: this one."""
    always: bool = False
    """Drawn even if it is constantly zero: what one looks for first."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """All panels of a run, its findings, what it did not measure, and what was constantly zero."""

    panels: tuple[Panel, ...]
    missing: tuple[str, ...] = ()
    zero: tuple[str, ...] = ()
    """Panels and lines that are left out, as all of their values are 0."""
    findings: tuple[RecordedFinding, ...] = ()
    """Warnings and stops, to mark at their steps."""
    note: str = ""
    """The run that the evaluations of step 0 belong to, as a sentence; empty: this one."""


@dataclass(frozen=True, slots=True)
class Milestone:
    """A point to mark, and all that it is: the start, the best, the last."""

    names: tuple[str, ...]
    point: Point


def milestones(series: Series) -> list[Milestone]:
    """Find the start, the best (the first of equals) and the last point; a point that is two of them comes once."""
    points = series.points
    best = max(points, key=lambda point: (point[1], -point[0]))
    first = "first" if points[0][0] else "start"  # the starting weights may not have been evaluated
    named = ((first, points[0]), ("best", best), ("last", points[-1]))
    return [
        Milestone(tuple(name for name, other in named if other == point), point)
        for point in dict.fromkeys(point for _, point in named)
    ]


def milestone_texts(panel: Panel, unit: str = "") -> Iterator[tuple[Milestone, str]]:
    """Yield each milestone of a panel, with its name, value in per cent and step in words."""
    if not panel.milestones:
        return
    found = milestones(panel.series[0])
    steps = {0: panel.start} if panel.start else {}
    for m in sorted(found, key=lambda m: m.point[0]):
        name = f"{' and '.join(m.names)} " if len(found) > 1 else ""
        step, value = m.point
        yield m, f"{name}{value * 100:.1f}{unit} ({steps.get(step, f'step {step}')})"


def in_words(panel: Panel) -> str:
    """Describe the milestones of a panel."""
    return ", ".join(text for _, text in milestone_texts(panel))


def sheet_of(records: Records, kind: Kind | None = None) -> Sheet:
    """Lay out the panels of a run. Without a `kind`: those of SFT if no step has a reward or an accuracy."""
    kind = kind or ("rl" if trained_by_reward(records) or not records.steps else "sft")
    panels = {"rl": rl_panels, "sft": sft_panels, "simple": simple_panels}[kind](records)
    missing = tuple(p.title for p in panels if not any(s.points for s in p.series))
    zero = tuple(name for panel in panels for name in zero_names(panel))
    drawn = tuple(only_filled(panel) for panel in panels if any(is_drawn(panel, s) for s in panel.series))
    found = tuple(s for s in records.said if s.finding.level != "info")
    return Sheet(drawn, missing, zero, found, start_note(records))


def is_drawn(panel: Panel, series: Series) -> bool:
    """Whether there is anything to see in one of a panel's series."""
    return any(y for _, y in series.points) or (panel.always and bool(series.points))


def zero_names(panel: Panel) -> list[str]:
    """Name what a panel leaves out as constantly zero: itself, or some of its lines."""
    measured = [s for s in panel.series if s.points]
    zero = [s for s in measured if not is_drawn(panel, s)]
    if zero and len(zero) == len(measured):
        return [panel.title]
    return [f"{panel.title} ({s.name})" for s in zero]


def start_note(records: Records) -> str:
    """Say which evaluations of step 0 belong to another run; empty if none does."""
    owners = dict.fromkeys(records.start.values())
    named = (f"{', '.join(n for n, owner in records.start.items() if owner == each)}: {each}" for each in owners)
    text = "; ".join(named)
    return f"Step 0 is the last evaluation of the run whose weights this one started from ({text})." if text else ""


def trained_by_reward(records: Records) -> bool:
    """Whether any step has a reward or an accuracy."""
    return any("reward" in s.metrics or "accuracy" in s.metrics for s in records.steps)


def only_filled(panel: Panel) -> Panel:
    """Drop series without points or constantly zero; if one of several is left, the title names it."""
    filled = tuple(s for s in panel.series if is_drawn(panel, s))
    alone = len(filled) == 1 < len(panel.series) and not panel.lines
    return replace(panel, series=filled, title=f"{panel.title}: {filled[0].name}" if alone else panel.title)


def rl_panels(records: Records) -> list[Panel]:
    """The panels of a run with rewards, as in the recipe: eight if it has two evaluation sets."""
    steps = partial(step_series, records)
    redundancy = (steps("redundancy_score", "score"), steps("chunk_similarity", "chunk similarity"))
    return [
        Panel("Accuracy in training", (steps("accuracy"),), percent=True, always=True),
        *accuracy_panels(records),
        Panel("Reward", (steps("reward"),), always=True),
        Panel("Redundancy", redundancy, lines={"penalty from": PENALTY_FROM}),
        Panel("Step time", (step_time_series(records),), unit="s"),
        Panel("Thinking rate", (steps("thinking_rate", "training"), *eval_series(records, "thinking_rate")), True),
        Panel("Length", length_series(steps), unit="tokens"),
        *policy_panels(steps),
    ]


def policy_panels(steps: Callable[[str, str], Series]) -> list[Panel]:
    """The policy's entropy, and how far training is from what sampled; no panel for a run that did not measure it."""
    entropy, kl = steps("entropy", "entropy"), steps("approx_kl:mean", "KL")
    panels = [
        Panel("Entropy", (entropy,), unit="nats a token"),
        Panel("KL to the sampler", (kl,), unit="nats a token"),
    ]
    return [panel for panel in panels if panel.series[0].points]


def sft_panels(records: Records) -> list[Panel]:
    """The panels of SFT: loss and learning rate of the steps; thinking, boxes and lengths of the evaluations."""
    several = len(eval_names(records)) > 1
    shapes = [
        s
        for metric, label in (("thinking_rate", "thinking"), ("boxed_rate", "boxed"))
        for s in eval_series(records, metric, label, several)
    ]
    long = [s for name in eval_names(records) for s in length_series(partial(set_series, records, name))]
    return [
        Panel("Loss", (step_series(records, "loss"),), always=True),
        Panel("Learning rate", (replace(step_series(records, "learning_rate", "learning rate"), exact=True),)),
        Panel("Thinking and boxed rate", tuple(shapes), percent=True),
        Panel("Length", tuple(long), unit="tokens"),
        *accuracy_panels(records),
    ]


def simple_panels(records: Records) -> list[Panel]:
    """One panel: the accuracy of training and of evaluations, or the loss where training has no accuracy."""
    if not trained_by_reward(records) and records.steps:
        return [Panel("Loss", (step_series(records, "loss"),), always=True)]
    accuracy = (step_series(records, "accuracy", "training"), *eval_series(records, "accuracy"))
    return [Panel("Accuracy", accuracy, percent=True, always=True)]


def accuracy_panels(records: Records) -> list[Panel]:
    """One panel for each evaluation set."""
    sets = eval_names(records)
    series = [(name, set_series(records, name, "accuracy", name)) for name in sets]
    panels = [
        Panel(
            f"Accuracy on {name}", (s,), percent=True, milestones=True, start=records.start.get(name, ""), always=True
        )
        for name, s in series
    ]
    return panels or [Panel("Evaluation", ())]


def eval_names(records: Records) -> list[str]:
    """List the evaluation sets, in order of appearance."""
    return list(dict.fromkeys(e.name for e in records.evals))


def length_series(series: Callable[[str, str], Series]) -> tuple[Series, ...]:
    """The lengths of responses and of their thinking."""
    return series("mean_response_tokens", "response"), series("thinking_tokens", "thinking")


def step_series(records: Records, metric: str, label: str = "") -> Series:
    """A metric of the training steps, as a series."""
    return Series(label or metric, thinned([(s.step, s.metrics[metric]) for s in records.steps if metric in s.metrics]))


def step_time_series(records: Records) -> Series:
    """The seconds of each step, as a series."""
    points = [(s.step, taken) for s in records.steps if (taken := seconds_of(s)) is not None]
    return Series("seconds a step", thinned(points))


def seconds_of(stats: StepStats) -> float | None:
    """How long a step took: of a run's records, or of a table with the column ``step_seconds``."""
    return stats.seconds.get("total", stats.metrics.get("step_seconds"))


def eval_series(records: Records, metric: str, label: str = "", several: bool = True) -> Iterator[Series]:
    """A metric of the evaluations: a series for each set."""
    for name in eval_names(records):
        yield set_series(records, name, metric, f"{label} {name}".strip() if several else label)


def set_series(records: Records, name: str, metric: str, label: str) -> Series:
    """A metric of one evaluation set, with intervals if all of its evaluations have one."""
    found: list[EvalStats] = [e for e in records.evals if e.name == name and metric in e.metrics]
    known = all(metric in e.intervals for e in found)
    intervals = tuple((e.intervals[metric][0], e.intervals[metric][1]) for e in found if known)
    return Series(label, tuple((e.step, e.metrics[metric]) for e in found), intervals, evaluated=True)


def thinned(points: Sequence[Point]) -> tuple[Point, ...]:
    """Average neighbouring points until at most `MOST_POINTS` are left."""
    size = -(-len(points) // MOST_POINTS) or 1
    if size == 1:
        return tuple(points)
    chunks = (points[i : i + size] for i in range(0, len(points), size))
    return tuple((chunk[len(chunk) // 2][0], sum(y for _, y in chunk) / len(chunk)) for chunk in chunks)


def span_of(sheet: Sheet) -> tuple[int, int]:
    """The first and the last step on a sheet."""
    steps = [x for panel in sheet.panels for s in panel.series for x, _ in s.points] + [s.step for s in sheet.findings]
    return min(steps, default=0), max(steps, default=1)


def marks(findings: Sequence[RecordedFinding]) -> list[tuple[int, str]]:
    """The steps with findings, each with its gravest level."""
    levels: dict[int, str] = {}
    for s in findings:
        if levels.get(s.step) != "stop":
            levels[s.step] = s.finding.level
    return sorted(levels.items())


def spaced(found: Sequence[tuple[int, str]], span: float, room: float = 0.09) -> list[tuple[int, str]]:
    """Choose marks whose labels, each `room` of the `span` wide, do not overlap; stops first."""
    chosen: list[tuple[int, str]] = []
    for step, level in sorted(found, key=lambda mark: (mark[1] != "stop", mark[0])):
        if all(abs(step - other) > span * room for other, _ in chosen):
            chosen.append((step, level))
    return sorted(chosen)
