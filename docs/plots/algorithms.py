"""Writes the tables of docs/algorithms.md between its marks, and docs/images/algorithms.png: every option, three seeds.

``python docs/plots/algorithms.py DIR [PROCESSES]`` trains what DIR does not hold yet, about 80 runs of 30 to 60 s on a
core, and reads the rest. If you kill it, delete the runs that are not whole before you go on. Needs matplotlib.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from marks import write

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "algorithms.md"
SEEDS = (42, 43, 44)
DEFAULT = "the default (`ppo`)"
ALL = "plugins.grpo.train_on=all"
GOAL = 0.8
"""The training accuracy whose first step is told."""


def swap(advantages: str) -> str:
    """Enable another advantages plugin than `group_mean`, as -p does."""
    return f"-p no:group_mean -p {advantages}"


VARIANTS: Mapping[str, Mapping[str, str]] = {
    "Losses": {
        DEFAULT: "",
        "`importance_sampling`": "plugins.grpo.loss=importance_sampling",
        "`cispo`": "plugins.grpo.loss=cispo",
        "`gspo`": "plugins.grpo.loss=gspo",
        "`dro`": "plugins.grpo.loss=dro",
    },
    "Losses, every rollout trained": {
        "`ppo`": ALL,
        "`ppo`, `dual_clip = 3`": f"{ALL} plugins.grpo.dual_clip=3",
        "`importance_sampling`": f"{ALL} plugins.grpo.loss=importance_sampling",
        "`cispo`": f"{ALL} plugins.grpo.loss=cispo",
        "`gspo`": f"{ALL} plugins.grpo.loss=gspo",
        "`dro`": f"{ALL} plugins.grpo.loss=dro",
        "the preset `grpo-standard`": "grpo-standard",
    },
    "Normalisation": {
        "`token_mean`": "plugins.grpo.normalize=token_mean",
        "`sequence_mean`": "plugins.grpo.normalize=sequence_mean",
        "`constant`": "plugins.grpo.normalize=constant",
    },
    "Advantages": {
        "`group_mean`, divided by std": "plugins.group_mean.divide_by_std=true",
        "`leave_one_out`": swap("leave_one_out"),
        "`gdpo`": swap("gdpo"),
        "`max_rl`": swap("max_rl"),
        "`leave_one_out`, every rollout": f"{swap('leave_one_out')} {ALL}",
    },
    "Problems and rewards": {
        "`dynamic_sampling`": "plugins.grpo.dynamic_sampling=true",
        "`curriculum`": "-p curriculum",
        '`curriculum`, `by = "carries"`': "-p curriculum plugins.curriculum.by=carries",
        "`kl`": "-p kl",
    },
    "Working ahead": {
        "`lag = 1`": "plugins.grpo.lag=1",
        "`lag = 2`": "plugins.grpo.lag=2",
        "`lag = 4`": "plugins.grpo.lag=4",
    },
}
"""Part of the table -> row -> what differs from the quickstart: settings, -p switches, or another preset."""


def main(folder: Path, processes: int) -> None:
    """Train what is missing, then write the page and the picture."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [(part, name, text) for part, rows in VARIANTS.items() for name, text in rows.items()]
    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(partial(start, folder), SEEDS))
        list(pool.map(lambda job: run(folder, *job), [(p, n, t, s) for s in SEEDS for p, n, t in rows]))
    found = {(part, name): [read(directory(folder, part, name, s)) for s in SEEDS] for part, name, _ in rows}
    write(PAGE, "table", table(found))
    picture(found)


def start(folder: Path, seed: int) -> None:
    """Train stage 1, which all rows of a seed start from."""
    sets = [f"run.seed={seed}", "data.train.carry_drop=0.7", "data.train.count=3000"]
    train(folder / f"sft-{seed}", ["quickstart-sft", *(a for s in sets for a in ("--set", s))])


def run(folder: Path, part: str, name: str, text: str, seed: int) -> None:
    """Train one row with one seed."""
    words, preset, arguments = text.split(), "quickstart-rl", list[str]()
    while words:
        word = words.pop(0)
        if word == "-p":
            arguments += ["-p", words.pop(0)]
        elif "=" in word:
            arguments += ["--set", word]
        else:
            preset = word
    settings = [f"run.seed={seed}", f"run.start_from={folder / f'sft-{seed}'}", "run.steps=50"]
    train(directory(folder, part, name, seed), [preset, *(a for s in settings for a in ("--set", s)), *arguments])


def train(place: Path, arguments: Sequence[str]) -> None:
    """Run ``justtinker train`` on one core, unless it has been run."""
    if place.exists():
        return
    command = [str(Path(sys.executable).with_name("justtinker")), "train", *arguments, "--dir", str(place)]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    print(place.name, "trained" if done.returncode == 0 else done.stdout + done.stderr, flush=True)


def directory(folder: Path, part: str, name: str, seed: int) -> Path:
    """Where a row's run with a seed lies."""
    return folder / f"{re.sub(r'[^a-z0-9]+', '-', f'{part} {name}'.lower()).strip('-')}-{seed}"


def read(place: Path) -> dict[str, list[float]]:
    """The figures of a run: held-out accuracy, and of each step accuracy, entropy, KL, rollouts and seconds."""
    steps = [json.loads(line) for line in (place / "steps.jsonl").read_text().splitlines()]
    evals = [json.loads(line) for line in (place / "evals.jsonl").read_text().splitlines()]
    metrics = {name: [s["metrics"].get(name, 0.0) for s in steps] for name in ("accuracy", "entropy", "rollouts")}
    kl = [s["metrics"].get("approx_kl:mean", 0.0) for s in steps]
    return {**metrics, "kl": kl, "held_out": [evals[-1]["metrics"]["accuracy"]]}


def table(found: Mapping[tuple[str, str], Sequence[Mapping[str, Sequence[float]]]]) -> str:
    """The rows: held-out accuracy of each seed, the first step at the goal, entropy and KL, rollouts."""
    lines = [
        "| | held-out accuracy, each seed | first step at 80 % | entropy at the end | KL to the sampler | rollouts |",
        "|---|---|---|---|---|---|",
    ]
    last = ""
    for (part, name), runs in found.items():
        if part != last:
            lines.append(f"| **{part}** | | | | | |")
            last = part
        held = ", ".join(f"{100 * r['held_out'][0]:.1f}" for r in runs)
        reached = ", ".join(first_at_goal(r["accuracy"]) for r in runs)
        entropy = statistics.fmean(statistics.fmean(r["entropy"][-5:]) for r in runs)
        kl = statistics.fmean(statistics.fmean(r["kl"]) for r in runs)
        rollouts = statistics.fmean(sum(r["rollouts"]) for r in runs)
        lines.append(f"| {name} | {held} | {reached} | {entropy:.3f} | {kl:.4f} | {rollouts:,.0f} |")
    return "\n".join(lines)


def first_at_goal(accuracy: Sequence[float]) -> str:
    """The first step whose training accuracy reaches the goal."""
    return next((str(step) for step, value in enumerate(accuracy, 1) if value >= GOAL), "-")


def picture(found: Mapping[tuple[str, str], Sequence[Mapping[str, Sequence[float]]]]) -> None:
    """Draw the training accuracy by step, the mean of the seeds, one panel for each part of the table."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.4), layout="constrained")
    for axes, (part, rows) in zip(figure.subplots(2, 3, sharey=True).ravel(), VARIANTS.items(), strict=True):
        if part != "Losses":
            draw(axes, found["Losses", DEFAULT], "the default", color="0.6", linewidth=3)
        for name in rows:
            draw(axes, found[part, name], name.replace("`", ""), linewidth=1.4)
        axes.set_title(part, fontsize=10, loc="left")
        axes.legend(fontsize=7, frameon=False, loc="lower right")
        axes.spines[["top", "right"]].set_visible(False)
        axes.set(ylim=(0.2, 1), xlim=(0, 50))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    figure.supxlabel("step", fontsize=9)
    figure.supylabel("accuracy in training, mean of three seeds and three steps", fontsize=9)
    figure.savefig(ROOT / "docs" / "images" / "algorithms.png", dpi=110)


def draw(axes: object, runs: Sequence[Mapping[str, Sequence[float]]], label: str, **style: object) -> None:
    """Draw the mean of the seeds' training accuracy, smoothed over three steps."""
    mean = [statistics.fmean(values) for values in zip(*(r["accuracy"] for r in runs), strict=True)]
    smooth = [statistics.fmean(mean[max(0, i - 1) : i + 2]) for i in range(len(mean))]
    axes.plot(range(1, len(smooth) + 1), smooth, label=label, **style)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
