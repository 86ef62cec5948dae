"""One run: what hooks are given to work with, opened from a config and closed again whatever happens."""

from __future__ import annotations

import hashlib
import logging
import platform
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np

from justtinker_core import data
from justtinker_core.checkpoints import checkpoint_of
from justtinker_core.config import DataSpec, RunConfig
from justtinker_core.evaluation import Evaluations
from justtinker_core.options import PluginError, all_of, all_or_none, nearest
from justtinker_core.plugins import SPECS, Active, Found, Plugins, activate, find, look_up
from justtinker_core.rollouts import GroupError, Metered, Settings, collect, fill_prompt, number
from justtinker_core.rundir import RunDir, Scribe
from justtinker_core.types import Backend, Group, History, Problem, Prompt, Sampler, StepStats
from justtinker_core.watch import watch

T = TypeVar("T")
log = logging.getLogger("justtinker")


def installed(config: RunConfig) -> dict[str, Found]:
    """All plugins that the config can name: the installed ones and its own."""
    found = find()
    for name, reference in config.local_plugins.items():
        if name in found:
            raise PluginError(
                f"[local_plugins] {name}: package {found[name].package} has a plugin of that name; choose another"
            )
        found[name] = Found(name, "local", reference, "local file", digest(Path(reference.rpartition(":")[0])))
    return found


def digest(path: Path) -> str:
    """The version of a local plugin: the first digits of its file's SHA-256; nothing, if there is no such file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else ""


def open_plugins(config: RunConfig) -> Plugins:
    """Import and set up what the config enables, and nothing else. A plugin that only data tables name takes theirs."""
    found = installed(config)
    tables = {spec.use: (spec.options, spec.table) for spec in reversed(config.data)}
    tables |= {name: (options, f"plugins.{name}") for name, options in config.plugin_options.items()}

    places = {spec.use: f"[{spec.table}] use: " for spec in reversed(config.data)}

    def set_up(name: str) -> Active:
        return activate(look_up(name, found, places.get(name, "[plugins] enable: ")), *tables.get(name, ({}, "")))

    return Plugins(all_or_none(partial(set_up, name) for name in config.enable))


def check_roles(config: RunConfig, plugins: Plugins) -> None:
    """PluginError if a role that the run needs is not filled, or one that takes one is filled twice."""
    needs = {"open_backend": "every run"}
    purposes = {spec.purpose for spec in config.data}
    if "eval" in purposes:
        needs |= dict.fromkeys(("build_prompt", "verify"), "the evaluation")
    if config.run.steps > 0:
        if "train" not in purposes:
            raise PluginError("there is no table [data.train] to train on")
        for algorithm in plugins.who("collect_batch"):
            wanted = getattr(plugins.active[algorithm].instance, "needs", ())
            if isinstance(wanted, str) or (unknown := [hook for hook in wanted if hook not in SPECS]):
                odd = wanted if isinstance(wanted, str) else unknown[0]
                raise PluginError(
                    f"algorithm {algorithm!r}: needs is a list of hooks, not {odd!r}{nearest(odd, SPECS)}"
                )
            needs |= dict.fromkeys(wanted, f"the algorithm {algorithm!r}")
        needs["collect_batch"] = "training"
    all_or_none(partial(plugins.require, hook, why) for hook, why in needs.items())


def resolved(config: RunConfig) -> RunConfig:
    """The config with every option written out, defaults included. PluginError if any plugin or option is wrong."""
    plugins, found = open_plugins(config), installed(config)
    check_roles(config, plugins)
    data_only = {spec.use for spec in config.data} - set(config.plugin_options)
    options = {name: a.dump() for name, a in plugins.active.items() if name not in data_only}
    specs = []
    for spec in config.data:
        own = {**config.plugin_options.get(spec.use, {}), **spec.options}
        specs.append(replace(spec, options=activate(look_up(spec.use, found), own, spec.table).dump()))
    run = config.run
    if run.start_from is not None and "://" not in run.start_from:
        checkpoint_of(run.start_from, Path.cwd())
        run = replace(run, start_from=str(Path(run.start_from).resolve()))
    return replace(config, run=run, plugin_options={n: o for n, o in options.items() if o}, data=tuple(specs))


@dataclass
class Run:
    """What a hook sees of the run. A context manager: it opens data and backend, and lets plugins and backend go."""

    config: RunConfig
    plugins: Plugins
    files: RunDir
    previous: Sequence[Path] = ()
    """Directories of the runs that the same command made before."""
    last: bool = True
    """No other run follows in the same command."""
    checks: Sequence[Callable[[Run], None]] = ()
    """What whoever opens the run wants checked beside the plugins' `preflight`; each raises a PluginError."""
    step: int = 0
    history: History = field(default_factory=History)
    tokens: Counter[str] = field(default_factory=Counter)
    """prefill, cached_prefill, sampled, trained: of this process's steps."""
    failed: int = 0
    """Groups of this step that could not be sampled."""
    spent: float = 0.0
    """USD, whatever was set aside included."""
    next_sampler: Sampler | None = None
    _groups: tuple[int, int] = (0, 0)
    """A step, and how many of its groups are sampled."""
    backend: Backend = field(init=False)
    ready: bool = False
    """The backend is open and its own plugin has no complaint: it can be asked to encode."""
    train_problems: tuple[Problem, ...] = ()
    eval_problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)
    skipped: dict[str, Counter[str]] = field(default_factory=dict)
    """Data table -> why rows of it are no problems of this run -> how many."""
    status: str = "failed"
    scribe: Scribe = field(default_factory=Scribe)
    evaluations: Evaluations = field(init=False)
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.evaluations = Evaluations(self)

    @property
    def dir(self) -> Path:
        """The run directory."""
        return self.files.path

    def __enter__(self) -> Run:
        self.files.lock()
        watch(self, self._over)
        try:
            check_roles(self.config, self.plugins)
            all_or_none([self._load, self._open, self._preflight])
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            self.status = "interrupted"
        try:
            self.evaluations.close()
            self.scribe.close()
            self.plugins.tell("finish_run", run=self, status=self.status)
        finally:
            self._over.set()
        if hasattr(self, "backend"):
            self.backend.close()
        self.files.unlock()

    def _load(self) -> None:
        found, options = installed(self.config), self.config.plugin_options

        def load(spec: DataSpec) -> None:
            skipped = self.skipped.setdefault(spec.table, Counter())
            problems = data.load(spec, found, options.get(spec.use, {}), skipped)
            if spec.purpose == "train":
                self.train_problems = problems
            else:
                self.eval_problems[spec.name] = problems

        all_or_none(partial(load, spec) for spec in self.config.data)
        for name in self.plugins.who("drop_problems"):
            self._drop(name, self.plugins.ask(name, "drop_problems", dict, run=self) or {})

    def _drop(self, plugin: str, reasons: Mapping[str, str]) -> None:
        known = {problem.id for problem in self.train_problems}
        if unknown := [name for name in reasons if name not in known]:
            raise PluginError(f"plugin {plugin!r} drops {unknown[0]!r}, which is no training problem")
        self.train_problems = tuple(p for p in self.train_problems if p.id not in reasons)
        if reasons:
            self.skipped["data.train"].update(reasons.values())
            log.warning("[data.train] %s leaves out %d of %d problems", plugin, len(reasons), len(known))
        if known and not self.train_problems:
            raise PluginError(f"[data.train] plugin {plugin!r} leaves none of its {len(known)} problems")

    def _open(self) -> None:
        backend = self.plugins.first("open_backend", run=self)
        if backend is None:
            raise PluginError(f"{self.plugins.who('open_backend')[0]} opened no backend")
        self.backend = backend

    def _preflight(self) -> None:
        opener = self.plugins.who("open_backend")[0]
        who = self.plugins.who("preflight") if hasattr(self, "backend") else []
        self.ready = hasattr(self, "backend") and opener not in who

        def ask(name: str) -> None:
            if complaints := self.plugins.ask(name, "preflight", all_of(str), run=self):
                raise PluginError("\n".join(complaints))
            self.ready = self.ready or name == opener

        calls: list[Callable[[], None]] = [partial(ask, name) for name in sorted(who, key=lambda name: name != opener)]
        calls += [self._priced, *(partial(check, self) for check in self.checks)]
        all_or_none(calls)

    def _priced(self) -> None:
        if self.ready and self.config.run.budget_usd is not None and self.backend.usd({"prefill": 1}) is None:
            raise PluginError(
                "run.budget_usd is set, but the backend does not know what tokens cost: set its prices, or no budget"
            )

    @property
    def sampler(self) -> Sampler:
        """Samples from the current weights; made when it is first needed."""
        if self.next_sampler is None:
            self.next_sampler = self.backend.sampler()
        return self.next_sampler

    def restore(self, path: str, *, optimizer: bool) -> None:
        """Take the weights of a checkpoint."""
        self.backend.restore(path, optimizer=optimizer)
        self.next_sampler = None

    def versions(self) -> dict[str, object]:
        """What a record of this run must name. A warning says what an earlier record names otherwise."""
        plugins = {n: f"{a.found.package} {a.found.version}".strip() for n, a in self.plugins.active.items()}
        before = self.files.manifest().get("plugins", {})
        if changed := [f"{n} ({before[n]}, now {v})" for n, v in plugins.items() if before.get(n, v) != v]:
            log.warning("this run had other versions before: %s", ", ".join(changed))
        return {"python": platform.python_version(), "platform": sys.platform, "plugins": plugins}

    # What algorithms work with

    def draw(self, step: int, n: int, items: Sequence[T]) -> list[T]:
        """The n items of a step; a new order every epoch, a pure function of (seed, step)."""
        return data.draw(items, step, n, self.config.run.seed)

    def prompt(self, problem: Problem) -> Prompt:
        """The prompt of a problem, encoded."""
        return fill_prompt(problem, self.plugins, self.backend)

    def rollouts(self, step: int, problems: Sequence[Problem], n: int) -> tuple[Group, ...]:
        """Sample, verify, measure and score n rollouts a problem with the weights of this step."""
        sampling = self.config.sampling
        settings = Settings(
            "sample", n, sampling.max_tokens, sampling.temperature, sampling.top_p, self.config.run.seed,
            sampling.max_failed,
        )  # fmt: skip
        first = self._groups[1] if self._groups[0] == step else 0  # an algorithm may ask for more in the same step
        self._groups = step, first + len(problems)
        groups = collect(
            problems, step, self.plugins, self.backend, Metered(self.sampler, self.tokens), settings, first
        )
        self.failed += len(problems) - len(groups)
        return groups

    def credit(self, group: Group) -> Group:
        """Give a group its advantages and ask whether it is kept. Unscored rollouts as the config says."""
        policy = self.config.run.unscored
        unscored = [verdict.outcome == "unscored" for verdict in group.verdicts]
        if policy == "abort" and any(unscored):
            reason = group.verdicts[unscored.index(True)].reason
            raise GroupError(f"problem {group.problem.id!r} was not graded ({reason}); run.unscored = 'abort'", group)
        places = [i for i, u in enumerate(unscored) if policy == "zero" or not u]
        advantages: list[float | tuple[float, ...] | None] = [None] * len(unscored)
        try:
            for place, value in zip(places, self._advantages(group, places), strict=True):
                advantages[place] = value
            group = replace(group, advantages=tuple(advantages))
            answers = [self.plugins.ask(name, "keep_group", group=group) for name in self.plugins.who("keep_group")]
        except PluginError as error:
            raise GroupError(str(error), group) from error
        return replace(group, kept=all(answer is not False for answer in answers))

    def _advantages(self, group: Group, places: Sequence[int]) -> list[float | tuple[float, ...]]:
        """What the plugin says for the rollouts at these places."""
        if not places:
            return []
        name = self.plugins.who("advantages")[0]
        some = group.select([i in places for i in range(len(group.rollouts))])
        answer = self.plugins.ask(name, "advantages", list, group=some) or []
        if len(answer) != len(places):
            raise PluginError(f"plugin {name!r} gives {len(answer)} advantages for {len(places)} rollouts")
        what = f"plugin {name!r}: the advantage of a rollout of {group.problem.id!r}"
        values = [tuple(number(v, what) for v in a) if np.ndim(a) else number(a, what) for a in answer]
        for rollout, value in zip(some.rollouts, values, strict=True):
            if isinstance(value, tuple) and len(value) != len(rollout.tokens):
                raise PluginError(f"{what} has {len(value)} numbers for {len(rollout.tokens)} tokens")
        return values

    # What the loop works with

    def evaluate(self) -> None:
        """Evaluate the current weights on every evaluation set that has no record of this step yet."""
        self.evaluations.begin(self.evaluations.unrecorded(self.step))
        self.evaluations.end()
        self.scribe.catch_up()

    def remember(self, stats: StepStats) -> None:
        """Add a step to the history."""
        self.history = replace(self.history, steps=(*self.history.steps, stats))
        self.spent += stats.usd or 0.0
