"""Draws docs/images/health.png: the published collapse (experiment 001), and when the default monitors speak.

Needs matplotlib.
"""

from __future__ import annotations

from pathlib import Path

from justtinker_core.plugins import Plugins
from justtinker_plugins.commands._cli.replay import active_monitors, default_config, replay
from justtinker_plugins.shared.records.bundled import bundled
from justtinker_plugins.shared.records.history import read_records

IMAGE = Path(__file__).parents[1] / "images" / "health.png"
PANELS = {
    "accuracy": ("accuracy", "#2f6fa7"),
    "thinking_rate": ("thinking rate", "#2f6fa7"),
    "mean_response_tokens": ("response tokens", "#2f6fa7"),
}
RECIPE = {"thinking_rate": (0.6, 137), "mean_response_tokens": (5000, 119)}
"""The recipe's line, and the first step at which it is crossed."""


def main() -> None:
    """Replay, draw."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    records = read_records(bundled()["exp001"])
    wanted = default_config((), ())
    said = [s for s in replay(records, Plugins(active_monitors(wanted))) if s.finding.source == "drift"]
    steps = {s.finding.level: s for s in said}
    began = steps["warn"].finding.evidence["began"]
    figure, panels = plt.subplots(3, 1, figsize=(8, 6.6), sharex=True, layout="constrained")
    for panel, (name, (title, colour)) in zip(panels, PANELS.items(), strict=True):
        x = [stats.step for stats in records.steps]
        panel.plot(x, [stats.metrics[name] for stats in records.steps], color=colour, lw=1.3, label="training step")
        points = [(e.step, e.metrics[name]) for e in records.evals if name in e.metrics]
        if points:
            panel.plot(*zip(*points, strict=True), "o", color="#1c3f5e", ms=4.5, label="evaluation")
        panel.axvspan(1, 40, color="#e8f1e4", zorder=0)
        panel.axvline(began, color="#999999", ls=":", lw=1.3)
        panel.axvline(steps["warn"].step, color="#e0a030", lw=1.8)
        panel.axvline(steps["stop"].step, color="#c8452d", lw=1.8)
        if name in RECIPE:
            line, first = RECIPE[name]
            panel.axhline(line, color="#888888", ls="--", lw=0.9)
            value = records.steps[first - 1].metrics[name]
            panel.plot(first, value, "v", color="#555555", ms=7, label=f"the recipe's first warning, step {first}")
        panel.set_ylabel(title)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(loc="upper left" if name == "mean_response_tokens" else "lower left", frameon=False, fontsize=8)
    top = panels[0]
    for step, text, colour in (
        (20, "baseline", "#5d8a4a"),
        (began, f"began: {began}", "#777777"),
        (steps["warn"].step, f"warning: {steps['warn'].step}", "#b07a10"),
        (steps["stop"].step, f"stop: {steps['stop'].step}", "#c8452d"),
    ):
        top.annotate(text, (step, 1.02), xycoords=("data", "axes fraction"), ha="center", color=colour, fontsize=9)
    panels[-1].set(xlabel="step", xlim=(0, 151))
    figure.savefig(IMAGE, dpi=130)


if __name__ == "__main__":
    main()
