"""Writes the tables of docs/evaluation.md between its marks: nine real sets, answered in other words than the gold's.

Run from the repository with JUSTTINKER_DATA set to the folder that holds eval/*.parquet. Takes a minute.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from justtinker_core.rundir import RunDir  # noqa: E402
from justtinker_core.types import EvalStats  # noqa: E402
from tests.plugins.variant_policy import run_all, verdicts  # noqa: E402

PAGE = ROOT / "docs" / "evaluation.md"
SAMPLES = 8


def main() -> None:
    """Evaluate twice, write the page."""
    folder = Path(os.environ["JUSTTINKER_DATA"], "eval")
    with tempfile.TemporaryDirectory() as place:
        told = {s: run_all(folder, Path(place, str(s)), shuffled=s, samples=SAMPLES) for s in (False, True)}
        text = "\n".join([scores(told), "", bad_golds(told[False]), "", rungs(told)])
    page = PAGE.read_text()
    new = re.sub(r"(?<=<!-- tables -->\n).*(?=\n<!-- end of tables -->)", lambda _: text, page, flags=re.DOTALL)
    PAGE.write_text(new)


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


def bad_golds(directory: Path) -> str:
    """The golds that nobody can grade."""
    bad = {
        f"`{p['answer']}` ({stats.name}, {p['id']})"
        for stats in evals(directory)
        for p, verdict in verdicts(directory, stats.name)
        if verdict["outcome"] == "unscored"
    }
    return f"Golds that no grader can parse: {'; '.join(sorted(bad)) or 'none'}."


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
