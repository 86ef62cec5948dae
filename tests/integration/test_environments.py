"""The environments' presets as a user runs them: both stages, on the real local backend."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the local backend needs torch: install the extra 'local'")
pytest.importorskip("transformers", reason="the local backend needs transformers: install the extra 'local'")

from tests.integration.test_quickstart import finish, justtinker, records

BOTH = ("countdown", "calculator")


def shortened(cwd: Path, name: str) -> list[str]:
    """An environment's two presets, shortened, as files."""
    from justtinker_core import config_files

    short = ["data.eval.held_out.limit=10", "checkpoints.every=2", "evaluation.every=2", "sampling.max_tokens=24"]
    stages = {
        "sft": ["run.steps=4", "plugins.sft.batch_size=8"],
        "rl": ["run.steps=4", "plugins.grpo.problems_per_step=4"],
    }
    for stage, sets in stages.items():
        (cwd / f"{stage}.toml").write_text(config_files.read(f"{name}-{stage}", [*short, *sets]).dump())
    return ["sft.toml", "rl.toml"]


@pytest.fixture(scope="module", params=BOTH)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shortened configs of an environment, whose name it has, and a run of both: ``whole``."""
    folder: Path = tmp_path_factory.mktemp("whole") / request.param
    folder.mkdir()
    finish(justtinker("train", *shortened(folder, request.param), "--dir", "whole", cwd=folder))
    return folder


@pytest.mark.slow
@pytest.mark.xdist_group("whole")
def test_a_run_and_what_is_done_with_it(tmp_path: Path, whole: Path) -> None:
    name = whole.name
    shutil.copytree(whole / "whole", tmp_path / "run")
    found = records(tmp_path / "run")
    assert len(found[f"1-{name}-sft/steps.jsonl"]) == len(found[f"2-{name}-rl/steps.jsonl"]) == 4
    measures = found[f"2-{name}-rl/steps.jsonl"][-1]["metrics"]
    assert {"accuracy", "thinking_rate"} <= set(measures)
    assert ("calls" in measures) == (name == "calculator")
    assert "accuracy" in finish(justtinker("eval", f"run/2-{name}-rl", "--dir", "again", cwd=tmp_path))
    scored = finish(justtinker("score", "run", "--against", "run", cwd=tmp_path))
    assert re.search(r"verdicts that differ +0 of", scored)
    assert "gold: " in finish(justtinker("show", f"run/2-{name}-rl", "--step", "2", cwd=tmp_path))
    finish(justtinker("report", f"run/2-{name}-rl", cwd=tmp_path))
    assert f"{name}-rl" in (tmp_path / "run" / f"2-{name}-rl" / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", BOTH)
def test_presets_are_ready_to_run(tmp_path: Path, name: str) -> None:
    for stage in ("sft", "rl"):
        assert "Nothing stands in the way of this run." in finish(justtinker("check", f"{name}-{stage}", cwd=tmp_path))


@pytest.mark.slow
@pytest.mark.xdist_group("whole")
def test_a_killed_run_goes_on_as_if_nothing_had_happened(whole: Path) -> None:
    process = justtinker("train", "sft.toml", "rl.toml", "--dir", "killed", cwd=whole)
    wait_for_steps(whole / "killed" / f"2-{whole.name}-rl" / "steps.jsonl", 3, process)
    process.kill()
    process.communicate(timeout=60)
    finish(justtinker("train", "--resume", "killed", cwd=whole))
    assert without_paths(records(whole / "killed")) == without_paths(records(whole / "whole"))


def wait_for_steps(file: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 300
    while not (file.exists() and file.read_text().count("\n") >= count):
        assert time.monotonic() < deadline
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)


def without_paths(found: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {name: [{k: v for k, v in r.items() if k != "path"} for r in rows] for name, rows in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), [("countdown", 11), ("calculator", 12)])  # 150 s of a processor each
def test_it_learns(tmp_path: Path, name: str, seed: int) -> None:
    """The figures that docs/environments.md promises for three seeds, with room for chance."""
    sets = ["--set", f"run.seed={seed}", "--set", f"evaluation.seed={1000 + seed}"]
    finish(justtinker("train", f"{name}-sft", f"{name}-rl", "--dir", "run", *sets, cwd=tmp_path))
    found = records(tmp_path / "run")
    before, cold = (r["metrics"] for r in found[f"1-{name}-sft/evals.jsonl"])
    final = found[f"2-{name}-rl/evals.jsonl"][-1]["metrics"]
    assert before["accuracy"] < 0.05
    assert cold["thinking_rate"] >= 0.9
    if name == "countdown":
        assert 0.25 <= cold["accuracy"] <= 0.5
        assert final["accuracy"] >= max(0.62, cold["accuracy"] + 0.2)
    else:
        assert 0.2 <= cold["accuracy"] <= 0.6
        assert final["accuracy"] >= max(0.8, cold["accuracy"] + 0.3)
        assert 0.6 <= cold["calls"] <= 1.4, "the teacher's habit"
        assert final["calls"] >= 1.8
        assert final["failed_calls"] <= 0.05
