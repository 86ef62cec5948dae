"""The environments' presets really learn: SFT teaches the form and a poor skill, rewards alone the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the local backend needs torch: install the extra 'local'")
pytest.importorskip("transformers", reason="the local backend needs transformers: install the extra 'local'")


def trained(name: str, folder: Path, *arguments: str) -> list[float]:
    """Accuracy before, after SFT and after RL."""
    presets = [f"{name}-sft", f"{name}-rl"]
    command = [sys.executable, "-m", "justtinker_core.cli", "train", *presets, "--dir", "run", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    records = [json.loads(line) for p in presets for line in next((folder / "run").glob(f"*{p}/evals.jsonl")).open()]
    return [record["metrics"]["accuracy"] for record in records]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [42, 7, 2026])
@pytest.mark.parametrize(
    ("name", "most", "least", "gain"), [("calculator", 0.5, 0.8, 0.4), ("countdown", 0.6, 0.55, 0.1)]
)
def test_rewards_teach_what_demonstrations_do_not(
    name: str, most: float, least: float, gain: float, seed: int, tmp_path: Path
) -> None:
    before, sft, rl = trained(name, tmp_path, "--set", f"run.seed={seed}")
    assert before < 0.05
    assert 0.15 < sft < most
    assert rl > least
    assert rl - sft > gain
