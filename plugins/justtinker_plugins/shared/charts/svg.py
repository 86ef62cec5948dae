"""Draw panels as inline SVG, without a library; the colours come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from justtinker_plugins.shared.charts.panels import (
    Panel,
    Point,
    Series,
    Sheet,
    in_words,
    marks,
    milestones,
    spaced,
    span_of,
)

WIDTH, HEIGHT = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 20, 28


@dataclass(frozen=True, slots=True)
class Axes:
    """The ranges of both axes, and where a value lies in the picture."""

    x0: float
    x1: float
    y0: float
    y1: float

    def x(self, value: float) -> float:
        return LEFT + (value - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.y0) / (self.y1 - self.y0) * (HEIGHT - TOP - BOTTOM)


def figures(sheet: Sheet) -> str:
    """Draw every panel of a sheet as an HTML figure, all over the same steps."""
    span, found = span_of(sheet), marks(sheet.findings)
    return "\n".join(figure(panel, span, found) for panel in sheet.panels)


def figure(panel: Panel, span: tuple[int, int], found: Sequence[tuple[int, str]]) -> str:
    """Draw a panel as an HTML figure; title and legend are text of the page, so that they wrap."""
    unit = " in per cent" if panel.percent else f" in {panel.unit}" if panel.unit else ""
    named = enumerate(panel.series) if len(panel.series) > 1 else ()
    keys = "".join(f'<span class="key k{i % 4}">{escape(s.name)}</span>' for i, s in named)
    lines = "".join(f'<span class="key limit">{escape(name)} {level:g}</span>' for name, level in panel.lines.items())
    marked = f"<span>{escape(in_words(panel))}</span>" if panel.milestones else ""
    caption = f"<figcaption><b>{escape(panel.title)}</b>{unit} <small>{keys}{lines}{marked}</small></figcaption>"
    return f"<figure>{caption}{picture(panel, span, found)}</figure>"


def picture(panel: Panel, span: tuple[int, int], found: Sequence[tuple[int, str]]) -> str:
    """Draw the picture of a panel."""
    axes = axes_for(panel, span)
    parts = [
        *grid(axes, panel.percent),
        *(finding_line(axes, step, level) for step, level in found),
        *(label_at(axes.x(s), TOP - 5, str(s), f"mark {level}") for s, level in spaced(found, axes.x1 - axes.x0)),
        *(level_line(axes, level) for level in panel.lines.values()),
        *(part for i, series in enumerate(panel.series) for part in series_parts(axes, series, i % 4)),
    ]
    if panel.milestones:
        parts += [ring(axes, m.point, m.name) for m in milestones(panel.series[0])]
    label = escape(f"{panel.title} over steps {span[0]} to {span[1]}", quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def axes_for(panel: Panel, span: tuple[int, int]) -> Axes:
    """Choose axes that hold all points and intervals; rates end at 0 and 1 if they come near."""
    values = [y for s in panel.series for _, y in s.points] + [v for s in panel.series for i in s.intervals for v in i]
    values += list(panel.lines.values())
    low, high = min(values), max(values)
    pad = (high - low) * 0.06 or abs(high) * 0.1 or 0.5
    low, high = low - pad if low < 0 or low > pad * 4 else 0.0, high + pad
    if panel.percent:
        low, high = max(low, 0.0), min(high, 1.0)
        low, high = (low, high) if high > low else (low - 0.05, high + 0.05)
    return Axes(span[0], max(span[1], span[0] + 1), low, high)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Choose round numbers between `low` and `high`."""
    raw = (high - low) / most
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def grid(axes: Axes, percent: bool) -> Iterable[str]:
    """Draw the lines and numbers of both axes."""
    for y in ticks(axes.y0, axes.y1):
        yield f'<path class="grid" d="M{LEFT} {axes.y(y):.1f}H{WIDTH - RIGHT}"/>'
        yield label_at(LEFT - 6, axes.y(y) + 4, tick_label(y * 100 if percent else y), "axis end")
    yield label_at(LEFT - 12, HEIGHT - 8, "step", "axis end")
    for x in ticks(axes.x0, axes.x1, 6):
        if x == int(x):
            yield label_at(axes.x(x), HEIGHT - 8, tick_label(x), "axis")


def tick_label(value: float) -> str:
    """Write a number in at most 6 characters."""
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:,.10g}"


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


def ring(axes: Axes, point: Point, name: str) -> str:
    """Draw a ring around a milestone."""
    return f'<circle class="ring {name}" cx="{axes.x(point[0]):.1f}" cy="{axes.y(point[1]):.1f}" r="5"/>'
