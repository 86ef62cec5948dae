"""Run directories of an earlier version still resume, report and re-score (tests/old_runs)."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from justtinker_core.cli import main

OLD = Path(__file__).parent.parent / "old_runs"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(OLD, tmp_path / "old")


def justtinker(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def rounded(number: str) -> float:
    """A number to 12 digits: from Python 3.12 on, `sum` keeps more of the last ones than the version that recorded."""
    return float(f"{float(number):.12g}")


NEW = ("missing_rare_words", "entropy", "ratio:std", "ratio:max")
"""Measures that the version which recorded the runs did not have."""


def records(run: Path, name: str) -> list[dict[str, Any]]:
    """The records of a file, times and new measures aside."""

    def known(record: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in record.items() if key not in ("seconds", *NEW)}

    lines = (run / name).read_text().splitlines()
    return [json.loads(line, parse_float=rounded, object_hook=known) for line in lines]


def test_a_killed_one_resumes_and_ends_as_if_it_had_not_been_killed(
    old: Path, caplog: pytest.LogCaptureFixture
) -> None:
    justtinker("train", "--resume", "old/killed")
    assert "eval_held_out_000004: 3 requests were answered before" in caplog.text
    for name in ("steps.jsonl", "evals.jsonl", "checkpoints.jsonl"):
        assert records(old / "killed", name) == records(old / "finished", name)
    assert json.loads((old / "killed" / "manifest.json").read_text())["status"] == "finished"
    assert not list((old / "killed" / "rollouts").glob("partial_*"))


def test_a_finished_one_has_nothing_left_to_do(old: Path) -> None:
    before = (old / "finished" / "steps.jsonl").read_bytes()
    justtinker("train", "--resume", "old/finished")
    assert (old / "finished" / "steps.jsonl").read_bytes() == before


@pytest.mark.parametrize("name", ["finished", "killed"])
def test_it_is_shown(old: Path, name: str) -> None:
    justtinker("report", f"old/{name}")
    assert "68+90=?" in (old / name / "report.html").read_text()
    assert "gold: 158" in justtinker("show", f"old/{name}", "--step", "1")
    steps = len(records(old / name, "steps.jsonl"))
    assert f"{steps} steps" in justtinker("monitor", f"old/{name}")


def test_it_is_scored_again_to_the_same_rewards(old: Path) -> None:
    output = justtinker("score", "old/finished", "--against", "old/finished")
    assert re.search(r"verdicts that differ +0 of 80", output)
    assert "80 of 80 rewards are as recorded" in output


def test_its_checkpoints_are_evaluated_and_trained_on(old: Path) -> None:
    assert "accuracy" in justtinker("eval", "old/finished", "--checkpoint", "best", "--dir", "again")
    first = records(old / "finished", "evals.jsonl")[0]["metrics"]
    assert records(Path("again"), "evals.jsonl")[0]["metrics"] == first  # the script answers alike at every step
    assert "accuracy" in justtinker("compare", "old/finished", "again")
    justtinker("train", "old/finished", "--set", "run.start_from=old/finished", "--dir", "next")
    assert records(Path("next"), "steps.jsonl")[-1]["step"] == 5
