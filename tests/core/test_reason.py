"""Why a run ended stands in its manifest, whatever its status; `show`, `monitor` and the page say it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import Finding, Group, PluginError, hookimpl
from justtinker_core.rundir import RunDir
from justtinker_plugins.shared.records.runs import how_it_ended
from tests.core.conftest import Player, RunOf, Written, cast, cli, go, problems


def reason_of(path: Path) -> tuple[Any, Any]:
    manifest = RunDir(path).manifest()
    return manifest["status"], manifest["reason"]


class Stops(Player):
    @hookimpl
    def inspect_step(self) -> list[Finding]:
        return [Finding("stop", "enough")]


class Interrupts(Player):
    @hookimpl
    def inspect_step(self, stats: Any) -> list[Finding]:
        signal.raise_signal(signal.SIGINT)
        return []


def test_finished(run_of: RunOf, tmp_path: Path) -> None:
    go(run_of(*cast()))
    assert reason_of(tmp_path / "run") == ("finished", "all 2 steps are trained")


def test_stopped_by_a_monitor(run_of: RunOf, tmp_path: Path) -> None:
    go(run_of(*cast(), Stops()))
    assert reason_of(tmp_path / "run") == ("stopped", "stops: enough")


def test_interrupted(run_of: RunOf, tmp_path: Path) -> None:
    go(run_of(*cast(), Interrupts(), config={"run.steps": 9}))
    assert reason_of(tmp_path / "run") == ("interrupted", "Ctrl-C, after step 1")


def test_over_budget_after_a_step(run_of: RunOf, tmp_path: Path) -> None:
    backend, *others = cast()
    backend.price = 0.01
    go(run_of(backend, *others, config={"run.steps": 9, "run.budget_usd": 2.0}))
    status, reason = reason_of(tmp_path / "run")
    assert status == "stopped"
    assert re.fullmatch(r"budget: \d\.\d\d USD spent, a step costs \d\.\d\d: the next would exceed .* = 2\.0", reason)


def test_over_budget_after_an_evaluation(run_of: RunOf, tmp_path: Path) -> None:
    backend, *others = cast()
    backend.price = 0.01
    sets = {"train": problems(4), "held": problems(5)}
    config = {"run.steps": 9, "run.budget_usd": 1.5, "evaluation.every": 1, "evaluation.at_start": False,
              "data.eval.held.samples": 9}  # fmt: skip
    run = run_of(backend, *others, problems=sets, config=config)
    go(run)
    status, reason = reason_of(tmp_path / "run")
    assert (status, run.step) == ("stopped", 1)
    assert reason.startswith("budget: ")
    assert not [f for record in run.files.read("steps.jsonl") for f in record["findings"]], "no step went beyond it"


def test_failed_and_going_on_forgets_the_reason(run_of: RunOf, tmp_path: Path) -> None:
    backend, *others = cast()
    backend.fail["forward_backward"] = RuntimeError("out of memory")
    with pytest.raises(RuntimeError):
        go(run_of(backend, *others))
    assert reason_of(tmp_path / "run") == ("failed", "RuntimeError: out of memory")
    assert RunDir(tmp_path / "run").manifest()["error"] == "RuntimeError: out of memory"
    go(run_of(*cast()))
    assert reason_of(tmp_path / "run") == ("finished", "all 2 steps are trained")
    assert RunDir(tmp_path / "run").manifest()["error"] is None


def test_failed_with_a_group(run_of: RunOf, tmp_path: Path) -> None:
    class Wrong(Player):
        @hookimpl
        def measure(self, group: Group) -> dict[str, list[float]]:
            return {"one": []}

    with pytest.raises(PluginError):
        go(run_of(*cast(), Wrong()))
    status, reason = reason_of(tmp_path / "run")
    assert status == "failed"
    assert "plugin 'wrong' gives 0 values of 'one'" in reason
    assert "the group is kept in" in reason


def test_evaluated_and_said_by_the_commands(written: Written, tmp_path: Path) -> None:
    more = f'[data.eval.held]\nuse = "listed"\npath = "{tmp_path / "p.json"}"\n'
    config = written("c", "ScriptedBackend", "Ask", "Judge", "Correct", "Mean", "Rl", "Stop", more=more)
    assert cli("train", config, "--dir", "run").exit_code == 3
    assert how_it_ended(tmp_path / "run") == "stopped: my_stop: enough"
    assert cli("show", "run").output.endswith("\nrun stopped: my_stop: enough\n")
    assert cli("monitor", "run").output.endswith("\nrun stopped: my_stop: enough\n")
    cli("report", "run")
    assert "<p>stopped: my_stop: enough</p>" in (tmp_path / "run" / "report.html").read_text()
    result = cli("eval", "run", "--dir", "again")
    assert result.exit_code == 0, result.output
    assert reason_of(tmp_path / "again") == ("evaluated", "every evaluation set is recorded")


def test_a_run_that_was_killed_is_not_called_running(tmp_path: Path) -> None:
    files = RunDir.create(tmp_path / "run", "")
    files.manifest(status="running", reason=None)
    files.lock()
    assert how_it_ended(tmp_path / "run") == "running"
    code = "import sys; from pathlib import Path; from justtinker_core.rundir import RunDir as R; "
    locked = subprocess.run([sys.executable, "-c", f"{code}print(R(Path({str(tmp_path / 'run')!r})).in_use())"],
                            capture_output=True, text=True, check=True)  # fmt: skip
    assert locked.stdout == "True\n", "asking here has not freed the lock"
    files.unlock()
    ending = f"killed: no process works in it any more; resume with justtinker train --resume {tmp_path / 'run'}"
    assert how_it_ended(tmp_path / "run") == ending


def test_a_run_that_came_to_nothing_says_why(tmp_path: Path) -> None:
    RunDir.create(tmp_path / "run", "").manifest(status="failed", reason="ValueError: oh")
    for command in ("show", "monitor"):
        result = cli(command, tmp_path / "run")
        assert result.exit_code == 1
        assert result.output.endswith("; run failed: ValueError: oh\n")


def test_a_directory_of_an_older_version_says_its_status() -> None:
    assert how_it_ended(Path(__file__).parent.parent / "old_runs" / "finished") == "finished"
    assert how_it_ended(Path(__file__).parent / "nowhere") == ""
