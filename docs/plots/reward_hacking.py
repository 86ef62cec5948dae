"""Draws docs/images/reward_hacking.png and prints its table, from the 16 runs of docs/reward-hacking.md.

    python docs/plots/reward_hacking.py RUNS

RUNS holds ``leaky-SEED``, ``leaky-penalty-SEED``, ``strict-SEED`` and ``strict-penalty-SEED``, made as the page says.
What is strictly correct is what the metric second_opinion (math_verify) says. Needs matplotlib.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from justtinker_core.rundir import RunDir

IMAGE = Path(__file__).parents[1] / "images" / "reward_hacking.png"
KINDS = {
    "leaky": ("leaky verifier", "#c8452d", "-"),
    "leaky-penalty": ("leaky verifier, redundancy penalty", "#e39a3b", "-"),
    "strict": ("strict verifier", "#2f6fa7", "-"),
    "strict-penalty": ("strict verifier, redundancy penalty", "#4fa58a", "--"),
}
PANELS = {
    "reward": "reward (what is paid)",
    "second_opinion": "strictly correct (what is wanted)",
    "mean_response_tokens": "tokens a response",
}
LAST = 5
"""Steps that the table averages over."""


def curves(runs: Path, kind: str, metric: str) -> NDArray[np.float64]:
    """One row a seed, one column a step."""
    found = [path for path in sorted(runs.glob(f"{kind}-*")) if path.name.removeprefix(f"{kind}-").isdecimal()]
    rows = [[step["metrics"][metric] for step in RunDir(path).read("steps.jsonl")] for path in found]
    return np.array(rows)


def main(runs: Path) -> None:
    """Read, print, draw."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained")
    for axis, (metric, title) in zip(axes, PANELS.items(), strict=True):
        for kind, (label, color, style) in KINDS.items():
            seeds = curves(runs, kind, metric)
            steps = np.arange(1, seeds.shape[1] + 1)
            axis.plot(steps, seeds.T, color=color, lw=0.7, alpha=0.35)
            axis.plot(steps, seeds.mean(0), style, color=color, lw=2.2, label=label)
        axis.set(title=title, xlabel="step", xlim=(1, steps[-1]), ylim=(0, None))
        axis.spines[["top", "right"]].set_visible(False)
        if metric != "mean_response_tokens":
            axis.set_ylim(0, 1)
            axis.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.savefig(IMAGE, dpi=130)
    table(runs)


def table(runs: Path) -> None:
    """The first step and the mean of the last ones, lowest and highest seed."""

    def span(values: NDArray[np.float64], form: Callable[[float], str]) -> str:
        low, high = form(values.min()), form(values.max())
        return low if low == high else f"{low}-{high}"

    for kind, (label, _, _) in KINDS.items():
        cells = []
        for metric in PANELS:
            seeds = curves(runs, kind, metric)
            tokens = metric == "mean_response_tokens"
            form = (lambda v: f"{v:.0f}") if tokens else (lambda v: f"{100 * v:.0f}")
            cells.append(f"{span(seeds[:, 0], form)} -> {span(seeds[:, -LAST:].mean(1), form)}{'' if tokens else ' %'}")
        print(f"| {label} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
