"""Draw panels as inline SVG, without a library; the colours come from the page's style sheet.

Each figure holds its values as text, from which the page's script shows those of the step under the pointer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from justtinker_plugins.shared.charts.panels import (
    Panel,
    Point,
    Series,
    Sheet,
    marks,
    milestone_texts,
    milestones,
    spaced,
    span_of,
)

WIDTH, HEIGHT = 380, 200
LEFT, RIGHT, TOP, BOTTOM = 46, 64, 18, 24
LINE = 13
"""The height of a line of text."""
WIDE = 0.5
"""Rates that spread farther than this are shown from 0 to 100 %."""
MARK_ROOM = 0.15
"""The width of a finding's label, as a share of the axis."""
SIGNS = {"warn": "!", "stop": "\N{BLACK SQUARE}"}
"""The signs of findings, so that their colours are not all."""


@dataclass(frozen=True, slots=True)
class Axes:
    """The range of steps, the values of the horizontal lines, and where a value lies in the picture."""

    x0: float
    x1: float
    rows: Sequence[float]

    def x(self, value: float) -> float:
        return LEFT + (value - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        low, high = self.rows[0], self.rows[-1]
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def figures(sheet: Sheet) -> str:
    """Draw every panel of a sheet as an HTML figure, all over the same steps."""
    span, found = span_of(sheet), marks(sheet.findings)
    return "\n".join(figure(panel, span, found) for panel in sheet.panels)


def figure(panel: Panel, span: tuple[int, int], found: Sequence[tuple[int, str]]) -> str:
    """Draw a panel as an HTML figure; title and legend are text of the page, so that they wrap."""
    unit = f" <small>in {escape(panel.unit)}</small>" if panel.unit else ""
    named = enumerate(panel.series) if len(panel.series) > 1 else ()
    keys = [f'<span class="key k{i % 4}">{escape(s.name)}</span>' for i, s in named]
    keys += [f'<span class="key limit">{escape(name)} {level:g}</span>' for name, level in panel.lines.items()]
    keys += [
        f"<span{' class=best' if marks_best(m.names) else ''}>{escape(text)}</span>"
        for m, text in milestone_texts(panel, " %")
    ]
    legend = f'<div class="legend">{"".join(keys)}</div>' if keys else ""
    caption = f"<figcaption><b>{escape(panel.title)}</b>{unit}{legend}</figcaption>"
    values = escape(json.dumps(hover_values(panel, span), ensure_ascii=False, separators=(",", ":")))
    return f'<figure data-values="{values}">{caption}{picture(panel, span, found)}</figure>'


def hover_values(panel: Panel, span: tuple[int, int]) -> dict[str, Any]:
    """Return what the page's script needs: where steps lie, and the values of each series as texts by step."""
    axes = axes_for(panel, span)
    series = [{"name": s.name, "at": point_texts(s, panel.percent)} for s in panel.series]
    return {"x": [axes.x0, axes.x1, LEFT, WIDTH - RIGHT], "y": [TOP, HEIGHT - BOTTOM], "series": series}


def point_texts(series: Series, percent: bool) -> list[tuple[int, str]]:
    """Write each point of a series: its value, and its interval or the moving mean."""
    texts = [value_text(y, percent) for _, y in series.points]
    times = 100 if percent else 1
    if series.intervals:
        texts = [
            f"{text} ({low * times:.3g} to {high * times:.3g})"
            for text, (low, high) in zip(texts, series.intervals, strict=True)
        ]
    elif series.smooth:
        texts = [f"{text} (mean {value_text(y, percent)})" for text, (_, y) in zip(texts, series.smooth, strict=True)]
    return [(x, text) for (x, _), text in zip(series.points, texts, strict=True)]


def picture(panel: Panel, span: tuple[int, int], found: Sequence[tuple[int, str]]) -> str:
    """Draw the picture of a panel."""
    axes = axes_for(panel, span)
    labels = spaced(found, axes.x1 - axes.x0, MARK_ROOM)
    parts = [
        *grid(axes, panel.percent),
        *(finding_line(axes, step, level) for step, level in found),
        *(label_at(axes.x(s), TOP - 5, f"{SIGNS[level]} {s}", f"mark {level}") for s, level in labels),
        *(level_line(axes, level) for level in panel.lines.values()),
        *(part for i, series in enumerate(panel.series) for part in series_parts(axes, series, i % 4)),
        *end_labels(axes, panel),
        '<path class="guide" d=""/>',
    ]
    if panel.milestones:
        found_points = milestones(panel.series[0])
        parts += [diamond(axes, m.point) for m in found_points if marks_best(m.names) and len(found_points) > 1]
    ends = ", ".join(f"{s.name} ends at {value_text(end_of(s)[1], panel.percent)}" for s in panel.series)
    label = escape(f"{panel.title}, steps {span[0]} to {span[1]}: {ends}", quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def marks_best(names: Sequence[str]) -> bool:
    """Whether a milestone is the best, and so gets a marker; the start and the last are the ends of the line."""
    return "best" in names


def axes_for(panel: Panel, span: tuple[int, int]) -> Axes:
    """Choose axes that hold all points and intervals, from one round value to another.

    Rates that spread widely go from 0 to 100 %. Other values go from 0 if the least is near it.
    """
    values = [y for s in panel.series for _, y in s.points] + [v for s in panel.series for i in s.intervals for v in i]
    values += list(panel.lines.values())
    low, high = min(values), max(values)
    if panel.percent and high - low > WIDE:
        low, high = 0.0, 1.0
    elif low == high:
        pad = 0.05 if panel.percent else abs(high) * 0.1 or 0.5
        low, high = low - pad, high + pad
    elif 0 <= low <= high / 2:
        low = 0.0
    if panel.percent:
        low, high = max(low, 0.0), min(high, 1.0)
    return Axes(span[0], max(span[1], span[0] + 1), rows_around(low, high))


def tick_distance(low: float, high: float, most: int) -> float:
    """Choose a round distance that divides a range into at most so many parts."""
    raw = (high - low) / most
    size = 10.0 ** math.floor(math.log10(raw))
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw * (1 - 1e-9))


def rows_around(low: float, high: float, most: int = 5) -> list[float]:
    """Choose round numbers, the first at or below `low` and the last at or above `high`."""
    distance = tick_distance(low, high, most)
    first, last = math.floor(low / distance + 1e-9), math.ceil(high / distance - 1e-9)
    return [i * distance for i in range(first, last + 1)]


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Choose round numbers between `low` and `high`."""
    distance = tick_distance(low, high, most)
    first, last = math.ceil(low / distance - 1e-9), math.floor(high / distance + 1e-9)
    return [i * distance for i in range(first, last + 1)]


def grid(axes: Axes, percent: bool) -> Iterable[str]:
    """Draw the lines and numbers of both axes."""
    for y in axes.rows:
        yield f'<path class="grid" d="M{LEFT} {axes.y(y):.1f}H{WIDTH - RIGHT}"/>'
        label = f"{tick_label(y * 100)} %" if percent else tick_label(y)
        yield label_at(LEFT - 6, axes.y(y) + 4, label, "to-left")
    yield label_at(WIDTH - RIGHT + 36, HEIGHT - 7, "step", "axis")
    for x in ticks(axes.x0, axes.x1, 8):
        if x == int(x):
            yield label_at(axes.x(x), HEIGHT - 7, tick_label(x), "axis")


def tick_label(value: float) -> str:
    """Write a number in at most 6 characters."""
    if value and not 1e-3 <= abs(value) < 1e6:
        return short_exponent(f"{value:.0e}")
    return f"{value:,.10g}"


def value_text(value: float, percent: bool) -> str:
    """Write a value: a rate in per cent with one digit after the point, another number with three digits."""
    if percent:
        return f"{value * 100:.1f} %"
    if value and not 1e-3 <= abs(value) < 1e6:
        return short_exponent(f"{value:.1e}")
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def short_exponent(text: str) -> str:
    """Write an exponent without its plus and leading zero."""
    return text.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def label_at(x: float, y: float, words: str, style: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def finding_line(axes: Axes, step: int, level: str) -> str:
    """Draw a vertical line at a finding's step."""
    return f'<path class="mark {level}" d="M{axes.x(step):.1f} {TOP}V{HEIGHT - BOTTOM}"/>'


def level_line(axes: Axes, level: float) -> str:
    """Draw a horizontal line at a level."""
    return f'<path class="limit" d="M{LEFT} {axes.y(level):.1f}H{WIDTH - RIGHT}"/>'


def series_parts(axes: Axes, series: Series, colour: int) -> Iterable[str]:
    """Draw a series: its line, its moving mean or its intervals, its points."""
    faint = " faint" if series.smooth else ""
    yield polyline(axes, series.points, f"line c{colour}{faint}")
    if series.smooth:
        yield polyline(axes, series.smooth, f"line c{colour}")
    for (x, _), (low, high) in zip(series.points, series.intervals, strict=bool(series.intervals)):
        yield f'<path class="whisker c{colour}" d="M{axes.x(x):.1f} {axes.y(low):.1f}V{axes.y(high):.1f}"/>'
    if series.evaluated or len(series.points) == 1:
        for x, y in series.points:
            yield f'<circle class="dot f{colour}" cx="{axes.x(x):.1f}" cy="{axes.y(y):.1f}" r="2.6"/>'


def polyline(axes: Axes, points: Iterable[Point], style: str) -> str:
    path = "L".join(f"{axes.x(x):.1f} {axes.y(y):.1f}" for x, y in points)
    return f'<path class="{style}" d="M{path}"/>'


def end_of(series: Series) -> Point:
    """The last point of a series, or of its moving mean."""
    return (series.smooth or series.points)[-1]


def end_labels(axes: Axes, panel: Panel) -> Iterable[str]:
    """Write the value at which each series ends at the right of it, without overlaps."""
    ends = sorted((axes.y(end_of(s)[1]) + 4, i, end_of(s)[1]) for i, s in enumerate(panel.series))
    bottom = HEIGHT - BOTTOM + 4
    places: list[float] = []
    for y, *_ in ends:
        places.append(max(y, places[-1] + LINE) if places else y)
    for n in reversed(range(len(places))):
        places[n] = min(places[n], bottom - LINE * (len(places) - 1 - n))
    for place, (_, i, value) in zip(places, ends, strict=True):
        yield label_at(WIDTH - RIGHT + 9, place, value_text(value, panel.percent), f"end f{i % 4}")


def diamond(axes: Axes, point: Point) -> str:
    """Draw a marker around the best point."""
    x, y = axes.x(point[0]), axes.y(point[1])
    return f'<path class="best" d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z"/>'
