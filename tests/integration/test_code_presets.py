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
    """With half the work of the presets: 3 steps become 2, so that there is less to write and to learn."""
    easy = ["data.train.steps=2", "data.eval.held_out.steps=2", "sampling.max_tokens=60"]
    stages = {
        "code-sft": [*easy, "run.steps=250", "data.train.parentheses_drop=0.9"],
        "code-rl": [*easy, "run.steps=10", "plugins.grpo.problems_per_step=16"],
    }
    finish(justtinker("train", *shortened(tmp_path, stages), "--dir", "run", cwd=tmp_path))
    found = records(tmp_path / "run")
    before, taught = (record["metrics"] for record in found["1-code-sft/evals.jsonl"])
    learned = found["2-code-rl/evals.jsonl"][-1]["metrics"]
    assert before["accuracy"] == 0
    assert 0.3 <= taught["accuracy"] <= 0.75, "it writes programs, and forgets parentheses as its teacher does"
    assert learned["accuracy"] >= taught["accuracy"] + 0.15
    assert learned["thinking_rate"] >= 0.9
    assert learned["tests_passed"] >= learned["accuracy"]


@pytest.mark.slow
@needs_sandbox
@pytest.mark.parametrize("preset", ["code-sft", "code-rl"])
def test_presets_are_ready_to_run(tmp_path: Path, preset: str) -> None:
    assert "Nothing stands in the way of this run." in finish(justtinker("check", preset, cwd=tmp_path))
