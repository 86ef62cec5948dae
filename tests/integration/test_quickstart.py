"""The quickstart as a user runs it: through the command line, on the real local backend."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the local backend needs torch: install the extra 'local'")
pytest.importorskip("transformers", reason="the local backend needs transformers: install the extra 'local'")

SHORT = [
    "--set", "data.eval.held_out.limit=20", "--set", "sampling.max_tokens=24", "--set", "checkpoints.every=2",
    "--set", "evaluation.every=3", "--set", "plugins.console.every=1",
]  # fmt: skip
SFT = ["--set", "run.steps=8", "--set", "plugins.sft.batch_size=8"]
RL = ["--set", "run.steps=5", "--set", "plugins.grpo.problems_per_step=4"]


def justtinker(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "justtinker_core.cli", *arguments]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    return output


def write_configs(cwd: Path) -> list[str]:
    """The quickstart's two presets, shortened, as files: overrides differ between the stages."""
    from justtinker_core import config_files

    names = []
    for preset, sets in (("quickstart-sft", SFT), ("quickstart-rl", RL)):
        pairs = [item for item in [*SHORT, *sets] if item != "--set"]
        (cwd / f"{preset}.toml").write_text(config_files.read(preset, pairs).dump())
        names.append(f"{preset}.toml")
    return names


def records(run: Path) -> dict[str, list[dict[str, Any]]]:
    """Everything that a run recorded, times aside."""
    found = {}
    for file in sorted(run.glob("*/*.jsonl")):
        if not file.name.startswith("set_aside"):
            lines = [json.loads(line) for line in file.read_text().splitlines()]
            found[str(file.relative_to(run))] = [{k: v for k, v in r.items() if k != "seconds"} for r in lines]
    return found


@pytest.mark.slow
def test_both_stages_and_what_they_leave(tmp_path: Path) -> None:
    output = finish(justtinker("train", *write_configs(tmp_path), "--dir", "run", cwd=tmp_path))
    assert "quickstart-rl 5" in output
    found = records(tmp_path / "run")
    assert [r["step"] for r in found["1-quickstart-sft/steps.jsonl"]] == list(range(1, 9))
    assert [r["step"] for r in found["2-quickstart-rl/steps.jsonl"]] == list(range(1, 6))
    assert [r["step"] for r in found["1-quickstart-sft/evals.jsonl"]] == [0, 3, 6, 8]
    last = found["2-quickstart-rl/steps.jsonl"][-1]
    assert set(last["terms"]) == {"correct", "format", "redundancy"}
    output = finish(justtinker("eval", "run/2-quickstart-rl", "--checkpoint", "best", cwd=tmp_path))
    assert "accuracy" in output


@pytest.mark.slow
def test_ctrl_c_finishes_the_step_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    configs = write_configs(tmp_path)
    process = justtinker("train", configs[0], "--dir", "run", "--set", "run.steps=10000", cwd=tmp_path)
    steps = tmp_path / "run" / "steps.jsonl"
    deadline = time.monotonic() + 120
    while not (steps.exists() and steps.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "finishing this step, then saving; Ctrl-C again stops at once" in output
    assert "interrupted; resume with: justtinker train --resume run" in output
    done = records(tmp_path)["run/steps.jsonl"][-1]["step"]
    assert records(tmp_path)["run/checkpoints.jsonl"][-1]["step"] == done


@pytest.mark.slow
@pytest.mark.parametrize("seed", [None, 12, 13])
def test_it_learns(tmp_path: Path, seed: int | None) -> None:
    """The figures that the README promises: as it is trained there, then with other seeds of run and evaluation."""
    run = tmp_path / "run"
    if seed is None and (trained := os.environ.get("JUSTTINKER_TRAINED")):
        run = Path(trained)  # what the README's command has left
    else:
        sets = ["--set", f"run.seed={seed}", "--set", f"evaluation.seed={1000 + seed}"] if seed else []
        finish(justtinker("train", "--dir", "run", *sets, cwd=tmp_path))
    found = records(run)
    before, *_, cold = (r["metrics"] for r in found["1-quickstart-sft/evals.jsonl"])
    final = found["2-quickstart-rl/evals.jsonl"][-1]["metrics"]
    assert before["accuracy"] < 0.05
    assert cold["thinking_rate"] >= 0.9
    assert 0.2 <= cold["accuracy"] <= 0.6
    assert final["accuracy"] >= 0.9
