"""Run the real loop in a test: config, run directory, data, threads and records, on a scripted backend."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from justtinker_core import loop
from justtinker_core.answers import all_of
from justtinker_core.config import RunConfig, parse
from justtinker_core.data import check_problems
from justtinker_core.discovery import Found, snake_case
from justtinker_core.errors import PluginError
from justtinker_core.hookspecs import attribute_of, hookimpl, implements
from justtinker_core.plugins import Active, Plugins, activate
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.testing import _stand_ins
from justtinker_core.testing._backend import Respond, ScriptedBackend
from justtinker_core.types import DataSpec, EvalStats, Finding, Group, Problem, StepStats
from justtinker_core.weights import take_reward_options

Sets = Sequence[Problem] | Mapping[str, Sequence[Problem]]
"""Problems to train on; or a mapping from "train" and names of evaluation sets to problems."""
SUMS = (("0+0=?", "0"), ("1+0=?", "1"), ("1+1=?", "2"), ("0+1=?", "1"), ("0+2=?", "2"))
Tables = Mapping[str, Mapping[str, Any]]
TABLES: Tables = {
    "run": {"name": "test", "model": "scripted"},
    "optimizer": {"learning_rate": 0.1},
    "sampling": {"max_tokens": 10_000},
    "local_plugins": {"listed": f"{_stand_ins.__file__}:Listed"},
}


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a run."""

    run: Run
    """The closed run."""
    status: str
    """finished, stopped or interrupted."""
    groups: tuple[Group, ...]
    """The groups of all training steps, with verdicts, measures, rewards and advantages."""
    steps: tuple[StepStats, ...]
    """The records of ``steps.jsonl``."""
    evals: tuple[EvalStats, ...]
    """The records of ``evals.jsonl``."""
    findings: tuple[Finding, ...]
    """The monitors' findings, with their names as ``source``."""

    @property
    def dir(self) -> Path:
        """The run directory."""
        return self.run.dir


class Runner:
    """``run_with(*plugins, ...)``: trains a run with these plugins and returns its result."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs = 0

    def __call__(
        self,
        *plugins: Any,
        steps: int = 2,
        problems: Sets | None = None,
        respond: Respond | None = None,
        rollouts: int = 4,
        config: Mapping[str, Any] | None = None,
        directory: str | None = None,
    ) -> Done:
        """Train `steps` steps with these plugins, instances or classes. Stand-ins fill the roles that they leave open.

        `respond(prompt, index)` is what the policy says. A step has at most 4 problems, each with `rollouts` rollouts.
        `config` overrides tables: ``{"run.seed": 1, "plugins.last_word.weight": 0.5}``. A plugin's name is that of its
        class in snake case: ``last_word`` for LastWord. A second run in the same `directory` continues the first.
        """
        self._runs += 1
        path = self._folder / (directory or f"run_{self._runs}")
        given = [*plugins, *([ScriptedBackend(respond)] if respond is not None else [])]
        tables = tables_of({"run.steps": steps, **(config or {})}, [name_of(plugin) for plugin in given])
        bare = parse({name: table for name, table in tables.items() if name != "data"}, self._folder)
        active = [activate_given(plugin, bare.plugin_options) for plugin in given]
        sets = problems_of(active, bare.run.seed) if problems is None else problems
        whole = parse(add_data(tables, sets, path.with_name(f"{path.name}_data")), self._folder)
        recorder = Recorder()
        active += [*stand_ins(active, rollouts), activate_given(recorder, name="run_with_recorder")]
        run = open_run(path, whole, Plugins(active, whole.grading))
        with loop.opened(run):
            loop.train(run)
        history = run.files.history()
        findings = [Finding(**f) for record in run.files.read("steps.jsonl") for f in record["findings"]]
        return Done(run, run.status, tuple(recorder.groups), history.steps, history.evals, tuple(findings))


@dataclass(frozen=True, slots=True)
class Given(Found):
    """A plugin that a test passes in instead of naming it."""

    cls: Any = None

    def load(self) -> Any:
        """Return its class."""
        return self.cls


@dataclass
class Recorder:
    """A monitor that keeps the groups of every step."""

    groups: list[Group] = field(default_factory=list, init=False)

    @hookimpl
    def inspect_step(self, groups: Sequence[Group]) -> None:
        """Keep the groups, which have rewards and advantages by now."""
        self.groups += groups


def name_of(plugin: Any) -> str:
    """Return the name of a plugin or its class: ``last_word`` for LastWord."""
    cls = plugin if inspect.isclass(plugin) else type(plugin)
    return snake_case(cls.__name__)


def activate_given(plugin: Any, tables: Tables | None = None, name: str = "") -> Active:
    """Activate an instance, or a class whose options come from its table."""
    cls = plugin if inspect.isclass(plugin) else type(plugin)
    name = name or name_of(plugin)
    options = (tables or {}).get(name, {})
    found = Given(name, "local", f"{cls.__module__}:{cls.__name__}", "under test", "", cls=cls)
    if plugin is cls:
        return activate(found, options)
    reward, own = None, dict(options)
    if implements(cls, "score"):
        reward, own = take_reward_options(attribute_of(cls, "default_weight"), f"plugins.{name}", own)
    if own:
        raise PluginError(
            f"[plugins.{name}] {next(iter(own))}: an instance takes no options; set them on it, or pass its class"
        )
    return Active(found, plugin, reward)


def stand_ins(active: Sequence[Active], rollouts: int) -> list[Active]:
    """Return a small plugin for every role that none of the active plugins fills."""
    small: dict[str, tuple[str, Any]] = {
        "open_backend": ("scripted_backend", ScriptedBackend()),
        "build_prompt": ("stand_in_prompt", _stand_ins.Question()),
        "verify": ("stand_in_verifier", _stand_ins.Match()),
        "score": ("stand_in_reward", _stand_ins.Correct()),
        "advantages": ("stand_in_advantages", _stand_ins.Mean()),
        "collect_batch": ("stand_in_algorithm", _stand_ins.Grpo(rollouts=rollouts)),
    }
    filled = {hook for hook in small for a in active if implements(type(a.instance), hook)}
    return [activate_given(plugin, name=name) for hook, (name, plugin) in small.items() if hook not in filled]


def open_run(path: Path, config: RunConfig, plugins: Plugins, previous: Sequence[Path] = ()) -> Run:
    """Make a run that is not opened yet, in a new directory or in that of a run to continue."""
    files = RunDir(path) if path.exists() else RunDir.create(path, config.dump())
    return Run(config, plugins, files, previous)


def problems_of(active: Sequence[Active], seed: int) -> Sequence[Problem]:
    """Return the problems of the first plugin that loads any; small sums if none does."""
    for a in active:
        if implements(type(a.instance), "load_problems"):
            name, spec = a.found.name, DataSpec("train", "train", a.found.name, {}, seed=seed)
            loaded: Sequence[Problem] = Plugins([a]).ask(name, "load_problems", all_of(Problem), spec=spec, seed=seed)
            return loaded
    return [Problem(f"sum-{i}", question, gold, demonstration=gold) for i, (question, gold) in enumerate(SUMS)]


def tables_of(changes: Mapping[str, Any], names: Sequence[str] = (), base: Tables = TABLES) -> dict[str, Any]:
    """Return the tables of a config that enables plugins of these names; apply changes like ``{"run.steps": 3}``."""
    if twice := [name for name in names if names.count(name) > 1]:
        raise PluginError(f"two of the given plugins are called {twice[0]!r}: give each class only once")
    tables: dict[str, Any] = {name: dict(table) for name, table in base.items()}
    tables["plugins"] = {"enable": list(names)}
    for key, value in changes.items():
        set_key(tables, key, value)
    return tables


def set_key(tables: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key of nested tables."""
    *parents, last = key.split(".")
    for parent in parents:
        tables = tables.setdefault(parent, {})
    tables[last] = value


def add_data(tables: dict[str, Any], sets: Sets, folder: Path) -> dict[str, Any]:
    """Write the problems to files in the folder, and add data tables that read them."""
    folder.mkdir(parents=True, exist_ok=True)
    data = tables.setdefault("data", {})
    for name, problems in (sets if isinstance(sets, Mapping) else {"train": sets}).items():
        parent = data if name == "train" else data.setdefault("eval", {})
        parent.setdefault(name, {}).update(use="listed", path=str(write_problems(folder / f"{name}.json", problems)))
    return tables


def write_problems(file: Path, problems: Sequence[Problem]) -> Path:
    """Write problems to a file that `Listed` reads."""
    check_problems(problems, DataSpec(file.stem, "train" if file.stem == "train" else "eval", "the test", {}))
    file.write_text(json.dumps([asdict(problem) for problem in problems]), encoding="utf-8")
    return file
