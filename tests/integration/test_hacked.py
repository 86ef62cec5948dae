"""The demonstration of docs/reward-hacking.md as a user runs it: it collapses, and the default monitors stop it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from justtinker_core.rundir import RunDir

pytest.importorskip("torch", reason="the local backend needs torch: install the extra 'local'")
pytest.importorskip("transformers", reason="the local backend needs transformers: install the extra 'local'")


def justtinker(*arguments: str, cwd: Path, code: int = 0) -> str:
    command = [sys.executable, "-m", "justtinker_core.cli", *arguments]
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
    assert done.returncode == code, done.stdout
    return done.stdout


def means(run: Path, steps: slice) -> dict[str, float]:
    rows: list[dict[str, Any]] = [record["metrics"] for record in RunDir(run).read("steps.jsonl")][steps]
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


@pytest.mark.slow
def test_a_leaky_verifier_is_hacked_seen_and_cured(tmp_path: Path) -> None:
    output = justtinker("train", "hacked-sft", "hacked-rl", "--dir", "run", cwd=tmp_path, code=3)
    assert " stop reward_hacking: " in output
    run = RunDir(tmp_path / "run" / "2-hacked-rl")
    last = run.read("steps.jsonl")[-1]
    assert last["step"] <= 12
    [stop] = [finding for finding in last["findings"] if finding["level"] == "stop"]
    assert {"boxes", "disputed"} <= set(stop["evidence"])
    assert stop["evidence"]["last_healthy_checkpoint"] == 2
    assert run.read("checkpoints.jsonl")[-1]["step"] == last["step"], "a stop saves a checkpoint"

    short = ("--set", "run.steps=18", "--set", "evaluation.every=0", "--set", "evaluation.at_end=false")
    rl = ("train", "hacked-rl", *short, "--set", "run.start_from=run/1-hacked-sft")
    justtinker(*rl, "--set", "plugins.reward_hacking.action=warn", "--dir", "leaky", cwd=tmp_path)
    before, after = (means(tmp_path / "leaky", part) for part in (slice(1), slice(-5, None)))
    assert after["reward"] > before["reward"] + 0.3
    assert after["second_opinion"] < 0.7 * before["second_opinion"]
    assert after["mean_response_tokens"] > 2 * before["mean_response_tokens"]

    justtinker(*rl, "-p", "no:any_box", "-p", "math_verify", "--dir", "strict", cwd=tmp_path)
    cured = means(tmp_path / "strict", slice(-5, None))
    assert cured["second_opinion"] == cured["accuracy"] > 2 * before["second_opinion"]
    assert cured["mean_response_tokens"] < 1.5 * before["mean_response_tokens"]
