from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from justtinker_core.testing import Runner, ScriptedBackend, make_problem
from tests.cookbook.conftest import recipe

CsvFile = recipe("csv_file:CsvFile")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_rows_are_the_records(run_with: Runner) -> None:
    sets = {"train": [make_problem("1", "1")], "small": [make_problem("2", "2")]}
    done = run_with(CsvFile(every=2), ScriptedBackend(price=0.5), problems=sets, steps=3)
    rows = read(done.dir / "curves.csv")
    assert [row["step"] for row in rows] == ["0", "1", "2", "3"]
    for row, stats in zip(rows[1:], done.steps, strict=True):
        assert {k: float(row[k]) for k in stats.metrics} == dict(stats.metrics)
        assert float(row["reward/correct/raw"]) == stats.terms["correct"]["raw"]
        assert float(row["usd"]) == stats.usd
        assert float(row["tokens/sampled"]) == stats.tokens["sampled"]
    assert {row["step"]: float(row["small/accuracy"]) for row in rows if row["small/accuracy"]} == {
        str(e.step): e.metrics["accuracy"] for e in done.evals
    }
    assert rows[0]["accuracy"] == ""


def test_it_is_written_now_and_then_and_whole(run_with: Runner) -> None:
    seen: list[int] = []

    class Look(CsvFile):  # type: ignore[misc, valid-type]
        def _write(self, run: Any) -> None:
            super()._write(run)
            seen.append(len(read(run.dir / self.name)))

    run_with(Look(every=2), steps=5)
    assert seen == [2, 4, 5]


def test_a_resumed_run_has_every_step_once(run_with: Runner) -> None:
    run_with(CsvFile, steps=2, directory="one")
    done = run_with(CsvFile, steps=4, directory="one")
    assert [row["step"] for row in read(done.dir / "curves.csv")] == ["1", "2", "3", "4"]
