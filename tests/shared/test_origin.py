"""Which weights an evaluation is of, and where a run that did not evaluate its start began."""

from __future__ import annotations

from pathlib import Path

import pytest

from justtinker_core.rundir import RunDir
from justtinker_plugins.shared.records.origin import records_to_show
from tests.core.conftest import Written, cli, records

HELD = '[data.eval.held]\nuse = "listed"\npath = "p.json"\n'
CAST = ("ScriptedBackend", "Ask", "Judge", "Sft")
LAZY = HELD + "[evaluation]\nat_start = false\n"


@pytest.fixture
def series(written: Written, tmp_path: Path) -> Path:
    """Two runs of one command, the second of which does not evaluate the weights that it starts from."""
    result = cli("train", written("a", *CAST, more=HELD), written("b", *CAST, more=LAZY), "--dir", "out")
    assert result.exit_code == 0, result.output
    return tmp_path / "out"


def steps_shown(run: Path) -> list[int]:
    return [stats.step for stats in records_to_show(RunDir(run)).evals]


def rewrite(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


# Of evaluations


def final(run: Path) -> Path:
    """The file of its last checkpoint."""
    [path] = (record["path"] for record in records(run, "checkpoints.jsonl") if record["kind"] == "final")
    return run / path


def test_the_weights_of_an_evaluation_are_named_wherever_it_is_shown(series: Path) -> None:
    config = series.parent / "a.toml"
    for name, checkpoint, label in (("ev1", series / "1-a", "a 2"), ("ev2", final(series / "2-b"), "b 2")):
        result = cli("eval", config, "-p", "console", "--checkpoint", checkpoint, "--dir", name)
        assert result.exit_code == 0, result.output
        assert "before" not in result.output
        assert f"\n{label}  " in result.output
    manifest = RunDir(Path("ev1")).manifest()
    assert (manifest["run"], manifest["step"]) == ("a", 2)
    a, b = cli("compare", "ev1", "ev2").output.splitlines()[1:3]
    assert (a, b) == ("A: ev1, a 2, 1 per problem", "B: ev2, b 2, 1 per problem")
    cli("report", "ev2")
    assert "scripted, evaluation of b 2<" in Path("ev2/report.html").read_text()
    cli("eval", series, "--checkpoint", "final", "--dir", "ev3")
    assert "A: ev3, b 2, 1 per problem" in cli("compare", "ev3", "ev1").output


def test_weights_that_no_run_knows(series: Path) -> None:
    """A checkpoint that was copied elsewhere; and none."""
    config = series.parent / "a.toml"
    (series.parent / "kept.json").write_bytes(final(series / "1-a").read_bytes())
    assert cli("eval", config, "--checkpoint", "kept.json", "--dir", "ev1").exit_code == 0
    assert cli("eval", config, "--dir", "ev2").exit_code == 0
    a, b = cli("compare", "ev1", "ev2").output.splitlines()[1:3]
    assert (a, b) == ("A: ev1, kept.json, 1 per problem", "B: ev2, the model, 1 per problem")


def test_a_run_is_labelled_by_its_steps(series: Path) -> None:
    a, b = cli("compare", series / "1-a", series).output.splitlines()[1:3]
    assert a == f"A: {series}/1-a, step 2, 1 per problem"
    assert b == f"B: {series}/2-b, step 2, 1 per problem"


# Of starts


def test_a_run_that_did_not_evaluate_its_start_is_shown_from_there(series: Path) -> None:
    assert [e["step"] for e in records(series / "2-b", "evals.jsonl")] == [2]
    found = records_to_show(RunDir(series / "2-b"))
    assert [stats.step for stats in found.evals] == [0, 2]
    assert found.evals[0].metrics == records(series / "1-a", "evals.jsonl")[-1]["metrics"]
    assert (found.evals[0].tokens, found.evals[0].usd) == ({}, None), "the other run has paid for it"
    assert found.start == {"held": "a 2"}
    cli("report", series)
    page = (series / "2-b" / "report.html").read_text()
    note = "Step 0 is the last evaluation of the run whose weights this one started from (held: a 2)."
    assert note in page
    assert "% (a 2)</span>" in page
    assert "<small>from a 2 to step 2, best " in page
    assert "Step 0 is" not in (series / "1-a" / "report.html").read_text()
    assert steps_shown(series / "1-a") == [0, 2], "its own"


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("evals.jsonl", '"temperature": 0.7', '"temperature": 0.8'),  # other settings
        ("evals.jsonl", '"step": 2', '"step": 1'),  # not of the last weights
        ("config.toml", "p.json", "q.json"),  # other problems
        ("config.toml", "players.py:Judge", "players.py:Other"),  # another verifier
        ("manifest.json", '"finished"', '"running"'),  # it may have gone on since
        ("checkpoints.jsonl", '"step": 2', '"step": 3'),  # other weights
    ],
)
def test_what_was_measured_otherwise_is_no_start(series: Path, file: str, old: str, new: str) -> None:
    assert steps_shown(series / "2-b") == [0, 2]
    rewrite(series / "1-a" / file, old, new)
    assert steps_shown(series / "2-b") == [2]


@pytest.mark.parametrize(("name", "steps"), [("Short", [0, 2]), ("Prompts", [2]), ("Unrecorded", [2])])
def test_a_reward_of_ones_own_does_not_judge_evaluations(series: Path, name: str, steps: list[int]) -> None:
    hooks = {"Short": ["score"], "Prompts": ["build_prompt"]}.get(name)  # the manifest of an older run has none
    manifest = RunDir(series / "2-b").manifest()
    RunDir(series / "2-b").manifest(hooks={**manifest["hooks"], **({"own": hooks} if hooks else {})})
    config = series / "2-b" / "config.toml"
    rewrite(config, "enable = [", 'enable = ["own", ')
    rewrite(config, "[local_plugins]", f'[local_plugins]\nown = "{series}/short.py:{name}"')
    assert steps_shown(series / "2-b") == steps


def test_a_closing_table_begins_with_the_weights_that_a_run_started_from(series: Path, written: Written) -> None:
    started = ("--set", f"run.start_from={series / '1-a'}", "-p", "console")
    result = cli("train", written("c", *CAST, more=LAZY), *started, "--dir", "third")
    assert result.exit_code == 0, result.output
    rows = [line.split("  ")[0] for line in result.output.splitlines() if " held " in line]
    assert rows[-2:] == ["a 2", "c 2"]


def test_a_run_that_is_gone_is_no_start(series: Path) -> None:
    (series / "1-a").rename(series / "gone")
    assert steps_shown(series / "2-b") == [2]
