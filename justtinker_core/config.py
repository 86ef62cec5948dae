"""The sections of a config, and the RunConfig that they become. Errors name the place and what was found there."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import Field

from justtinker_core.discovery import find
from justtinker_core.errors import PluginError, all_or_none, nearest
from justtinker_core.options import configure, plugin
from justtinker_core.paths import NameOrPath, PathIfThere, locate, with_base
from justtinker_core.rundir import is_run
from justtinker_core.types import Adam
from justtinker_core.types import DataSpec as DataSpec

NAME = r"^[\w.-]+$"
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]


@plugin
class RunSection:
    """``[run]``: what to train."""

    name: Annotated[str, Field(pattern=NAME)]
    """The name of the run and its directory."""
    model: Annotated[str, PathIfThere(("*.safetensors", "*.bin", "*.gguf"))]
    """The model that the backend opens: a hub id, a directory with weights, a GGUF file, or a name of the backend's
    own."""
    steps: Count
    """How many steps to train; 0 only evaluates."""
    start_from: NameOrPath | None = None
    """Weights to start from: a checkpoint's path, or a run directory (its newest checkpoint)."""
    seed: Count = 42
    """Seed of the order of problems and of every sample."""
    unscored: Literal["drop", "zero", "abort"] = "drop"
    """A rollout that could not be graded gets no advantage (drop), gets reward 0 (zero), or ends the run (abort)."""
    budget_usd: Annotated[float, Field(gt=0)] | None = None
    """Stop, with a checkpoint, if another step like the last one would exceed this."""


@plugin
class OptimizerSection:
    """``[optimizer]``: Adam and its learning rate."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-6
    """The learning rate after the warm-up."""
    warmup_steps: Count = 0
    """Steps over which the learning rate rises in a straight line."""
    decay: Literal["constant", "linear"] = "constant"
    """linear: falls to 0 after the last step."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Decay of the running mean of gradients."""
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.95
    """Decay of the running mean of squared gradients."""
    eps: Annotated[float, Field(gt=0)] = 1e-12
    """Added to the denominator."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled from the gradient (AdamW)."""
    grad_clip_norm: Annotated[float, Field(ge=0)] = 0.0
    """0 does not clip."""

    def at(self, step: int, steps: int) -> Adam:
        """Return Adam's settings for a step (from 1): linear warm-up, then constant or linear decay."""
        factor = min(1.0, step / self.warmup_steps) if self.warmup_steps else 1.0
        if self.decay == "linear" and step > self.warmup_steps:
            factor = (steps - step + 1) / (steps - self.warmup_steps)
        rate = self.learning_rate * factor
        return Adam(rate, self.beta1, self.beta2, self.eps, self.weight_decay, self.grad_clip_norm)


@plugin
class SamplingSection:
    """``[sampling]``: how training rollouts are sampled."""

    max_tokens: Positive = 8192
    """The thinking budget: the most tokens a response may have."""
    temperature: Annotated[float, Field(ge=0)] = 1.0
    """0 is greedy: all rollouts of a problem are then alike."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Sample from the likeliest tokens that together have this probability."""
    max_failed: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Leave out groups that cannot be sampled, up to this share of a step's groups (or an evaluation's problems)."""


@plugin
class GradingSection:
    """``[grading]``: how many groups are judged at once. A `grading_executor` plugin has its own say."""

    threads: Positive = 4
    """Threads that call verifiers, metrics and rewards that are plain functions: each has one group at a time."""
    groups: Positive = 1024
    """Groups of one step or evaluation that coroutines (``async def``) judge at once."""


@plugin
class EvaluationSection:
    """``[evaluation]``: when and how the ``[data.eval.…]`` sets are evaluated."""

    every: Count = 0
    """Steps from one evaluation to the next; 0: only evaluate the starting and the final weights."""
    at_start: bool = True
    """Also evaluate the starting weights."""
    at_end: bool = True
    """Also evaluate the final weights."""
    lag: Positive = 2
    """On a backend that samples while it trains: wait for the result after this many more steps."""
    temperature: Annotated[float, Field(ge=0)] = 0.7
    """0 is greedy."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Sample from the likeliest tokens that together have this probability."""
    max_tokens: Positive | None = None
    """Default: that of [sampling]."""
    seed: int = 0
    """Seed of the samples. Independent of the seed of [run], so that runs with other seeds are evaluated alike."""


@plugin
class CheckpointSection:
    """``[checkpoints]``: when to save weights and optimizer. The final ones are always saved."""

    every: Count = 50
    """Steps from one checkpoint to the next: the most that a kill can cost. 0: only at evaluations and at the end."""
    rolling: Count = 0
    """Steps between additional checkpoints that serve only to resume; each lasts until the next checkpoint. 0: none."""
    ttl_days: Annotated[float, Field(gt=0)] | None = None
    """How many days a server keeps checkpoints; default: until they are deleted."""
    rolling_ttl_days: Annotated[float, Field(gt=0)] = 7.0
    """How many days a server keeps rolling checkpoints."""

    def ttl(self, kind: str) -> int | None:
        """Return how many seconds a server keeps a checkpoint of this kind; None: until it is deleted."""
        days = self.rolling_ttl_days if kind == "rolling" else self.ttl_days
        return None if days is None else round(days * 86_400)


def due(step: int, every: int, last: int, at_end: bool = False) -> bool:
    """Return whether something done `every` so many steps (0: never) is due after this step."""
    return (every > 0 and step % every == 0 and step < last) or (at_end and step == last)


@plugin
class _DataCommon:
    use: str
    limit: Positive | None = None
    stratify_by: str | None = None
    samples: Positive = 1
    seed: Count | None = None


SECTIONS: dict[str, type[Any]] = {
    "run": RunSection,
    "optimizer": OptimizerSection,
    "sampling": SamplingSection,
    "grading": GradingSection,
    "evaluation": EvaluationSection,
    "checkpoints": CheckpointSection,
}
TABLES = (*SECTIONS, "data", "plugins", "local_plugins")


@dataclass(frozen=True, slots=True)
class RunConfig:
    """The config of one run."""

    run: RunSection
    optimizer: OptimizerSection
    sampling: SamplingSection
    grading: GradingSection
    evaluation: EvaluationSection
    checkpoints: CheckpointSection
    data: tuple[DataSpec, ...]
    enable: tuple[str, ...]
    """Active plugins in call order, those of the data tables included."""
    plugin_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    local_plugins: Mapping[str, str] = field(default_factory=dict)
    """Name -> ``/absolute/file.py:Class``."""
    recorded: bool = False
    """It is the config of a run that was made earlier."""

    def dump(self) -> str:
        """Write the config as TOML that `parse` reads back to the same config."""
        tables: dict[str, Any] = {name: without_none(getattr(self, name)) for name in SECTIONS}
        for spec in self.data:
            data = tables.setdefault("data", {})
            parent = data if spec.purpose == "train" else data.setdefault("eval", {})
            common = {k: v for k, v in without_none(spec).items() if k in _DataCommon.__dataclass_fields__}
            parent[spec.name] = common | dict(spec.options)
        tables["plugins"] = {"enable": list(self.enable), **self.plugin_options}
        tables["local_plugins"] = dict(self.local_plugins)
        return tomli_w.dumps(tables)


def without_none(section: Any) -> dict[str, Any]:
    """Return a section as a table, without what is None: TOML has no null."""
    return {f.name: v for f in dataclasses.fields(section) if (v := getattr(section, f.name)) is not None}


def check_shape(tables: Mapping[str, Any]) -> None:
    """Check that there are tables where tables belong, and no unknown ones."""
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise PluginError(f"{name} = {table!r} is outside any table")
        if name not in TABLES:
            raise PluginError(f"there is no table [{name}]{nearest(name, TABLES)}")
    enable = tables.get("plugins", {}).get("enable", [])
    if not isinstance(enable, list) or not all(isinstance(name, str) for name in enable):
        raise PluginError(f"[plugins] enable: expected a list of plugin names, got {enable!r}")
    for name, reference in tables.get("local_plugins", {}).items():
        if not isinstance(reference, str):
            raise PluginError(f"[local_plugins] {name}: expected 'file.py:Class', got {reference!r}")
    if not isinstance(tables.get("data", {}).get("eval", {}), dict):
        raise PluginError("expected a table [data.eval.NAME] for each evaluation set")


def parse(tables: Mapping[str, Any], base: Path) -> RunConfig:
    """Validate the tables of a config, whose folder is `base`: there its relative paths begin.

    The config of a run has absolute paths. Earlier versions wrote some as they were given, to the working directory.
    """
    check_shape(tables)
    recorded = is_run(base)
    run, local = dict(tables.get("run", {})), with_base(tables.get("local_plugins", {}), base)
    if "start_from" in run:
        run["start_from"] = with_base(run["start_from"], base)
    tables = with_base({**tables, "run": run}, Path.cwd() if recorded else base)
    calls = (partial(configure, cls, name, locate(cls, tables.get(name, {}))) for name, cls in SECTIONS.items())
    sections: dict[str, Any] = dict(zip(SECTIONS, all_or_none(calls), strict=True))
    local = {name: str((text.base / text).resolve()) for name, text in local.items()}
    data = data_specs(tables.get("data", {}), sections["run"].seed)
    options = dict(tables.get("plugins", {}))
    enable = enabled_plugins([str(name) for name in options.pop("enable", [])], data)
    for name, table in options.items():
        if not isinstance(table, dict):
            raise PluginError(f"[plugins] has no key {name!r}; it has 'enable' and one table per plugin")
        if name not in enable:
            text = f"[plugins.{name}] is set but [plugins] enable does not name {name!r}"
            raise PluginError(text + enabling_hint(name, [*enable, *local]))
    return RunConfig(
        **sections, data=data, enable=enable, plugin_options=options, local_plugins=local, recorded=recorded
    )


def enabling_hint(name: str, known: Collection[str]) -> str:
    """Return a hint to append to an error: how to enable the plugin or, if there is none, the nearest name."""
    known = {*known, *find()}
    return f"; -p {name} would enable it" if name in known else nearest(name, known)


def enabled_plugins(enable: list[str], data: Iterable[DataSpec]) -> tuple[str, ...]:
    """Return the plugins of the config's list, then those that the data tables name."""
    twice = {name for name in enable if enable.count(name) > 1}
    if twice:
        raise PluginError(f"[plugins] enable names {', '.join(sorted(twice))} twice")
    return tuple(dict.fromkeys([*enable, *(spec.use for spec in data)]))


def data_specs(data: Mapping[str, Any], seed: int) -> tuple[DataSpec, ...]:
    """Parse ``[data.train]`` and all ``[data.eval.NAME]``."""
    for key in data:
        if key not in ("train", "eval"):
            raise PluginError(
                f"there is no table [data.{key}]; there is [data.train], and [data.eval.NAME] for each evaluation set"
            )
    found = [("train", "train", data["train"])] if "train" in data else []
    evals = data.get("eval", {})
    if "use" in evals and not isinstance(evals["use"], dict):
        raise PluginError("[data.eval] needs a name for the set: write [data.eval.NAME]")
    whole = [name for name, table in evals.items() if isinstance(table, dict) and "use" in table]
    for name, table in evals.items():
        if whole and isinstance(table, dict) and "use" not in table:  # perhaps a --set with the name misspelt
            raise PluginError(f"[data.eval.{name}] needs a value for 'use'{nearest(name, whole)}")
    found += [("eval", name, table) for name, table in evals.items()]
    seeds = {"train": seed, "eval": RunSection.seed}  # runs with other seeds are evaluated on the same problems
    return tuple(data_spec(purpose, name, table, seeds[purpose]) for purpose, name, table in found)


def data_spec(purpose: Any, name: str, table: Any, seed: int) -> DataSpec:
    """Parse one data table: keys that all data tables share belong to the core, the others to the plugin."""
    place = "data.train" if purpose == "train" else f"data.eval.{name}"
    if not isinstance(table, dict):
        raise PluginError(f"{place}: expected a table, got {table!r}")
    if not re.fullmatch(NAME, name):
        raise PluginError(f"[{place}]: the name of an evaluation set may hold only letters, digits, '_', '.' and '-'")
    common = {k: v for k, v in table.items() if k in _DataCommon.__dataclass_fields__}
    checked = configure(_DataCommon, place, common)
    options = {k: v for k, v in table.items() if k not in common}
    return DataSpec(
        name, purpose, checked.use, options, checked.limit, checked.stratify_by, checked.samples,
        seed if checked.seed is None else checked.seed,
    )  # fmt: skip
