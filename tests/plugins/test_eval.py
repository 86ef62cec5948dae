from __future__ import annotations

import json
from pathlib import Path

import pytest

from justtinker_core.rundir import RunDir
from tests.core.conftest import PLAYERS, Written, cli, records

EVAL = '[data.eval.held]\nuse = "listed"\npath = "{path}"\n[evaluation]\nevery = 1\n'
CAST = ("ScriptedBackend", "Ask", "Judge", "Sft")


@pytest.fixture
def trained(written: Written, tmp_path: Path) -> Path:
    """A finished run of two steps with three evaluations."""
    config = written("a", *CAST, more=EVAL.format(path=tmp_path / "p.json"))
    result = cli("train", config, "--dir", "out")
    assert result.exit_code == 0, result.output
    return tmp_path / "out"


def evaluated(run: Path) -> tuple[Path, dict[str, object]]:
    [place] = (run / "evaluations").iterdir()
    [record] = records(place, "evals.jsonl")
    return place, record


def test_the_newest_checkpoint_is_evaluated_as_in_training(trained: Path) -> None:
    before = {file: file.read_bytes() for file in trained.rglob("*") if file.is_file()}
    assert cli("eval", trained).exit_code == 0
    place, record = evaluated(trained)
    last = records(trained, "evals.jsonl")[-1]
    for key in ("step", "name", "metrics", "intervals", "settings", "examples"):
        assert record[key] == last[key]
    assert RunDir(place).manifest()["status"] == "evaluated"
    assert all(file.read_bytes() == content for file, content in before.items()), "the run itself is left alone"


def test_train_does_not_resume_an_evaluation(trained: Path) -> None:
    cli("eval", trained)
    place, _ = evaluated(trained)
    before = {file: file.read_bytes() for file in place.rglob("*") if file.is_file()}
    result = cli("train", "--resume", place)
    assert result.output == f"Error: {place} is an evaluation: resume it with justtinker eval --resume {place}\n"
    assert {file: file.read_bytes() for file in place.rglob("*") if file.is_file()} == before


def test_the_best_checkpoint_has_the_best_evaluation(trained: Path) -> None:
    evals = records(trained, "evals.jsonl")
    for record, accuracy in zip(evals, (1.0, 0.75, 0.5), strict=True):  # step 0 has no checkpoint
        record["metrics"]["accuracy"] = accuracy
    (trained / "evals.jsonl").write_text("".join(json.dumps(r) + "\n" for r in evals))
    assert cli("eval", trained, "--checkpoint", "best").exit_code == 0
    assert evaluated(trained)[1]["step"] == 1


def test_a_step_that_was_killed_before_its_hard_set_is_not_the_best(trained: Path) -> None:
    """Its mean would be over fewer sets."""
    first, second = records(trained, "evals.jsonl")[1:]
    accuracies = [(first, "held", 0.75), (first, "hard", 0.25), (second, "held", 0.75)]
    lines = [{**r, "name": name, "metrics": {**r["metrics"], "accuracy": a}} for r, name, a in accuracies]
    (trained / "evals.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert cli("eval", trained, "--checkpoint", "best").exit_code == 0
    assert evaluated(trained)[1]["step"] == 1


def test_a_config_stands_for_its_starting_weights(written: Written, tmp_path: Path) -> None:
    config = written("a", *CAST, more=EVAL.format(path=tmp_path / "p.json"))
    assert cli("eval", config, "--dir", "there").exit_code == 0
    [record] = records(tmp_path / "there", "evals.jsonl")
    assert record["step"] == 0
    assert cli("eval", config, "--dir", "there").output.startswith("Error: the run directory there exists")


def test_a_config_can_evaluate_any_checkpoint(written: Written, trained: Path, tmp_path: Path) -> None:
    config = tmp_path / "a.toml"
    assert cli("eval", config, "--checkpoint", trained, "--dir", "there").exit_code == 0
    manifest = RunDir(tmp_path / "there").manifest()
    assert str(manifest["checkpoint"]).endswith("step_000002.json")
    result = cli("eval", config, "--checkpoint", "nowhere", "--dir", "elsewhere")
    assert result.output == (
        "Error: expected a checkpoint or a run directory, got 'nowhere' (run.start_from, --checkpoint)\n"
    )


def test_missing_data_or_checkpoints_are_an_error(written: Written, trained: Path, tmp_path: Path) -> None:
    assert "has no table [data.eval.NAME] to evaluate on" in cli("eval", written("b")).output
    (trained / "evals.jsonl").unlink()
    assert "has been evaluated, so none is the best" in cli("eval", trained, "--checkpoint", "best").output
    (trained / "checkpoints.jsonl").write_text("")
    assert cli("eval", trained).output == f"Error: the run {trained} has no checkpoint yet\n"


def test_an_unfinished_run_has_no_final_checkpoint(trained: Path) -> None:
    lines = (trained / "checkpoints.jsonl").read_text().splitlines(keepends=True)
    (trained / "checkpoints.jsonl").write_text(lines[0])
    result = cli("eval", trained, "--checkpoint", "final")
    assert "is not finished; its newest checkpoint is of step 1: leave out --checkpoint" in result.output
    assert cli("eval", trained).exit_code == 0


def test_a_step_names_its_checkpoint(trained: Path) -> None:
    assert cli("eval", trained, "--checkpoint", "1").exit_code == 0
    assert evaluated(trained)[1]["step"] == 1
    assert cli("eval", trained, "--checkpoint", "7").output == (
        f"Error: the run {trained} has no checkpoint of step 7; it has 1, 2\n"
    )


def test_the_directory_of_a_series_stands_for_its_last_run(written: Written, tmp_path: Path) -> None:
    more = EVAL.format(path=tmp_path / "p.json")
    assert cli("train", written("a", *CAST, more=more), written("b", *CAST, more=more), "--dir", "out").exit_code == 0
    result = cli("eval", "out")
    assert result.exit_code == 0, result.output
    assert evaluated(tmp_path / "out" / "2-b")[1]["step"] == 2


DIES = """
class Dies(Judge):
    @hookimpl
    def verify(self, problem, rollouts):
        if problem.id == "2" and rollouts[0].tokens and not Path("mended").exists():
            raise ValueError("oh")
        return super().verify(problem, rollouts)
"""


def test_a_killed_evaluation_is_resumed_where_it_was(written: Written, tmp_path: Path) -> None:
    more = EVAL.format(path=tmp_path / "p.json").replace("held", "first") + EVAL.format(path=tmp_path / "p.json")
    config = written(
        "a", "ScriptedBackend", "Ask", "Dies", "Sft", more=more.replace("[evaluation]\nevery = 1\n", "", 1)
    )
    (tmp_path / "players.py").write_text(PLAYERS + DIES)
    result = cli("eval", config, "--dir", "there")
    assert result.exit_code == 1
    assert "resume with: justtinker eval --resume there" in result.output
    assert list((tmp_path / "there" / "rollouts").glob("partial_eval_first_*"))
    with (tmp_path / "there" / "evals.jsonl").open("a") as file:
        file.write('{"step": 0, "na')  # torn
    (tmp_path / "mended").touch()
    result = cli("eval", "--resume", "there")
    assert result.exit_code == 0, result.output
    assert cli("eval", config, "--dir", "whole").exit_code == 0
    assert records(tmp_path / "there", "evals.jsonl") == records(tmp_path / "whole", "evals.jsonl")
    assert not list((tmp_path / "there" / "rollouts").glob("partial_*"))
    assert cli("eval", "--resume", "there").output == "there is already finished\n"


def test_an_evaluation_killed_after_its_last_record_is_cleaned_up(written: Written, tmp_path: Path) -> None:
    config = written("a", *CAST, more=EVAL.format(path=tmp_path / "p.json"))
    assert cli("eval", config, "--dir", "there").exit_code == 0
    files = RunDir(tmp_path / "there")
    files.manifest(status="running")
    left = files.path / "rollouts" / "partial_eval_held_000000.jsonl.zst"
    left.write_bytes(b"")
    before = records(files.path, "evals.jsonl")
    assert cli("eval", "--resume", "there").exit_code == 0
    assert records(files.path, "evals.jsonl") == before
    assert not left.exists()


def test_what_cannot_be_resumed(trained: Path, written: Written) -> None:
    text = "--resume uses the evaluation's own config and checkpoint: it takes no other option"
    assert text in cli("eval", "--resume", trained, "--checkpoint", "best").output
    assert "expected a CONFIG, a RUN_DIR or --resume EVAL_DIR, got none of them" in cli("eval").output
    assert cli("eval", "--resume", trained).output.startswith(
        f"Error: {trained} is not an evaluation that justtinker eval began"
    )


def test_a_mistake_leaves_no_directory_behind(written: Written, tmp_path: Path) -> None:
    config = written("a", *CAST, more=EVAL.format(path=tmp_path / "p.json"))
    (tmp_path / "p.json").rename(tmp_path / "q.json")
    assert cli("eval", config, "--dir", "there").exit_code == 1
    assert not (tmp_path / "there").exists()
