"""Nine real benchmark sets through the real command: other ways to write the gold are right, other golds are wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from justtinker_core.rundir import RunDir
from tests.plugins.variant_policy import run_all, verdicts

pytestmark = pytest.mark.slow
DATA = os.environ.get("JUSTTINKER_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="set JUSTTINKER_DATA to the folder that holds eval/*.parquet")
PROBLEMS = {
    "aime24": 30, "aime25": 30, "amc23": 40, "brumo25": 30, "cmimc25": 40, "hmmt25": 30, "math_500": 500,
    "minerva": 272, "olympiad_bench": 674,
}  # fmt: skip


@needs_data
def test_other_ways_to_write_the_gold_are_right(tmp_path: Path) -> None:
    place = run_all(Path(str(DATA), "eval"), tmp_path / "right")
    evals = RunDir(place).read("evals.jsonl")
    assert {e["name"]: e["settings"]["problems"] for e in evals} == PROBLEMS
    unscored = set()
    for stats in evals:
        judged = verdicts(place, stats["name"])
        assert not [p["id"] for p, v in judged if v["answer"] == p["answer"].strip()], "never the gold's own text"
        scored = [v["outcome"] == "correct" for _, v in judged if v["outcome"] != "unscored"]
        assert sum(scored) >= 0.995 * len(scored), stats["name"]
        assert stats["metrics"]["thinking_rate"] == stats["metrics"]["boxed_rate"] == 1.0
        unscored |= {(p["id"], p["answer"]) for p, v in judged if v["outcome"] == "unscored"}
    assert unscored <= {("olympiad_bench-96", "$t(0,4]$")}, "a broken gold of the set"


@needs_data
def test_golds_of_other_problems_are_wrong(tmp_path: Path) -> None:
    place = run_all(Path(str(DATA), "eval"), tmp_path / "shuffled", shuffled=True)
    right = {
        (p["answer"], v["vote"])
        for e in RunDir(place).read("evals.jsonl")
        for p, v in verdicts(place, e["name"])
        if v["outcome"] == "correct"
    }
    assert {gold for gold, _ in right} <= {"$2 n$"}, "another problem's gold is 2n: the same answer"
