from __future__ import annotations

from pathlib import Path

from tests.core.conftest import PLAYERS, Written, cli

CAST = ("ScriptedBackend", "Ask", "Judge", "Sft")


def test_the_plan_and_a_real_prompt_and_nothing_left_behind(written: Written, tmp_path: Path) -> None:
    config = written("a", *CAST)
    (tmp_path / "players.py").write_text(PLAYERS + BOXES)
    before = set(tmp_path.rglob("*"))
    result = cli("check", config)
    assert result.exit_code == 0, result.output
    assert "train: 4 problems" in result.output
    assert "The first prompt, 2 tokens, stops at '$':\n0=" in result.output
    assert "Nothing stands in the way of this run." in result.output
    left = {path for path in set(tmp_path.rglob("*")) - before if "__pycache__" not in path.parts}
    assert left == set()


BOXES = """
class Judge(Player):
    @hookimpl
    def verify(self, problem, rollouts):
        right = f"</think>\\\\boxed{{{problem.answer}}}"
        return [Verdict("correct" if r.text.endswith(right) else "incorrect") for r in rollouts]
"""


def test_all_complaints_at_once(written: Written, tmp_path: Path) -> None:
    result = cli("check", written("a", *CAST), "--set", "sampling.max_tokens=10000")
    assert result.exit_code == 1
    assert (
        "prompt (2 tokens) and response ([sampling] max_tokens = 10000) need 10002 tokens; "
        "the model has 10000: lower max_tokens" in result.output
    )
    # The scripted verifier compares whole responses, so a boxed gold is wrong to it.
    assert "the verifier calls the gold of problem '0' (1) incorrect" in result.output


def test_a_mistake_in_the_config_is_told_as_train_tells_it(written: Written) -> None:
    config = written("a", *CAST)
    told = [cli(command, config, "--set", "run.stepz=3").output for command in ("check", "train")]
    assert told[0] == told[1]
    assert "did you mean 'steps'?" in told[0]
