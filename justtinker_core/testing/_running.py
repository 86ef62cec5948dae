"""Real steps of the real loop for a test: config, run directory, data, threads and records, on a scripted backend."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from justtinker_core import loop
from justtinker_core.answers import all_of
from justtinker_core.config import RunConfig
from justtinker_core.config import parse as parsed
from justtinker_core.data import check
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
"""Problems to train on, or a mapping: "train" and the names of evaluation sets."""
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
    """What became of a run."""

    run: Run
    """The run itself, closed."""
    status: str
    """finished, stopped or interrupted."""
    groups: tuple[Group, ...]
    """Of all its training steps, with verdicts, measures, rewards and advantages."""
    steps: tuple[StepStats, ...]
    """As they stand in ``steps.jsonl``."""
    evals: tuple[EvalStats, ...]
    """As they stand in ``evals.jsonl``."""
    findings: tuple[Finding, ...]
    """What monitors said, with their names as ``source``."""

    @property
    def dir(self) -> Path:
        """The run directory."""
        return self.run.dir


class Runner:
    """``run_with(*plugins, ...)``: trains a run of these plugins and says what became of it."""

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
        """Train `steps` steps with these plugins, instances or classes; roles that they leave open get stand-ins.

        `respond(prompt, index)` is what the policy says. `rollouts`: how many a problem, of at most 4 problems a step.
        `config` overrides tables: ``{"run.seed": 1, "plugins.last_word.weight": 0.5}``; a plugin is called by its
        class's name, LastWord as ``last_word``. A second run in one `directory` goes on with the first one.
        """
        self._runs += 1
        path = self._folder / (directory or f"run_{self._runs}")
        given = [*plugins, *([ScriptedBackend(respond)] if respond is not None else [])]
        tables = tables_of({"run.steps": steps, **(config or {})}, [name_of(plugin) for plugin in given])
        wanted = parsed({name: table for name, table in tables.items() if name != "data"}, self._folder)
        active = [enabled(plugin, wanted.plugin_options) for plugin in given]
        sets = own_problems(active, wanted.run.seed) if problems is None else problems
        wanted = parsed(with_data(tables, sets, path.with_name(f"{path.name}_data")), self._folder)
        recorder = Recorder()
        active += [*stand_ins(active, rollouts), enabled(recorder, name="run_with_recorder")]
        run = open_run(path, wanted, Plugins(active))
        with loop.opened(run):
            loop.train(run)
        history = run.files.history()
        findings = [Finding(**f) for record in run.files.read("steps.jsonl") for f in record["findings"]]
        return Done(run, run.status, tuple(recorder.groups), history.steps, history.evals, tuple(findings))


@dataclass(frozen=True, slots=True)
class Given(Found):
    """A plugin that a test hands over, instead of naming it."""

    cls: Any = None

    def load(self) -> Any:
        """Its class."""
        return self.cls


@dataclass
class Recorder:
    """Keeps the groups of every step."""

    groups: list[Group] = field(default_factory=list, init=False)

    @hookimpl
    def inspect_step(self, groups: Sequence[Group]) -> None:
        """They have everything by now."""
        self.groups += groups


def name_of(plugin: Any) -> str:
    """A LastWord, or its class, as ``last_word``."""
    cls = plugin if inspect.isclass(plugin) else type(plugin)
    return snake_case(cls.__name__)


def enabled(plugin: Any, tables: Tables | None = None, name: str = "") -> Active:
    """An instance, or a class whose options come from its table, as an active plugin."""
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
            f"[plugins.{name}] {next(iter(own))}: the plugin is given as an instance; give it its options, or its class"
        )
    return Active(found, plugin, reward)


def stand_ins(active: Sequence[Active], rollouts: int) -> list[Active]:
    """Somebody for every role that none of the active plugins fills."""
    small: dict[str, tuple[str, Any]] = {
        "open_backend": ("scripted_backend", ScriptedBackend()),
        "build_prompt": ("stand_in_prompt", _stand_ins.Question()),
        "verify": ("stand_in_verifier", _stand_ins.Match()),
        "score": ("stand_in_reward", _stand_ins.Correct()),
        "advantages": ("stand_in_advantages", _stand_ins.Mean()),
        "collect_batch": ("stand_in_algorithm", _stand_ins.Grpo(rollouts=rollouts)),
    }
    filled = {hook for hook in small for a in active if implements(type(a.instance), hook)}
    return [enabled(plugin, name=name) for hook, (name, plugin) in small.items() if hook not in filled]


def open_run(path: Path, wanted: RunConfig, plugins: Plugins, previous: Sequence[Path] = ()) -> Run:
    """A run, not opened yet, in a new directory; or in one that holds a run, to go on with it."""
    files = RunDir(path) if path.exists() else RunDir.create(path, wanted.dump())
    return Run(wanted, plugins, files, previous)


def own_problems(active: Sequence[Active], seed: int) -> Sequence[Problem]:
    """What the first plugin that loads problems has to offer; small sums if none does."""
    for a in active:
        if implements(type(a.instance), "load_problems"):
            name, spec = a.found.name, DataSpec("train", "train", a.found.name, {}, seed=seed)
            loaded: Sequence[Problem] = Plugins([a]).ask(name, "load_problems", all_of(Problem), spec=spec, seed=seed)
            return loaded
    return [Problem(f"sum-{i}", question, gold, demonstration=gold) for i, (question, gold) in enumerate(SUMS)]


def tables_of(changes: Mapping[str, Any], names: Sequence[str] = (), base: Tables = TABLES) -> dict[str, Any]:
    """The tables of a config that enables plugins of these names, with changes such as ``{"run.steps": 3}``."""
    if twice := [name for name in names if names.count(name) > 1]:
        raise PluginError(f"two of the given plugins are called {twice[0]!r}: a class can be given once")
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


def with_data(tables: dict[str, Any], sets: Sets, folder: Path) -> dict[str, Any]:
    """The tables, with data tables that read the problems from files in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    data = tables.setdefault("data", {})
    for name, problems in (sets if isinstance(sets, Mapping) else {"train": sets}).items():
        place = data if name == "train" else data.setdefault("eval", {})
        place.setdefault(name, {}).update(use="listed", path=str(written(folder / f"{name}.json", problems)))
    return tables


def written(file: Path, problems: Sequence[Problem]) -> Path:
    """The problems in a file, as `Listed` reads them."""
    check(problems, DataSpec(file.stem, "train" if file.stem == "train" else "eval", "the test", {}))
    file.write_text(json.dumps([asdict(problem) for problem in problems]), encoding="utf-8")
    return file
