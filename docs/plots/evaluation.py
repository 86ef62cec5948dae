"""Writes the tables of docs/evaluation.md between its marks: how wide intervals are, by simulation; and nine real sets,
answered in other words than the gold's.

Run from the repository with JUSTTINKER_DATA set to the folder that holds eval/*.parquet. Takes a minute.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from marks import write

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from justtinker_core.evaluation.stats import clustered_interval  # noqa: E402
from justtinker_core.rundir import RunDir  # noqa: E402
from justtinker_core.types import EvalStats  # noqa: E402
from tests.plugins.variant_policy import run_all, verdicts  # noqa: E402

PAGE = ROOT / "docs" / "evaluation.md"
SAMPLES = 8
DIFFICULTY = (0.6, 0.9)
"""Of a beta distribution: most problems are nearly always or nearly never solved."""


def main() -> None:
    """Evaluate twice, write the page."""
    folder = Path(os.environ["JUSTTINKER_DATA"], "eval")
    with tempfile.TemporaryDirectory() as place:
        told = {s: run_all(folder, Path(place, str(s)), shuffled=s, samples=SAMPLES) for s in (False, True)}
        write(PAGE, "tables", "\n".join([scores(told), "", not_right(told[False]), "", rungs(told)]))
    write(PAGE, "widths", widths())


def widths() -> str:
    """The mean width of the interval of the accuracy, and how far two equal models are apart."""
    rng = np.random.default_rng(0)
    rows = ["| problems | k = 1 | k = 4 | k = 8 | k = 32 |", "|---|---|---|---|---|"]
    for n in (30, 200, 500, 1000):
        cells = []
        for k in (1, 4, 8, 32):
            intervals = [clustered_interval(answers(rng, n, k)) for _ in range(100)]
            cells.append(f"{100 * np.mean([high - low for low, high in intervals]):.0f}")
        rows.append(f"| {n} | {' | '.join(cells)} |")
    chance = rng.beta(*DIFFICULTY, (20_000, 30))
    gaps = np.abs((rng.random(chance.shape) < chance).mean(1) - (rng.random(chance.shape) < chance).mean(1))
    apart = f"one sample each, are 10 points or more apart in {(gaps > 0.099).mean():.0%} of all cases."
    return "\n".join([*rows, "", f"Two evaluations of one model on 30 problems, {apart}"])


def answers(rng: np.random.Generator, n: int, k: int) -> list[list[float]]:
    """Whether each of k samples of n problems is right."""
    return [[float(x) for x in rng.random(k) < chance] for chance in rng.beta(*DIFFICULTY, n)]


def evals(directory: Path) -> list[EvalStats]:
    return [EvalStats(**record) for record in RunDir(directory).read("evals.jsonl")]


def scores(told: dict[bool, Path]) -> str:
    """Accuracy by set, with the golds and with those of other problems."""
    rows = ["| set | problems | accuracy, right golds | unscored | accuracy, shuffled golds |", "|---|---|---|---|---|"]
    for right, wrong in zip(evals(told[False]), evals(told[True]), strict=True):
        n, unscored = right.settings["problems"], right.metrics["unscored_rate"]
        rows.append(f"| {right.name} | {n} | {rate(right)} | {unscored:.2%} | {rate(wrong)} |")
    return "\n".join(rows)


def rate(stats: EvalStats) -> str:
    low, high = stats.intervals["accuracy"]
    return f"{stats.metrics['accuracy']:.2%} ({low:.1%} to {high:.1%})"


def not_right(directory: Path) -> str:
    """The golds that nobody can grade, and what was refused."""
    judged = [(s.name, *pair) for s in evals(directory) for pair in verdicts(directory, s.name)]
    bad = {f"`{p['answer']}` ({name})" for name, p, v in judged if v["outcome"] == "unscored"}
    wrong = {v["reason"]: f"`{v['answer']}` for `{p['answer']}`" for _, p, v in judged if v["outcome"] == "incorrect"}
    counts = Counter(v["reason"] for _, _, v in judged if v["outcome"] == "incorrect")
    listed = [f"- {n} times, {reason}: {wrong[reason]}" for reason, n in counts.most_common()]
    return "\n".join(
        [
            f"Golds that no grader can parse: {'; '.join(sorted(bad)) or 'none'}.",
            "Equivalent answers that were refused, mostly since the question asks for another form; with an example:",
            "",
            *(listed or ["- none"]),
        ]
    )


def rungs(told: dict[bool, Path]) -> str:
    """Which share of the verdicts each rung of the verifier decided."""
    counts = {s: Counter(v["rung"] for e in evals(d) for _, v in verdicts(d, e.name)) for s, d in told.items()}
    rows = ["| rung | right golds | shuffled golds |", "|---|---|---|"]
    for rung in sorted(counts[False] | counts[True], key=lambda r: -counts[False][r] - counts[True][r]):
        shares = (f"{counts[s][rung] / counts[s].total():.2%}" for s in (False, True))
        rows.append(f"| {rung} | {' | '.join(shares)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
