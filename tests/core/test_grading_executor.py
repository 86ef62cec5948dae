"""`grading_executor`: where groups are judged, if a plugin says so."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import Group, PluginError, hookimpl
from justtinker_core.config_files import read
from justtinker_core.enabling import open_plugins
from justtinker_core.testing import Runner, _backend, _running, _stand_ins
from tests.core.conftest import Ask, Correct, Mean, Report, Rl, RunOf, ScriptedBackend, Sft, cast, go, problems, records
from tests.core.conftest import Judge as Verify


class Counting(ThreadPoolExecutor):
    """Threads with a name, that say when they are shut down."""

    def __init__(self) -> None:
        super().__init__(2, thread_name_prefix="mine")
        self.submitted = 0
        self.shut: list[bool] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.submitted += 1
        return super().submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.shut.append(wait)
        super().shutdown(wait, cancel_futures=cancel_futures)


class Gives:
    def __init__(self, executor: Any) -> None:
        self.executor = executor

    @hookimpl
    def grading_executor(self) -> Any:
        return self.executor


class Where:
    @hookimpl
    def measure(self, group: Group) -> dict[str, list[float | None]]:
        mine = threading.current_thread().name.startswith("mine")
        return {"mine": [float(mine)] * len(group.rollouts)}


def test_training_and_evaluation_are_judged_on_it_and_it_is_shut_down(run_of: RunOf) -> None:
    executor = Counting()
    run = run_of(*cast(), Gives(executor), Where(), problems={"train": problems(4), "held": problems(3)})
    assert go(run) == "finished"
    assert {stats.metrics["mine"] for stats in (*run.history.steps, *run.history.evals)} == {1.0}
    assert executor.submitted == 2 * 2 + 2 * 3, "two problems a step, three at the start and at the end"
    assert executor.shut == [True]


def test_the_records_are_those_of_threads(run_of: RunOf, tmp_path: Path) -> None:
    go(run_of(*cast(), directory="plain"))
    go(run_of(*cast(), Gives(Counting()), directory="mine"))
    assert records(tmp_path / "plain", "steps.jsonl") == records(tmp_path / "mine", "steps.jsonl")


def test_none_is_no_answer(run_of: RunOf) -> None:
    first, second = Gives(None), type("Second", (Gives,), {})(Counting())
    go(run_of(*cast(), first, second))
    assert second.executor.submitted == 4


def test_after_an_error_it_is_not_waited_for(run_of: RunOf) -> None:
    class Fails(Correct):
        @hookimpl
        def score(self, group: Group) -> dict[str, list[float | None]]:
            raise ValueError("no")

    executor, report = Counting(), Report()
    with pytest.raises(PluginError, match=r"plugin 'fails' .*: ValueError: no"):
        go(run_of(ScriptedBackend(), Ask(), Verify(), Fails(), Mean(), Rl(), Gives(executor), report))
    assert executor.shut == [False]
    assert report.statuses == ["failed"]


def test_something_else_is_blamed_on_its_plugin(run_of: RunOf) -> None:
    with pytest.raises(
        PluginError, match=r"plugin 'gives' \(under test\) failed in grading_executor.*Executor.*'four'"
    ):
        go(run_of(*cast(), Gives("four")))


class Broken(Counting):
    def __init__(self, at_once: bool) -> None:
        super().__init__()
        self.at_once = at_once

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.at_once:
            raise ConnectionError("cluster gone")
        future: Future[Any] = Future()
        future.set_exception(ConnectionError("cluster gone"))
        return future


@pytest.mark.parametrize("at_once", [True, False])
def test_an_executor_that_fails_is_named_with_the_group(run_of: RunOf, at_once: bool) -> None:
    text = r"^the executor of gives failed: ConnectionError: cluster gone \(step 1, problem 'p\d'; the group is kept in"
    with pytest.raises(PluginError, match=text):
        go(run_of(*cast(), Gives(Broken(at_once))))


def test_sft_runs_with_an_executor_too(run_of: RunOf) -> None:
    """It judges its evaluations only, and has no reward."""
    executor = Counting()
    sets = {"train": problems(4), "held": problems(3)}
    run = run_of(ScriptedBackend(), Ask(), Verify(), Sft(), Gives(executor), problems=sets)
    assert go(run) == "finished"
    assert executor.submitted == 6
    alone = run_of(ScriptedBackend(), Sft(), Gives(Counting()), directory="alone")
    assert go(alone) == "finished"


PLUGIN = """
import multiprocessing, os
from concurrent.futures import ProcessPoolExecutor
from justtinker_core import hookimpl, plugin

@plugin
class Elsewhere:
    @hookimpl
    def grading_executor(self, run):
        return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))

@plugin
class Pid:
    @hookimpl
    def measure(self, group):
        return {"other_process": [float(os.getpid() != HERE)] * len(group.rollouts)}

HERE = int(os.environ.get("JUSTTINKER_TEST_PID", 0))
"""


def test_another_process_opens_the_plugins_of_the_config_and_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUSTTINKER_TEST_PID", str(os.getpid()))
    (tmp_path / "elsewhere.py").write_text(PLUGIN)
    stand_ins, backend = _stand_ins.__file__, _backend.__file__
    (tmp_path / "c.toml").write_text(
        '[run]\nname = "c"\nmodel = "scripted"\nsteps = 1\n[data.train]\nuse = "arithmetic"\ncount = 9\n'
        '[plugins]\nenable = ["backend", "question", "rl", "exact", "correct", "group_mean", "elsewhere", "pid"]\n'
        f'[local_plugins]\nbackend = "{backend}:ScriptedBackend"\nquestion = "{stand_ins}:Question"\n'
        f'rl = "{stand_ins}:Grpo"\nelsewhere = "elsewhere.py:Elsewhere"\npid = "elsewhere.py:Pid"\n'
    )
    config = read(tmp_path / "c.toml", ["plugins.exact.kinds=['math']"])
    run = _running.open_run(tmp_path / "run", config, open_plugins(config))
    assert go(run) == "finished"
    assert run.history.steps[0].metrics["other_process"] == 1.0


def test_authors_can_try_one_with_run_with(tmp_path: Path) -> None:
    executor = Counting()
    done = Runner(tmp_path)(Gives(executor), Where(), steps=1)
    assert done.steps[0].metrics["mine"] == 1.0
