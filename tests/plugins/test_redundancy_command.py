from __future__ import annotations

import json
from pathlib import Path

import pytest
import zstandard

from justtinker_core.rundir import RunDir
from justtinker_plugins.commands._cli.texts import read_texts
from justtinker_plugins.commands.bench import made_up_texts
from justtinker_plugins.rewards.redundancy import Redundancy
from tests.core.conftest import cli

LOOP = "So the answer is 12, wait, let me check that again. " * 60
TEXTS = [*(text[: 300 * i + 100] for i, text in enumerate(made_up_texts(9, 800))), LOOP]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"response": text}) + "\n" for text in TEXTS))
    return path


@pytest.mark.parametrize("method", ["flat", "fast", "exact"])
def test_every_text_gets_the_numbers_of_the_reward(file: Path, tmp_path: Path, method: str) -> None:
    out = tmp_path / "out.jsonl"
    result = cli("redundancy", file, "--method", method, "--out", out)
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    expected = Redundancy(method=method).score_batch(TEXTS)  # type: ignore[arg-type]
    assert [row.pop("place") for row in rows] == [f"{file}, text {i}" for i in range(1, 11)]
    assert [row.pop("characters") for row in rows] == list(map(len, TEXTS))
    assert rows == [{name: values[i] for name, values in expected.items()} for i in range(10)]
    fined = sum(expected["redundancy_penalty"] > 0)
    assert f"10 texts, method {method}: {fined} would be fined" in result.output


def test_the_output_shows_lengths_and_the_most_redundant_texts(file: Path) -> None:
    lines = cli("redundancy", file, "--show", "1").output.splitlines()
    assert lines[0] == "10 texts, method flat: 1 would be fined"
    assert lines[1] == "2 of them have fewer than 500 characters: too short to tell"
    assert [line.split("  ")[0] for line in lines[2:6]] == ["characters", "0 to 499", "500 to 1,999", "2,000 to 7,999"]
    assert lines[5].split()[3:] == ["3", "0.333", "1", "(33.3%)", "0.333"]
    assert lines[7] == f"{file}, text 10: score 1.00, 3,120 characters"
    assert lines[8].startswith("  So the answer is 12, wait, let me check that again. ")
    assert len(lines) == 9


def test_a_plain_file_is_one_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(LOOP)
    assert "1 text, method flat: 1 would be fined" in cli("redundancy", path).output


def test_a_run_directory_stands_for_all_its_rollouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "1-a"
    RunDir.create(run, "")
    assert cli("redundancy", "runs").output == "Error: runs/1-a/rollouts holds no rollouts: the run has recorded none\n"
    for name in ("step_000002", "eval_held_000002", "step_000001"):
        text = json.dumps({"rollouts": [{"text": LOOP}, {"text": name}]}) + "\n"
        RunDir(run).replace(f"rollouts/{name}.jsonl.zst", zstandard.compress(text.encode()))
    assert cli("redundancy", "runs", "--out", "out").output.startswith("6 texts, method flat: 3 would be fined\n")
    rows = [json.loads(line)["place"].rpartition("/")[2] for line in Path("out").read_text().splitlines()]
    assert rows[::2] == [f"{name}.jsonl.zst, text 1" for name in ("step_000001", "step_000002", "eval_held_000002")]
    (tmp_path / "other").mkdir()
    assert cli("redundancy", "other").output == (
        "Error: other is no run directory: expected config.toml or 1-NAME, 2-NAME ... in it\n"
    )


def test_the_options_of_a_config(file: Path, tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text(
        '[plugins]\nenable = ["redundancy"]\n[plugins.redundancy]\nmethod = "exact"\nthreshold = 0.99\nweight = 0.5\n'
    )
    assert "method exact: 1 would be fined" in cli("redundancy", file, "--config", config).output
    assert "method exact: 6 would be fined" in cli("redundancy", file, "--method", "exact").output
    assert "method fast: 1 would be fined" in cli("redundancy", file, "--config", config, "--method", "fast").output
    assert (
        "quickstart-sft does not enable 'redundancy', so it has no options for it"
        in cli("redundancy", file, "--config", "quickstart-sft").output
    )


def test_a_missing_file(tmp_path: Path) -> None:
    result = cli("redundancy", tmp_path / "no.txt")
    assert result.exit_code == 1
    assert result.output == f"Error: there is no file {tmp_path}/no.txt\n"


def test_a_rollout_is_read_with_what_the_prompt_held_of_it(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    rollouts = [{"text": "a</think>b", "opened": "<think>"}, {"text": "c"}]
    path.write_text(json.dumps({"rollouts": rollouts}) + "\n" + json.dumps("d"))
    assert read_texts(path) == ["<think>a</think>b", "c", "d"]
