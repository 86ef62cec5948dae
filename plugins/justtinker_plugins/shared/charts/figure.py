"""Draw a sheet of panels as PNG and PDF with matplotlib, which is imported only for that.

It does without pyplot, and so without windows and global state: any thread of a run can draw.
"""

from __future__ import annotations

import importlib.util
import io
import textwrap
from typing import Any

from justtinker_core import PluginError
from justtinker_plugins.shared.charts.panels import Panel, Series, Sheet, in_words, marks, milestones, spaced, span_of

COLOURS = ("#2566a8", "#b3541e", "#2f7d4f", "#7a4fa3")
LEVELS = {"warn": "#c08a00", "stop": "#b3261e"}
SHAPES = {"start": ("o", "white"), "first": ("o", "white"), "best": ("*", "#2f7d4f"), "last": ("s", "#1d2125")}
MISSING = "drawing curves needs matplotlib: pip install 'justtinker[plots]' (or matplotlib itself)"
MOST_FINDINGS = 6
TITLE_POINTS = 382
"""The width of a panel; a letter of its title takes about 6 of it, a letter of its milestones about 4.1."""


def lacks_matplotlib() -> bool:
    """Whether matplotlib is missing."""
    return importlib.util.find_spec("matplotlib") is None


def render_files(sheet: Sheet, title: str) -> dict[str, bytes]:
    """Render a sheet; return the files by suffix, png and pdf. PluginError without matplotlib."""
    if lacks_matplotlib():
        raise PluginError(MISSING)
    figure = figure_of(sheet, title)
    files = {}
    for suffix in ("png", "pdf"):
        file = io.BytesIO()
        undated = {"CreationDate": None} if suffix == "pdf" else None  # so equal records give equal files
        figure.savefig(file, format=suffix, dpi=110, metadata=undated)
        files[suffix] = file.getvalue()
    return files


def figure_of(sheet: Sheet, title: str) -> Any:
    """Build the figure: two panels a row, and below them findings and what was not measured."""
    from matplotlib.figure import Figure

    count = len(sheet.panels)
    columns = min(count, 2) or 1
    rows = -(-count // columns) or 1
    words = footer_lines(sheet, 85 * columns if count > 1 else 110)
    height = 2.7 * rows + 0.6 + 0.19 * len(words) if count > 1 else 4.6 + 0.19 * len(words)
    figure = Figure(figsize=(6.2 * columns if count > 1 else 8, height))
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.06)
    figure.suptitle(escape_dollars(title), fontsize=13, weight="bold")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(grid, sheet.panels, strict=False):
        draw_panel(axes, panel, sheet)
    for axes in grid[max(0, count - columns) : count]:
        axes.set_xlabel("step", fontsize=8.5)
    for axes in grid[count:]:
        axes.axis("off")
    if words:
        figure.supxlabel(escape_dollars("\n".join(words)), x=0.01, ha="left", fontsize=8.5, color="#444444")
    return figure


def escape_dollars(text: str) -> str:
    """Escape dollars, which would begin a formula."""
    return text.replace("$", r"\$")


def footer_lines(sheet: Sheet, width: int) -> list[str]:
    """List the first warnings and stops, whose evaluation step 0 is, and what was not measured or zero."""
    stops_first = sorted(sheet.findings, key=lambda s: s.finding.level != "stop")
    kept = sorted(stops_first[:MOST_FINDINGS], key=lambda s: s.step)
    lines = [f"step {s.step} {s.finding.level}, {s.finding.source}: {s.finding.message}" for s in kept]
    if len(sheet.findings) > len(kept):
        lines.append(f"and {len(sheet.findings) - len(kept)} more findings")
    lines += [sheet.note] if sheet.note else []
    if sheet.missing:
        lines.append(f"not measured: {', '.join(sheet.missing)}")
    if sheet.zero:
        lines.append(f"constantly zero: {', '.join(sheet.zero)}")
    return [part for line in lines for part in textwrap.wrap(line, width, subsequent_indent="    ")]


def draw_panel(axes: Any, panel: Panel, sheet: Sheet) -> None:
    """Draw a panel with everything on it."""
    times = 100 if panel.percent else 1
    for series, colour in zip(panel.series, COLOURS * 9, strict=False):
        draw_series(axes, series, colour, times)
    for name, level in panel.lines.items():
        axes.axhline(level * times, color="#888888", ls="--", lw=1, label=f"{name} {level:g}")
    if panel.milestones:
        for m in milestones(panel.series[0]):
            name = "best" if "best" in m.names else m.names[0]
            marker, fill = SHAPES[name]
            size = 12 if name == "best" else 6.5
            axes.plot(m.point[0], m.point[1] * times, marker, color=fill, mec=COLOURS[0], ms=size, zorder=4)
    draw_findings(axes, sheet)
    unit = " (%)" if panel.percent else f" ({panel.unit})" if panel.unit else ""
    title, right = f"{panel.title}{unit}", in_words(panel)
    above = "\n" if 6 * len(title) + 4.1 * len(right) > TITLE_POINTS else ""  # too long to stand side by side
    axes.set_title(f"{escape_dollars(title)}{above}", loc="left", fontsize=10.5, weight="bold", pad=14)
    axes.set_title(right, loc="right", fontsize=8.5, color="#444444", pad=14)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6", lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8.5)
    if len(panel.series) > 1 or panel.lines:
        axes.legend(frameon=True, framealpha=0.75, edgecolor="none", fontsize=8.5)


def draw_series(axes: Any, series: Series, colour: str, times: float) -> None:
    """Draw a series, smoothed or with its intervals."""
    steps, values = [x for x, _ in series.points], [y * times for _, y in series.points]
    if series.smooth:
        axes.plot(steps, values, color=colour, lw=0.8, alpha=0.35)
        steps, values = [x for x, _ in series.smooth], [y * times for _, y in series.smooth]
    alone = series.evaluated or len(steps) == 1
    axes.plot(steps, values, "o-" if alone else "-", ms=3.5, color=colour, lw=1.6, label=escape_dollars(series.name))
    if series.intervals:
        low, high = zip(*series.intervals, strict=True)
        axes.vlines(steps, [y * times for y in low], [y * times for y in high], color=colour, lw=1, alpha=0.6)


def draw_findings(axes: Any, sheet: Sheet) -> None:
    """Draw warnings and stops as vertical lines, with their steps where there is room."""
    from matplotlib.collections import LineCollection

    low, high = span_of(sheet)
    room = max(high - low, 1) * 0.02
    axes.set_xlim(low - room, high + room)
    found = marks(sheet.findings)
    across, colours = [((step, 0), (step, 1)) for step, _ in found], [LEVELS[level] for _, level in found]
    up = axes.get_xaxis_transform()
    lines = LineCollection(across, colors=colours, linewidths=1.2, alpha=0.85, zorder=1, transform=up)
    axes.add_collection(lines, autolim=False)  # one collection: hundreds of single lines take half a minute
    for step, level in spaced(found, high - low):
        axes.annotate(
            f"{level} {step}", (step, 1.01), xycoords=("data", "axes fraction"), ha="center", fontsize=7.5,
            color=LEVELS[level],
        )  # fmt: skip
