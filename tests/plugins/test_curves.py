from __future__ import annotations

import importlib.util
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from justtinker_core import Finding, PluginError
from justtinker_core.rundir import RunDir
from justtinker_core.types import EvalStats, Level, StepStats
from justtinker_plugins.reporters.curves import Curves
from justtinker_plugins.shared.charts import figure
from justtinker_plugins.shared.charts.panels import Panel, Series, Sheet, in_words, marks, milestones, sheet_of, spaced
from justtinker_plugins.shared.charts.pictures import pictures_of
from justtinker_plugins.shared.records.history import RecordedFinding, Records
from tests.core.conftest import RunOf, cast, cli, go, problems

PNG, PDF = b"\x89PNG\r\n", b"%PDF-"
plots = pytest.mark.skipif(figure.lacks_matplotlib(), reason="needs matplotlib: install the extra 'plots'")


def rl(steps: int = 50, sets: tuple[str, ...] = ("math", "aime")) -> Records:
    """A run in which everything of the sheet is measured."""
    names = ("accuracy", "reward", "redundancy_score", "chunk_similarity", "thinking_rate")
    metrics = dict.fromkeys(names, 0.4) | {"mean_response_tokens": 4000.0, "thinking_tokens": 3000.0}
    trained = [StepStats(n, {**metrics, "accuracy": n / steps}, seconds={"total": 9.0}) for n in range(1, steps + 1)]
    evals = [
        EvalStats(n, name, {"accuracy": a, "thinking_rate": 0.9}, {"accuracy": [a - 0.1, a + 0.1]}, {})
        for n, a in ((0, 0.5), (25, 0.7), (50, 0.6))
        for name in sets
    ]
    said = (
        RecordedFinding(9, Finding("info", "i")), RecordedFinding(30, Finding("warn", "w $x$", source="drift")),
        RecordedFinding(44, Finding("stop", "s", source="drift")),
    )  # fmt: skip
    return Records(tuple(trained), tuple(evals), said=said)


def sft() -> Records:
    steps = tuple(StepStats(n, {"loss": 1 / n, "learning_rate": 1e-5}) for n in range(1, 20))
    rates = {"thinking_rate": 0.7, "boxed_rate": 0.8, "mean_response_tokens": 900.0, "thinking_tokens": 700.0}
    return Records(steps, tuple(EvalStats(n, "held", rates, {}, {}) for n in (0, 19)))


def titles(sheet: Sheet) -> list[str]:
    return [panel.title for panel in sheet.panels]


def test_the_eight_panels_of_a_run_of_rewards() -> None:
    sheet = sheet_of(rl())
    assert titles(sheet) == [
        "Accuracy in training", "Accuracy on math", "Accuracy on aime", "Reward", "Redundancy", "Step time",
        "Thinking rate", "Length",
    ]  # fmt: skip
    assert sheet.missing == ()
    assert [s.step for s in sheet.findings] == [30, 44], "an info is no mark"
    assert [s.name for s in sheet.panels[6].series] == ["training", "math", "aime"]
    assert sheet.panels[4].lines == {"penalty from": 0.3}


def test_a_run_that_measured_its_policy_has_two_more_panels() -> None:
    whole = rl()
    measured = [replace(s, metrics={**s.metrics, "entropy": 0.3, "approx_kl:mean": 0.001}) for s in whole.steps]
    sheet = sheet_of(replace(whole, steps=tuple(measured)))
    assert titles(sheet)[8:] == ["Entropy", "KL to the sampler"]
    assert {panel.unit for panel in sheet.panels[8:]} == {"nats a token"}


def test_the_sheet_of_supervised_steps() -> None:
    sheet = sheet_of(sft())
    assert titles(sheet) == ["Loss", "Learning rate", "Thinking and boxed rate", "Length"]
    assert [s.name for s in sheet.panels[2].series] == ["thinking", "boxed"]
    assert sheet.missing == ("Accuracy on held",), "it has no accuracy"
    assert titles(sheet_of(sft(), "simple")) == ["Loss"]
    assert titles(sheet_of(rl(), "simple")) == ["Accuracy"]


def test_what_was_not_measured_is_left_out_and_said() -> None:
    bare = Records(tuple(StepStats(n, {"accuracy": 0.5, "mean_response_tokens": 9.0}) for n in (1, 2)))
    sheet = sheet_of(bare)
    assert titles(sheet) == ["Accuracy in training", "Length: response"]
    assert sheet.missing == ("Evaluation", "Reward", "Redundancy", "Step time", "Thinking rate")


def test_what_is_constantly_zero_has_no_line_and_is_said() -> None:
    zero = {"accuracy": 0.0, "redundancy_score": 0.0, "mean_response_tokens": 9.0, "thinking_tokens": 0.0}
    sheet = sheet_of(Records(tuple(StepStats(n, zero) for n in (1, 2))))
    assert titles(sheet) == ["Accuracy in training", "Length: response"], "accuracy is what one looks for first"
    assert sheet.zero == ("Redundancy", "Length (thinking)")
    assert "Redundancy" not in sheet.missing
    assert "constantly zero: Redundancy, Length (thinking)" in figure.footer_lines(sheet, 100)


def test_a_point_that_is_best_and_last_is_one_milestone() -> None:
    rising = Series("s", ((0, 0.1), (5, 0.3), (10, 0.4)), evaluated=True)
    assert [m.names for m in milestones(rising)] == [("start",), ("best", "last")]
    assert in_words(Panel("t", (rising,), milestones=True)) == "start 10.0 (step 0), best and last 40.0 (step 10)"
    alone = Series("s", ((5, 0.3),), evaluated=True)
    assert in_words(Panel("t", (alone,), milestones=True)) == "30.0 (step 5)"


def test_marks_do_not_run_into_each_other() -> None:
    levels: list[tuple[int, Level]] = [(5, "warn"), (5, "stop"), (7, "warn"), (60, "warn")]
    said = [RecordedFinding(step, Finding(level, "")) for step, level in levels]
    assert marks(said) == [(5, "stop"), (7, "warn"), (60, "warn")]
    assert spaced(marks(said), 100) == [(5, "stop"), (60, "warn")]


@plots
def test_what_a_picture_shows() -> None:
    drawing = figure.figure_of(sheet_of(rl()), "a $run")
    panels = {axes.get_title("left"): axes for axes in drawing.axes}
    assert len(panels) == 8
    math = panels["Accuracy on math (%)"]
    assert math.get_title("right") == "start 50.0 (step 0), best 70.0 (step 25), last 60.0 (step 50)"
    assert [text.get_text() for text in math.texts] == ["warn 30", "stop 44"]
    assert math.get_ylim()[0] < 40 < 80 < math.get_ylim()[1], "the intervals are inside"
    labels = [text.get_text() for text in panels["Redundancy"].get_legend().get_texts()]
    assert labels == ["score", "chunk similarity", "penalty from 0.3"]
    assert r"step 30 warn, drift: w \$x\$" in drawing._supxlabel.get_text()


@plots
def test_many_findings_are_one_thing_to_draw_and_move_no_axis() -> None:
    said = tuple(RecordedFinding(step, Finding("warn", "", source="drift")) for step in range(1, 50))
    many, none = (figure.figure_of(sheet_of(replace(rl(), said=found)), "a run") for found in (said, ()))
    for marked, plain in zip(many.axes, none.axes, strict=True):
        assert len(marked.lines) == len(plain.lines)
        assert len(marked.collections) == len(plain.collections)
        assert len(marked.collections[-1].get_segments()) == 49
        assert marked.get_ylim() == plain.get_ylim()


@plots
def test_titles_and_milestones_do_not_run_into_each_other() -> None:
    evals = tuple(
        EvalStats(step, name, {"accuracy": accuracy}, {}, {})
        for step, accuracy in ((0, 0.5), (1000, 0.6), (2000, 0.55))
        for name in ("m", "math500", "a_set_with_quite_a_long_name")
    )
    drawing = figure.figure_of(sheet_of(Records((), evals)), "long")
    drawing.draw_without_rendering()
    for axes, line_above in zip(drawing.axes[:3], (False, True, True), strict=True):
        title = axes.get_title("left")
        assert title.endswith("\n") == line_above, title
        beside = axes._left_title.get_window_extent().x1 < axes._right_title.get_window_extent().x0
        assert beside or line_above, title


@plots
@pytest.mark.parametrize("records", [rl(), rl(1, ()), sft(), replace(sft(), steps=())])
def test_pictures_of_every_sort_of_run(records: Records) -> None:
    pictures = pictures_of(records, "name")
    assert {name for name, content in pictures.items() if content.startswith(PNG)} == {
        "curves.png",
        "curves_simple.png",
    } - (set() if records.steps else {"curves_simple.png"})
    assert sum(content.startswith(PDF) for content in pictures.values()) == len(pictures) // 2


@plots
def test_drawn_by_a_run_at_evaluations_and_at_its_end(run_of: RunOf) -> None:
    sets = {"train": problems(), "held": problems(2, kind="math")}
    run = run_of(*cast(), Curves(simple=False), config={"run.steps": 2}, problems=sets)
    assert go(run) == "finished"
    assert (run.dir / "curves.png").read_bytes().startswith(PNG)
    assert sorted(path.name for path in run.dir.glob("curves*")) == ["curves.pdf", "curves.png"]
    assert "matplotlib.pyplot" not in sys.modules


def test_without_matplotlib_the_fix_is_named(run_of: RunOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"^drawing curves needs matplotlib: pip install 'justtinker\[plots\]'"):
        go(run_of(*cast(), Curves()))
    with pytest.raises(PluginError, match="needs matplotlib"):
        figure.render_files(sheet_of(rl()), "x")


@plots
def test_the_command_on_a_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [
        "step,accuracy,eval_accuracy",
        *(f"{n},{0.5 + 0.004 * (n % 5)},{0.5 if n % 9 == 0 else ''}" for n in range(1, 60)),
    ]
    (tmp_path / "old.csv").write_text("\n".join(lines))
    result = cli("curves", "old.csv")
    names = ["old.curves.png", "old.curves.pdf", "old.curves_simple.png", "old.curves_simple.pdf"]
    assert (result.exit_code, result.output.split()) == (0, names)
    assert (tmp_path / names[0]).read_bytes().startswith(PNG)
    said = "Error: cannot make the directory old.csv/there: Not a directory; name another with --dir\n"
    assert cli("curves", "old.csv", "--dir", "old.csv/there").output == said
    assert cli("curves", "no.csv").output.startswith("Error: there is no run directory and no file no.csv: expected ")
    result = cli("curves", "exp001", "--dir", "published")
    assert result.output.splitlines()[0] == "published/exp001.curves.png", "the history that ships with the toolkit"


@plots
def test_the_command_on_a_run(run_of: RunOf, tmp_path: Path) -> None:
    run = run_of(*cast())
    go(run)
    result = cli("curves", run.dir)
    assert result.exit_code == 0, result.output
    assert f"{run.dir / 'curves.png'}\n" in result.output
    assert cli("curves", run.dir, "--dir", tmp_path / "there").exit_code == 0
    assert (tmp_path / "there" / "run.curves.pdf").read_bytes().startswith(PDF)
    run.dir.rename(tmp_path / "exp0.5")
    assert f"{tmp_path / 'exp0.5.curves.png'}\n" in cli("curves", tmp_path / "exp0.5", "--dir", tmp_path).output


@plots
def test_the_directory_that_one_is_in_and_one_without_steps(
    run_of: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(*cast())
    go(run)
    monkeypatch.chdir(run.dir)
    assert f"{tmp_path / 'run.curves.png'}\n" in cli("curves", ".", "--dir", tmp_path).output
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "config.toml").write_bytes((run.dir / "config.toml").read_bytes())
    for more in ((), ("--dir", tmp_path)):
        assert cli("curves", tmp_path / "early", *more).output == f"{tmp_path / 'early'} holds nothing to draw yet\n"
    RunDir(tmp_path / "early").append("evals.jsonl", asdict(rl().evals[0]))
    assert f"{tmp_path / 'early.curves.png'}\n" in cli("curves", tmp_path / "early", "--dir", tmp_path).output


def test_findings_are_read_with_the_records(run_of: RunOf) -> None:
    from justtinker_plugins.shared.records.history import read_run

    run = run_of()
    found = Finding("warn", "m", {"a": 1}, "drift")
    run.files.append("steps.jsonl", asdict(StepStats(3, {})) | {"findings": [asdict(found)]})
    assert read_run(run.files).said == (RecordedFinding(3, found),)
