"""The shipped scripted backend and stand-ins, made to log their calls so that a run can be killed at any of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from justtinker_core import Finding, Group, Problem, Rollout, Verdict, hookimpl, loop, testing
from justtinker_core.cli import main
from justtinker_core.config import RunConfig, parse
from justtinker_core.loop import opened
from justtinker_core.plugins import Active, Plugins
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.testing import Respond, _running, _stand_ins
from justtinker_core.testing._running import activate_given
from justtinker_core.types import Batch, Datum, Update

LISTED = "from justtinker_core.testing._stand_ins import Listed\n"


class Killed(BaseException):
    """The process died here. Not an Exception, so that no `except Exception` catches it."""


class Trace:
    """A log of calls from all parts of a run, which can kill the run at the n-th call and every later one."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.kill_at: int | None = None
        self._lock = threading.Lock()

    def __call__(self, call: str) -> None:
        with self._lock:
            self.calls.append(call)
            if self.kill_at is not None and len(self.calls) > self.kill_at:
                raise Killed(self.calls[self.kill_at])


class Promise(Future[Any]):
    """A resolved future that logs when its result is awaited."""

    def __init__(self, value: Any, name: str, trace: Trace) -> None:
        super().__init__()
        self._name, self._trace = name, trace
        self.set_result(value)

    def result(self, timeout: float | None = None) -> Any:
        self._trace(f"await {self._name}")
        return super().result(timeout)


class ScriptedBackend(testing.ScriptedBackend):
    """The shipped scripted backend, each of whose calls may fail or kill the process."""

    end_token = "$"
    context_length = 10_000

    def __init__(self, respond: Respond | None = None, trace: Trace | None = None) -> None:
        super().__init__(respond)
        self.trace = trace or Trace()
        self.fail: dict[str, Exception] = {}
        """Name of a call -> what it raises."""
        self.ttls: list[int | None] = []

    @property
    def closed(self) -> int:
        return self.calls.count("close")

    def called(self, name: str) -> None:
        super().called(name)
        self.trace(name)
        if name in self.fail:
            raise self.fail[name]

    def promise(self, value: Any, name: str) -> Future[Any]:
        return Promise(value, name, self.trace)

    def save(self, name: str, ttl_seconds: int | None = None) -> Future[str]:
        self.ttls.append(ttl_seconds)
        future = super().save(name, ttl_seconds)
        self.trace("saved")
        return future


# The cast. Each logs its calls, so that a run can be killed at any of them.


class Player:
    def __init__(self, trace: Trace | None = None) -> None:
        self.trace = trace or Trace()


class Ask(Player):
    @hookimpl
    def build_prompt(self, problem: Problem) -> str:
        self.trace("build_prompt")
        return problem.question + "="


class Judge(Player, _stand_ins.Match):
    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict]:
        self.trace("verify")
        return super().verify(problem, rollouts)


class Correct(Player, _stand_ins.Correct):
    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        self.trace("score")
        return super().score(group)


class Length(Player):
    @hookimpl
    def measure(self, group: Group) -> dict[str, list[float | None]]:
        self.trace("measure")
        return {"letters": [float(len(r.text)) for r in group.rollouts]}


class Mean(Player, _stand_ins.Mean):
    @hookimpl
    def advantages(self, group: Group) -> list[float]:
        self.trace("advantages")
        return super().advantages(group)


class Rl(Player, _stand_ins.Grpo):
    problems, rollouts = 2, 3

    @hookimpl
    def collect_batch(self, step: int, run: Run) -> Batch:
        self.trace("collect_batch")
        batch = super().collect_batch(step, run)
        self.trace("collected")
        return batch


class Sft(Player):
    """An algorithm that trains on demonstrations and needs no other role."""

    @hookimpl
    def collect_batch(self, step: int, run: Run) -> Batch:
        self.trace("collect_batch")
        data = [
            Datum(tokens[:-1], tokens[1:], weights=(1.0,) * (len(tokens) - 1))
            for p in run.draw(step, 2, run.train_problems)
            if (tokens := tuple(map(ord, f"{p.question}={p.answer}$")))
        ]
        return Batch(updates=(Update(tuple(data), "cross_entropy"),), trained=len(data))


class Watch(Player):
    """A monitor that records the history it gets."""

    @hookimpl
    def inspect_step(self, stats: Any, groups: Any, history: Any) -> list[Finding]:
        self.trace("inspect_step")
        seen = {"steps": [s.step for s in history.steps], "evals": [(e.step, e.name) for e in history.evals]}
        return [Finding("info", f"step {stats.step}", seen)]


class Report(Player):
    """A reporter that records its calls."""

    def __init__(self, trace: Trace | None = None) -> None:
        super().__init__(trace)
        self.steps: list[Any] = []
        self.findings: list[Finding] = []
        self.evals: list[Any] = []
        self.progress: list[tuple[str, int, int]] = []
        self.statuses: list[str] = []

    @hookimpl
    def report_progress(self, stage: str, done: int, total: int) -> None:
        self.progress.append((stage, done, total))

    @hookimpl
    def report_step(self, run: Run, stats: Any, findings: Sequence[Finding]) -> None:
        self.trace("report_step")
        self.steps.append(stats)
        self.findings += findings

    @hookimpl
    def report_eval(self, run: Run, stats: Any) -> None:
        self.trace("report_eval")
        self.evals.append(stats)

    @hookimpl
    def finish_run(self, run: Run, status: str) -> None:
        self.trace("finish_run")
        self.statuses.append(status)


def cast(trace: Trace | None = None) -> list[Any]:
    """Return all plugins that an RL run needs."""
    trace = trace or Trace()
    return [ScriptedBackend(trace=trace), Ask(trace), Judge(trace), Correct(trace), Mean(trace), Rl(trace)]


def problems(n: int = 5, **changes: Any) -> list[Problem]:
    """Make sums with a one-digit answer."""
    return [Problem(f"p{i}", f"{i}+0", str(i % 3), demonstration=str(i % 3), **changes) for i in range(n)]


def active(*cast: Any) -> list[Active]:
    """Activate instances, or pairs of an instance and its reward options, named after their classes."""
    pairs = [member if isinstance(member, tuple) else (member, None) for member in cast]
    found = [(activate_given(instance, name=type(instance).__name__.lower()), reward) for instance, reward in pairs]
    return [replace(a, reward=reward) if reward else a for a, reward in found]


def plugins_of(*cast: Any) -> Plugins:
    """Make the active plugins of a run."""
    return Plugins(active(*cast))


RunOf = Callable[..., Run]
TABLES = _running.TABLES | {
    "run": {"name": "test", "model": "scripted", "steps": 2},
    "sampling": {"max_tokens": 20},
    "local_plugins": {"listed": "listed.py:Listed"},
}


@pytest.fixture
def run_of(tmp_path: Path) -> RunOf:
    """``run_of(*plugins, config=..., problems=..., directory=...)``: a Run, not entered yet.

    `config` overrides tables ("run.steps": 3). `problems` are those to train on, or a mapping: "train" and the names of
    evaluation sets. The same directory again goes on with the run that it holds.
    """

    def build(
        *cast: Any,
        config: Mapping[str, Any] | None = None,
        problems: _running.Sets | None = None,
        directory: str = "run",
        previous: Sequence[Path] = (),
    ) -> Run:
        wanted = config_of(tmp_path, config or {}, problems)
        return _running.open_run(tmp_path / directory, wanted, plugins_of(*cast), previous)

    return build


def config_of(folder: Path, changes: Mapping[str, Any], sets: _running.Sets | None) -> RunConfig:
    """Parse a config whose data tables read problems from files in the folder."""
    (folder / "listed.py").write_text(LISTED)
    tables = _running.tables_of(changes, base=TABLES)
    return parse(_running.add_data(tables, problems() if sets is None else sets, folder), folder)


def go(run: Run) -> str:
    """Open and train a run."""
    with opened(run):
        return loop.train(run)


def records(path: Path, name: str) -> list[dict[str, Any]]:
    """Read a record file of a run directory, without the times."""
    rows = RunDir(path).read(name)
    for row in rows:
        row.pop("seconds", None)
    return rows


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """``site(package, {group: {name: value}}, files={...})``: really install a throw-away package on sys.path."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)

    def install(package: str, entries: Mapping[str, Mapping[str, str]], files: Mapping[str, str] | None = None) -> Path:
        info = folder / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        groups = (f"[justtinker.{g}]\n" + "".join(f"{n} = {v}\n" for n, v in e.items()) for g, e in entries.items())
        (info / "entry_points.txt").write_text("\n".join(groups))
        for name, text in (files or {}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return folder

    return install


# The command line, with configs whose plugins are the scripted ones.

PLAYERS = """
from tests.core.conftest import *

class Stop(Player):
    @hookimpl
    def inspect_step(self, stats):
        return [Finding("stop", "enough")]

class Interrupt(Player):
    times = 1
    @hookimpl
    def inspect_step(self, stats):
        import signal
        for _ in range(self.times if stats.step == 1 else 0):
            signal.raise_signal(signal.SIGINT)

class Impatient(Interrupt):
    times = 2

class Crash(Player):
    @hookimpl
    def collect_batch(self):
        raise ValueError("oh")
"""

LATE = """
class Crash(Sft):
    @hookimpl
    def collect_batch(self, step, run):
        if step == 2:
            raise ValueError("oh")
        return super().collect_batch(step, run)
"""
WILD = """
class Wild(Player):
    @hookimpl
    def score(self, group):
        return {"wild": [7.0 for _ in group.rollouts]}
"""


def cli(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """``written(name, *enable, steps=...)``: a config file whose plugins are the scripted ones."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "players.py").write_text(PLAYERS)
    (tmp_path / "listed.py").write_text(LISTED)
    (tmp_path / "p.json").write_text(json.dumps([{"id": f"{i}", "question": f"{i}", "answer": "1"} for i in range(4)]))

    def write(name: str, *enable: str, steps: int = 2, more: str = "") -> Path:
        enable = enable or ("ScriptedBackend", "Sft")
        path = tmp_path / f"{name}.toml"
        path.write_text(
            f'[run]\nname = "{name}"\nmodel = "scripted"\nsteps = {steps}\n[optimizer]\nlearning_rate = 0.1\n'
            f'[data.train]\nuse = "listed"\npath = "{tmp_path / "p.json"}"\n'
            f"[plugins]\nenable = {json.dumps([f'my_{e.lower()}' for e in enable])}\n"
            '[local_plugins]\nlisted = "listed.py:Listed"\n'
            + "".join(f'my_{e.lower()} = "players.py:{e}"\n' for e in enable)
            + more
        )
        return path

    return write


Written = Callable[..., Path]
