"""The presets ``code-sft`` and ``code-rl`` as a user runs them: a tiny model learns to write programs."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the local backend needs torch: install the extra 'local'")
pytest.importorskip("transformers", reason="the local backend needs transformers: install the extra 'local'")

from tests.integration.test_quickstart import finish, justtinker, records
from tests.plugins.sandbox import needs_sandbox


def shortened(cwd: Path, stages: dict[str, list[str]]) -> list[str]:
    """Presets with other settings, as files."""
    from justtinker_core import config_files

    for preset, sets in stages.items():
        (cwd / f"{preset}.toml").write_text(config_files.read(preset, sets).dump())
    return [f"{preset}.toml" for preset in stages]


@pytest.mark.slow
@needs_sandbox
def test_it_learns_to_set_parentheses(tmp_path: Path) -> None:
    """With half of the presets' steps."""
    sft = ["run.steps=320", "data.eval.held_out.limit=60", "evaluation.at_start=false"]
    stages = {"code-sft": sft, "code-rl": ["run.steps=8", "data.eval.held_out.limit=60"]}
    finish(justtinker("train", *shortened(tmp_path, stages), "--dir", "run", cwd=tmp_path))
    found = records(tmp_path / "run")
    taught = found["1-code-sft/evals.jsonl"][-1]["metrics"]
    learned = found["2-code-rl/evals.jsonl"][-1]["metrics"]
    assert 0.05 <= taught["accuracy"] <= 0.5, "it writes programs, and forgets parentheses as its teacher does"
    assert learned["accuracy"] >= taught["accuracy"] + 0.1
    assert learned["thinking_rate"] >= 0.9
    assert learned["tests_passed"] >= learned["accuracy"]


@pytest.mark.slow
@needs_sandbox
@pytest.mark.parametrize("preset", ["code-sft", "code-rl"])
def test_presets_are_ready_to_run(tmp_path: Path, preset: str) -> None:
    assert "Nothing stands in the way of this run." in finish(justtinker("check", preset, cwd=tmp_path))
