"""A scripted backend and a cast of throw-away plugins: with them a whole run takes milliseconds.

Everything but the model is real: config, run directory, data (through a one-file local plugin), threads, records.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result

from justtinker_core import Finding, Group, Problem, Rollout, Verdict, config, hookimpl, loop
from justtinker_core.cli import main
from justtinker_core.plugins import Active, Found, Plugins, implements
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.types import Adam, Batch, Datum, Sample, SampleRequest, TrainResult, Update
from justtinker_core.weights import RewardOptions

LISTED = '''
import json
from pathlib import Path
from justtinker_core import Problem, hookimpl, plugin

@plugin
class Listed:
    """Problems from a JSON file."""
    path: str
    @hookimpl
    def load_problems(self):
        return [Problem(**row) for row in json.loads(Path(self.path).read_text())]
'''


class Killed(BaseException):
    """The process died here: no `except Exception` may get in the way."""


class Trace:
    """A log of calls from everywhere, which can kill the run at the n-th of them and stays dead."""

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
    """A kept promise that logs when somebody waits for it."""

    def __init__(self, value: Any, name: str, trace: Trace) -> None:
        super().__init__()
        self._name, self._trace = name, trace
        self.set_result(value)

    def result(self, timeout: float | None = None) -> Any:
        self._trace(f"await {self._name}")
        return super().result(timeout)


Respond = Callable[[str, int], str]


class ScriptedBackend:
    """Characters as tokens; a script says what is sampled; one number for weights, really saved and restored.

    Without a script the answer to a prompt is a digit that depends on prompt, seed, sample index and weights.
    """

    end_token = "$"
    context_length = 10_000
    concurrent = False

    def __init__(self, respond: Respond | None = None, trace: Trace | None = None) -> None:
        self.respond, self.trace = respond, trace or Trace()
        self.weights, self.momentum, self.gradient = 1.0, 0.0, 0.0
        self.requests: list[list[SampleRequest]] = []
        self.updates: list[tuple[tuple[Datum, ...], str, dict[str, float]]] = []
        self.adams: list[Adam] = []
        self.deliver: Callable[[list[tuple[Future[list[Sample]], list[Sample]]]], None] = deliver_at_once
        self.fail: dict[str, Exception] = {}
        """Name of a call -> what it raises."""
        self.closed = 0
        self.price: float | None = None
        """USD a token, of any kind."""
        self.ttls: list[int | None] = []
        self.folder = Path()

    def _call(self, name: str) -> None:
        self.trace(name)
        if name in self.fail:
            raise self.fail[name]

    @hookimpl
    def open_backend(self, run: Run) -> ScriptedBackend:
        self._call("open_backend")
        self.folder = run.dir / "checkpoints"
        return self

    def encode(self, text: str) -> list[int]:
        return [ord(c) for c in text]

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(map(chr, tokens))

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        return "".join(f"[{m['role']}]{m['content']}" for m in messages) + "[assistant]"

    def sampler(self) -> ScriptedSampler:
        self._call("sampler")
        return ScriptedSampler(self, self.weights)

    def forward_backward(self, data: Sequence[Datum], loss: str, config: Mapping[str, float]) -> Future[TrainResult]:
        self._call("forward_backward")
        self.updates.append((tuple(data), loss, dict(config)))
        logprob = -1 / (1 + self.weights**2)
        each = [d.weights if d.weights is not None else d.advantages or () for d in data]
        self.gradient += sum(
            math.sin(target * 12.9898 + place * 78.233) * weight  # no two batches alike
            for datum, weights in zip(data, each, strict=True)
            for place, (target, weight) in enumerate(zip(datum.targets, weights, strict=True))
        )
        total = -logprob * sum(map(sum, each))
        return Promise(
            TrainResult(total, tuple((logprob,) * len(d.targets) for d in data)), "forward_backward", self.trace
        )

    def optim_step(self, adam: Adam) -> Future[Mapping[str, float]]:
        self._call("optim_step")
        self.adams.append(adam)
        norm = abs(self.gradient)
        self.momentum = adam.beta1 * self.momentum + math.tanh(self.gradient)
        self.weights += adam.learning_rate * self.momentum
        self.gradient = 0.0
        return Promise({"grad_norm": norm}, "optim_step", self.trace)

    def save(self, name: str, ttl_seconds: int | None = None) -> Future[str]:
        self._call("save")
        self.ttls.append(ttl_seconds)
        self.folder.mkdir(exist_ok=True)
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps([self.weights, self.momentum]))
        self.trace("saved")
        return Promise(str(path), "save", self.trace)

    def restore(self, path: str, *, optimizer: bool) -> None:
        self._call(f"restore {Path(path).stem}{'' if optimizer else ' without optimizer'}")
        self.weights, momentum = json.loads(Path(path).read_text())
        self.momentum = momentum if optimizer else 0.0

    def forget(self, path: str) -> None:
        self._call(f"forget {Path(path).stem}")
        Path(path).unlink()

    def usd(self, tokens: Mapping[str, int]) -> float | None:
        return None if self.price is None else self.price * sum(tokens.values())

    def close(self) -> None:
        self.closed += 1
        self.trace("close")


def deliver_at_once(ready: list[tuple[Future[list[Sample]], list[Sample]]]) -> None:
    for future, samples in ready:
        future.set_result(samples)


class ScriptedSampler:
    def __init__(self, backend: ScriptedBackend, weights: float) -> None:
        self.backend, self.weights = backend, weights

    def sample(self, requests: Sequence[SampleRequest]) -> list[Future[list[Sample]]]:
        self.backend._call(f"sample {len(requests)}")
        self.backend.requests.append(list(requests))
        ready = [(Future[list[Sample]](), [self.one(r, i) for i in range(r.n)]) for r in requests]
        self.backend.deliver(ready)
        return [future for future, _ in ready]

    def one(self, request: SampleRequest, index: int) -> Sample:
        prompt = self.backend.decode(request.tokens)
        if self.backend.respond is not None:
            text = self.backend.respond(prompt, index)
        else:
            key = repr((prompt, request.seed, index, self.weights)).encode()
            text = str(hashlib.blake2b(key).digest()[0] % 3)
        text += request.stop[-1]  # the prompt's own
        end = min(text.index(s) + len(s) for s in request.stop if s in text)
        stopped, text = end <= request.max_tokens, text[: min(end, request.max_tokens)]
        logprob = -0.5 - 0.1 * math.tanh(self.weights)
        return Sample(tuple(map(ord, text)), (logprob,) * len(text), stopped)


# The cast. Each logs its calls, so that a run can be killed at any of them.


class Player:
    def __init__(self, trace: Trace | None = None) -> None:
        self.trace = trace or Trace()


class Ask(Player):
    @hookimpl
    def build_prompt(self, problem: Problem) -> str:
        self.trace("build_prompt")
        return problem.question + "="


class Judge(Player):
    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict]:
        self.trace("verify")
        return [Verdict("correct" if r.text == problem.answer else "incorrect", r.text) for r in rollouts]


class Correct(Player):
    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        self.trace("score")
        return {"correct": [float(v.outcome == "correct") for v in group.verdicts]}


class Length(Player):
    @hookimpl
    def measure(self, group: Group) -> dict[str, list[float | None]]:
        self.trace("measure")
        return {"letters": [float(len(r.text)) for r in group.rollouts]}


class Mean(Player):
    @hookimpl
    def advantages(self, group: Group) -> list[float]:
        self.trace("advantages")
        totals = [r.total for r in group.rewards]
        return [t - sum(totals) / len(totals) for t in totals]


class Rl(Player):
    """A small GRPO: every rollout with an advantage is trained, in one update."""

    needs: ClassVar[tuple[str, ...]] = ("build_prompt", "verify", "score", "advantages")
    problems, n = 2, 3

    @hookimpl
    def collect_batch(self, step: int, run: Run) -> Batch:
        self.trace("collect_batch")
        problems = run.draw(step, self.problems, run.train_problems)
        groups = tuple(run.credit(g) for g in run.rollouts(step, problems, self.n))
        self.trace("collected")
        data = tuple(
            datum(g, r, a)
            for g in groups
            for r, a in zip(g.rollouts, g.advantages, strict=True)
            if g.kept and isinstance(a, float)
        )
        return Batch(groups, (Update(data, "importance_sampling"),) if data else (), len(data))


def datum(group: Group, rollout: Rollout, advantage: float) -> Datum:
    tokens = group.prompt.tokens + rollout.tokens
    zeros = (0.0,) * (len(group.prompt.tokens) - 1)
    advantages = zeros + tuple(advantage if wrote else 0.0 for wrote in rollout.mask)
    return Datum(tokens[:-1], tokens[1:], logprobs=zeros + rollout.logprobs, advantages=advantages)


class Sft(Player):
    """Trains on the demonstrations; needs no other role."""

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
    """A monitor that notes the history it is shown."""

    @hookimpl
    def inspect_step(self, stats: Any, groups: Any, history: Any) -> list[Finding]:
        self.trace("inspect_step")
        seen = {"steps": [s.step for s in history.steps], "evals": [(e.step, e.name) for e in history.evals]}
        return [Finding("info", f"step {stats.step}", seen)]


class Report(Player):
    """A reporter that remembers what it is told."""

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
    """Everybody whom a run of RL needs."""
    trace = trace or Trace()
    return [ScriptedBackend(trace=trace), Ask(trace), Judge(trace), Correct(trace), Mean(trace), Rl(trace)]


def problems(n: int = 5, **changes: Any) -> list[Problem]:
    """Sums with a one-digit answer."""
    return [Problem(f"p{i}", f"{i}+0", str(i % 3), demonstration=str(i % 3), **changes) for i in range(n)]


def active(*cast: Any) -> list[Active]:
    """Instances, or pairs of an instance and its reward options, as active plugins called by their class's name."""
    found = []
    for member in cast:
        instance, reward = member if isinstance(member, tuple) else (member, None)
        if reward is None and implements(type(instance), "score"):
            reward = RewardOptions()
        name = type(instance).__name__.lower()
        value = f"{type(instance).__module__}:{type(instance).__name__}"
        found.append(Active(Found(name, "local", value, "throw-away", "1.0"), instance, reward))
    return found


def plugins_of(*cast: Any) -> Plugins:
    """The active plugins of a run."""
    return Plugins(active(*cast))


RunWith = Callable[..., Run]


@pytest.fixture
def run_with(tmp_path: Path) -> RunWith:
    """``run_with(*plugins, config=..., problems=..., directory=...)``: a Run, not entered yet.

    `config` overrides tables ("run.steps": 3). `problems` are those to train on, or a mapping: "train" and the names of
    evaluation sets. The same directory again goes on with the run that it holds.
    """

    def build(
        *cast: Any,
        config: Mapping[str, Any] | None = None,
        problems: Sequence[Problem] | Mapping[str, Sequence[Problem]] | None = None,
        directory: str = "run",
        previous: Sequence[Path] = (),
    ) -> Run:
        wanted = config_of(tmp_path, config or {}, problems)
        path = tmp_path / directory
        files = RunDir(path) if path.exists() else RunDir.create(path, wanted.dump())
        return Run(wanted, plugins_of(*cast), files, previous)

    return build


def config_of(
    folder: Path, changes: Mapping[str, Any], sets: Sequence[Problem] | Mapping[str, Sequence[Problem]] | None
) -> config.RunConfig:
    """A parsed config whose data tables read problems from files in the folder."""
    if sets is None:
        sets = {"train": problems()}
    elif not isinstance(sets, Mapping):
        sets = {"train": sets}
    (folder / "listed.py").write_text(LISTED)
    tables: dict[str, Any] = {
        "run": {"name": "test", "model": "scripted", "steps": 2},
        "optimizer": {"learning_rate": 0.1},
        "sampling": {"max_tokens": 20},
        "local_plugins": {"listed": "listed.py:Listed"},
    }
    for name, some in sets.items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps([asdict(p) for p in some]))
        data = tables.setdefault("data", {})
        place = data if name == "train" else data.setdefault("eval", {})
        place[name] = {"use": "listed", "path": str(file)}
    for key, value in changes.items():
        config.override(tables, f"{key}={json.dumps(value)}")
    return config.parse(tables, folder)


def go(run: Run) -> str:
    """Train it."""
    with run:
        return loop.train(run)


def records(path: Path, name: str) -> list[dict[str, Any]]:
    """A record file of a run directory, less what times."""
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
