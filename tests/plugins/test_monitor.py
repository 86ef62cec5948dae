from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from justtinker_core import PluginError
from justtinker_core.plugins import Plugins
from justtinker_plugins.commands._cli.replay import active_monitors, default_config, replay
from justtinker_plugins.monitors import DEFAULT
from justtinker_plugins.shared.records.bundled import bundled
from justtinker_plugins.shared.records.history import read_records
from tests.core.conftest import Written, cli

CAST = ("ScriptedBackend", "Ask", "Judge", "Sft")
EVAL = '[data.eval.held]\nuse = "listed"\npath = "{path}"\n[evaluation]\nevery = 1\n'


def collapse(path: Path, steps: int = 90) -> Path:
    """Write a history that is healthy for 60 steps, then thinks less and writes more."""
    random = np.random.default_rng(0)
    lines = ["step,accuracy,thinking_rate,mean_response_tokens,eval_accuracy,eval_thinking_rate"]
    for step in range(1, steps + 1):
        ill = max(0, step - 60)
        accuracy, thinking, noise = 0.8 - 0.01 * ill, 0.85 - 0.02 * ill, random.normal(size=3)
        evaluation = f"{accuracy:.3f},{thinking:.3f}" if step % 20 == 0 else ","
        lines.append(
            f"{step},{accuracy + 0.04 * noise[0]:.4f},{thinking + 0.03 * noise[1]:.4f},"
            f"{4000 + 100 * ill + 200 * noise[2]:.1f},{evaluation}"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


def rows(output: str) -> list[tuple[int, str, str]]:
    """Step, level and monitor of each printed finding."""
    return [(int(s), level, name) for s, level, name in re.findall(r"^(\d+) +(info|warn|stop) +(\w+)", output, re.M)]


def test_the_default_monitors_read_a_csv(tmp_path: Path) -> None:
    result = cli("monitor", collapse(tmp_path / "history.csv"))
    assert result.exit_code == 3, result.output
    found = rows(result.output)
    assert found[0] == (40, "info", "drift")
    assert {(level, name) for _, level, name in found} >= {("stop", "drift"), ("warn", "thresholds")}
    output = " ".join(result.output.split())
    assert "grader_health: not enough data: no step has resent_rate, rubric_failed_rate, slow_verdict_rate, " in output
    assert "early_stopping: nothing found" in output
    (stop,) = [step for step, level, _ in found if level == "stop"]
    assert re.search(
        rf"90 steps, 4 evaluations: \d+ warnings, 1 stop; the run would have ended at step {stop} \(dr", output
    )


def test_options_and_monitors_can_be_changed(tmp_path: Path) -> None:
    history = collapse(tmp_path / "history.csv")
    result = cli("monitor", history, "--set", "plugins.drift.limit=1000", "-p", "no:thresholds")
    assert (result.exit_code, [level for _, level, _ in rows(result.output)]) == (0, ["info"])
    assert "thresholds" not in result.output
    result = cli("monitor", history, "--set", "plugins.drift.action=off", "--set", "plugins.thresholds.action=stop")
    assert result.exit_code == 3
    assert "drift: switched off" in result.output
    result = cli("monitor", history, "--set", "plugins.drift.limt=3")
    assert result.output == "Error: [plugins.drift] has no option 'limt'; did you mean 'limit'?\n"
    assert "no plugin called 'drft'; did you mean 'drift'?" in cli("monitor", history, "-p", "drft").output


def test_json_lines_are_read_as_a_csv_is(tmp_path: Path) -> None:
    history = collapse(tmp_path / "history.csv")
    header, *lines = history.read_text().splitlines()
    objects = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
    numbers = [{k: float(v) if v else None for k, v in o.items()} for o in objects]
    (tmp_path / "history.jsonl").write_text("\n\n".join(json.dumps(o) for o in numbers))
    assert read_records(tmp_path / "history.jsonl") == read_records(history)


def test_the_published_collapse_ships_with_the_toolkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("monitor", "exp001")
    assert (result.exit_code, rows(result.output)) == (3, [
        (40, "info", "drift"), (97, "warn", "drift"), (116, "stop", "drift"), (139, "warn", "thresholds"),
        (143, "warn", "thresholds"),
    ])  # fmt: skip
    output = " ".join(result.output.split())
    assert output.startswith("exp001: the published history that ships with the toolkit; there is no file of that name")
    assert output.endswith("the run would have ended at step 116 (drift)")


def test_a_file_or_directory_of_the_users_own_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("exp001").write_text("step,accuracy\n1,0.5\n")
    assert cli("monitor", "exp001").output == "Error: exp001: expected a run directory, a .csv or a .jsonl file\n"
    Path("exp001").unlink()
    Path("exp001").mkdir()
    assert cli("monitor", "exp001").output.startswith("Error: exp001 is no run directory")


def test_the_shipped_history_names_its_source_and_licence() -> None:
    folder = bundled()["exp001"].parent
    readme = (folder / "README.md").read_text()
    assert "Guanghan Ning" in readme
    assert all(f"`{name}`" in readme for name in bundled())
    licence = (folder / "LICENSE").read_text()
    assert licence.startswith("MIT License\n\nCopyright (c) 2026 Guanghan Ning\n")
    assert licence.split("\n\n", 2)[2] == (Path(__file__).parents[2] / "LICENSE").read_text().split("\n\n", 2)[2]


@pytest.fixture
def trained(written: Written, tmp_path: Path) -> Path:
    """A finished run of three steps with a monitor that records what it sees."""
    config = written("a", *CAST, "Watch", steps=3, more=EVAL.format(path=tmp_path / "p.json"))
    result = cli("train", config, "--dir", "out")
    assert result.exit_code == 0, result.output
    return tmp_path / "out"


def test_a_run_is_replayed_as_it_was(trained: Path) -> None:
    """The config's monitor gives the same findings as in the run, with the same evidence."""
    lines = [json.loads(line) for line in (trained / "steps.jsonl").read_text().splitlines()]
    before = [f for line in lines for f in line["findings"]]
    from justtinker_core import config_files

    wanted = config_files.read(trained)
    replayed = replay(read_records(trained), Plugins(active_monitors(wanted)))
    assert [(s.finding.level, s.finding.message, dict(s.finding.evidence)) for s in replayed] == [
        (f["level"], f["message"], f["evidence"]) for f in before
    ]
    result = cli("monitor", trained)
    assert (result.exit_code, rows(result.output)) == (0, [(i, "info", "my_watch") for i in (1, 2, 3)])
    assert "3 steps, 4 evaluations: 0 warnings, 0 stops" in result.output


def test_a_torn_record_ends_the_history(trained: Path) -> None:
    file = trained / "steps.jsonl"
    file.write_text(file.read_text()[:-20])
    assert "2 steps, " in cli("monitor", trained).output


def test_other_monitors_can_replay_a_run(written: Written, trained: Path, tmp_path: Path) -> None:
    result = cli("monitor", trained, "-p", "no:my_watch", "-p", "drift")
    assert "drift: not enough data: a baseline takes 40 steps" in " ".join(result.output.split())
    result = cli("monitor", trained, "-p", "no:my_watch")
    assert "has no monitors: these are the default ones" in " ".join(result.output.split())
    assert all(name in result.output for name in DEFAULT)
    config = written("b", *CAST)
    result = cli("monitor", trained, "--config", config, "-p", "thresholds")
    assert "thresholds: nothing found\n" in result.output
    assert "my_watch" not in result.output


def test_checkpoints_and_evaluations_are_visible_after_their_step(trained: Path) -> None:
    records = read_records(trained)
    history = records.before(1)
    assert ([s.step for s in history.steps], [e.step for e in history.evals]) == ([1], [0, 1])
    assert history.checkpoints == (1,)
    assert records.checkpoints == (1, 2, 3)
    file = trained / "checkpoints.jsonl"
    first, second, third = (line for line in file.read_text().splitlines(keepends=True) if '"best"' not in line)
    file.write_text(first + second.replace("periodic", "rolling") + third)
    assert read_records(trained).checkpoints == (1, 3), "the one of step 2 was only there to resume from"


HEADER = "step,accuracy\n"


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("h.csv", HEADER + "1,0.5\n2,half\n", ", line 3, column 'accuracy': expected a finite number, got 'half'"),
        ("h.csv", HEADER + "1,nan\n", ", line 2, column 'accuracy': expected a finite number, got 'nan'"),
        ("h.csv", HEADER + "one,0.5\n", ", line 2, column 'step': expected a finite number, got 'one'"),
        ("h.csv", HEADER + "1.5,0.5\n", ", line 2, column 'step': expected a whole number, got '1.5'"),
        ("h.csv", HEADER + ",0.5\n", ", line 2, column 'step': expected a whole number, got ''"),
        ("h.csv", HEADER + "2,0.5\n1,0.5\n", ", line 3, column 'step': 1 comes after 2; steps must rise"),
        ("h.csv", HEADER + "1,0.5,0.7\n", ", line 2: more cells than the header has columns"),
        ("h.csv", "a,b\n1,2\n", ", line 1: expected a column 'step', got a, b"),
        ("h.csv", "", ", line 1: expected a column 'step', got nothing"),
        ("h.csv", "step,reward,reward\n1,2,3\n", ", line 1: more than one column is called 'reward'"),
        ("h.csv", HEADER, " holds no steps"),
        ("h.jsonl", '{"step": 1}\n{"step":\n', ", line 2 is no JSON: "),
        ("h.jsonl", "[1]\n", ", line 1: expected an object, got [1]"),
        ("h.jsonl", '{"accuracy": 1}\n', ", line 1, column 'step': expected a whole number, got None"),
        (
            "h.jsonl",
            '{"step": 1, "accuracy": true}\n',
            ", line 1, column 'accuracy': expected a finite number, got True",
        ),
        ("h.jsonl", '{"step": 1, "metrics": {}, "x": 1}\n', ", line 1 is no line of steps.jsonl: "),
        ("h.jsonl", '{"step": 1, "metrics": {"a": NaN}}\n', ", line 1, column 'a': expected a finite number, got nan"),
        (
            "h.jsonl",
            '{"step": 1, "metrics": {"a": "high"}}\n',
            ", line 1, column 'a': expected a finite number, got 'high'",
        ),
        ("h.txt", "1\n", ": expected a run directory, a .csv or a .jsonl file"),
    ],
)
def test_bad_input_is_named(tmp_path: Path, name: str, content: str, complaint: str) -> None:
    file = tmp_path / name
    file.write_text(content)
    result = cli("monitor", file)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {file}{complaint}")


def test_a_missing_run_is_an_error(tmp_path: Path) -> None:
    for command in ("monitor", "curves"):
        assert cli(command, "nonsense").output == (
            "Error: there is no run directory and no file nonsense: expected a run directory, a .csv or .jsonl file, "
            "or a history that ships with the toolkit (exp001)\n"
        )
    with pytest.raises(PluginError, match="is no run directory"):
        read_or_fail(tmp_path)


def read_or_fail(path: Path) -> None:
    """Read a directory as the command does."""
    from justtinker_plugins.shared.records.runs import existing

    read_records(existing(path)[-1])


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(DEFAULT))
def test_the_order_of_monitors_does_not_matter(tmp_path: Path, order: list[str]) -> None:
    records = read_records(collapse(tmp_path / "history.csv"))
    found = []
    for names in (order, DEFAULT):
        wanted = default_config((f"plugins.enable={json.dumps(names)}",), ())
        replayed = replay(records, Plugins(active_monitors(wanted)))
        found.append(sorted((s.step, s.finding.source, s.finding.message) for s in replayed))
    assert found[0] == found[1]
