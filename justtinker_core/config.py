"""What a config says: its sections, checked, as a RunConfig. Errors name the place and what was found."""

from __future__ import annotations

import dataclasses
import logging
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
from justtinker_core.types import Adam
from justtinker_core.types import DataSpec as DataSpec

log = logging.getLogger("justtinker")

NAME = r"^[\w.-]+$"
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]


@plugin
class RunSection:
    """``[run]``: what is trained."""

    name: Annotated[str, Field(pattern=NAME)]
    """Names the run and its directory."""
    model: str
    """What the backend opens: a hub id, a directory, or a name of the backend's own."""
    steps: Count
    """How many steps to train; 0 evaluates only."""
    start_from: str | None = None
    """Weights to start from: a checkpoint's path, or a run directory (its newest checkpoint)."""
    seed: Count = 42
    """Of the order of problems and of every sample."""
    unscored: Literal["drop", "zero", "abort"] = "drop"
    """A rollout that could not be graded leaves before advantages, counts as reward 0, or ends the run."""
    budget_usd: Annotated[float, Field(gt=0)] | None = None
    """Stop, with a checkpoint, before a step that would spend more, if it costs what the last one did."""


@plugin
class OptimizerSection:
    """``[optimizer]``: Adam, and how its learning rate moves."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-6
    """After the warm-up."""
    warmup_steps: Count = 0
    """Steps over which the learning rate rises in a straight line."""
    decay: Literal["constant", "linear"] = "constant"
    """linear: down to 0 after the last step."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Decay of the mean of the gradients."""
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.95
    """Decay of the mean of their squares."""
    eps: Annotated[float, Field(gt=0)] = 1e-12
    """Added to the denominator."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled from the gradient (AdamW)."""
    grad_clip_norm: Annotated[float, Field(ge=0)] = 0.0
    """0 does not clip."""

    def at(self, step: int, steps: int) -> Adam:
        """Adam for a step (from 1): linear warm-up, then constant or linear decay."""
        factor = min(1.0, step / self.warmup_steps) if self.warmup_steps else 1.0
        if self.decay == "linear" and step > self.warmup_steps:
            factor = (steps - step + 1) / (steps - self.warmup_steps)
        rate = self.learning_rate * factor
        return Adam(rate, self.beta1, self.beta2, self.eps, self.weight_decay, self.grad_clip_norm)


@plugin
class SamplingSection:
    """``[sampling]``: how training rollouts are sampled."""

    max_tokens: Positive = 8192
    """The thinking budget: most tokens of a response."""
    temperature: Annotated[float, Field(ge=0)] = 1.0
    """0 is greedy: all rollouts of a problem are then alike."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Sample from the likeliest tokens that together have this probability."""
    max_failed: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of a step's groups (or an evaluation's problems) whose sampling may fail for good: they are left out."""


@plugin
class EvaluationSection:
    """``[evaluation]``: when and how the ``[data.eval.…]`` sets are evaluated."""

    every: Count = 0
    """Evaluate after every so many steps; 0: only the starting and the final weights."""
    at_start: bool = True
    """Also evaluate the starting weights."""
    at_end: bool = True
    """Also evaluate the final weights."""
    lag: Positive = 2
    """On a backend that samples while it trains: wait for the result after so many more steps."""
    temperature: Annotated[float, Field(ge=0)] = 0.7
    """0 is greedy."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Sample from the likeliest tokens that together have this probability."""
    max_tokens: Positive | None = None
    """Default: that of [sampling]."""
    seed: int = 0
    """Of the samples; not that of [run], so that runs with other seeds are evaluated alike."""


@plugin
class CheckpointSection:
    """``[checkpoints]``: when weights and optimizer are saved. The final ones always are."""

    every: Count = 50
    """Save after every so many steps: what a kill can cost. 0: only at evaluations and at the end."""
    rolling: Count = 0
    """Also save after every so many steps, only to resume from: the next one takes its place."""
    ttl_days: Annotated[float, Field(gt=0)] | None = None
    """How long a server keeps checkpoints; default: until they are deleted."""
    rolling_ttl_days: Annotated[float, Field(gt=0)] = 7.0
    """How long a server keeps rolling ones."""

    def ttl(self, kind: str) -> int | None:
        """Seconds that a checkpoint of this kind is kept."""
        days = self.rolling_ttl_days if kind == "rolling" else self.ttl_days
        return None if days is None else round(days * 86_400)


def due(step: int, every: int, last: int, at_end: bool = False) -> bool:
    """Whether something done every so many steps (0: never) is to be done after this one."""
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
    "evaluation": EvaluationSection,
    "checkpoints": CheckpointSection,
}
TABLES = (*SECTIONS, "data", "plugins", "local_plugins")


@dataclass(frozen=True, slots=True)
class RunConfig:
    """One run, resolved."""

    run: RunSection
    optimizer: OptimizerSection
    sampling: SamplingSection
    evaluation: EvaluationSection
    checkpoints: CheckpointSection
    data: tuple[DataSpec, ...]
    enable: tuple[str, ...]
    """Active plugins, in call order, those of the data tables included."""
    plugin_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    local_plugins: Mapping[str, str] = field(default_factory=dict)
    """Name -> ``/absolute/file.py:Class``."""

    def dump(self) -> str:
        """As TOML that `parse` reads back to the same config."""
        tables: dict[str, Any] = {name: without_none(getattr(self, name)) for name in SECTIONS}
        for spec in self.data:
            data = tables.setdefault("data", {})
            place = data if spec.purpose == "train" else data.setdefault("eval", {})
            common = {k: v for k, v in without_none(spec).items() if k in _DataCommon.__dataclass_fields__}
            place[spec.name] = common | dict(spec.options)
        tables["plugins"] = {"enable": list(self.enable), **self.plugin_options}
        tables["local_plugins"] = dict(self.local_plugins)
        return tomli_w.dumps(tables)


def without_none(section: Any) -> dict[str, Any]:
    """A section as a table: TOML has no null."""
    return {f.name: v for f in dataclasses.fields(section) if (v := getattr(section, f.name)) is not None}


def check_shape(tables: Mapping[str, Any]) -> None:
    """Tables where tables belong, and no others."""
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise PluginError(f"{name} = {table!r} stands outside any table")
        if name not in TABLES:
            raise PluginError(f"there is no table [{name}]{nearest(name, TABLES)}")
    enable = tables.get("plugins", {}).get("enable", [])
    if not isinstance(enable, list) or not all(isinstance(name, str) for name in enable):
        raise PluginError(f"[plugins] enable = {enable!r}: a list of plugin names is wanted")
    for name, reference in tables.get("local_plugins", {}).items():
        if not isinstance(reference, str):
            raise PluginError(f"[local_plugins] {name} = {reference!r}: 'file.py:Class' is wanted")
    if not isinstance(tables.get("data", {}).get("eval", {}), dict):
        raise PluginError("evaluation sets are tables: [data.eval.NAME]")


def parse(tables: Mapping[str, Any], base: Path) -> RunConfig:
    """Validate the tables of a config; paths of local plugins are relative to `base`."""
    check_shape(tables)
    calls = (partial(configure, cls, name, tables.get(name, {})) for name, cls in SECTIONS.items())
    sections: dict[str, Any] = dict(zip(SECTIONS, all_or_none(calls), strict=True))
    local = {name: str((base / reference).resolve()) for name, reference in tables.get("local_plugins", {}).items()}
    data = data_specs(tables.get("data", {}), sections["run"].seed)
    options = dict(tables.get("plugins", {}))
    enable = enabled_plugins(options.pop("enable", []), data)
    for name, table in options.items():
        if not isinstance(table, dict):
            raise PluginError(f"[plugins] has no key {name!r}; it has 'enable' and one table a plugin")
        if name not in enable:
            hint = not_enabled(name, [*enable, *local])
            raise PluginError(f"[plugins.{name}] is set but [plugins] enable does not name {name!r}{hint}")
    return RunConfig(**sections, data=data, enable=enable, plugin_options=options, local_plugins=local)


def not_enabled(name: str, known: Collection[str]) -> str:
    """A hint for an error: how to enable a plugin, or, if none has that name, the nearest."""
    known = {*known, *find()}
    return f"; -p {name} would enable it" if name in known else nearest(name, known)


def enabled_plugins(enable: list[str], data: Iterable[DataSpec]) -> tuple[str, ...]:
    """The config's list, then the plugins that the data tables name."""
    twice = {name for name in enable if enable.count(name) > 1}
    if twice:
        raise PluginError(f"[plugins] enable names {', '.join(sorted(twice))} twice")
    return tuple(dict.fromkeys([*enable, *(spec.use for spec in data)]))


def data_specs(data: Mapping[str, Any], seed: int) -> tuple[DataSpec, ...]:
    """``[data.train]`` and ``[data.eval.NAME]`` as specs."""
    for key in data:
        if key not in ("train", "eval"):
            raise PluginError(
                f"there is no table [data.{key}]; there is [data.train], and [data.eval.NAME] for every evaluation set"
            )
    found = [("train", "train", data["train"])] if "train" in data else []
    evals = data.get("eval", {})
    if "use" in evals and not isinstance(evals["use"], dict):
        raise PluginError("[data.eval] needs a name for the set: write [data.eval.NAME]")
    whole = [name for name, table in evals.items() if isinstance(table, dict) and "use" in table]
    for name, table in evals.items():
        if whole and isinstance(table, dict) and "use" not in table:  # of --set, perhaps, with the name misspelt
            raise PluginError(f"[data.eval.{name}] needs a value for 'use'{nearest(name, whole)}")
    found += [("eval", name, table) for name, table in evals.items()]
    seeds = {"train": seed, "eval": RunSection.seed}  # runs with other seeds are evaluated on the same problems
    return tuple(data_spec(purpose, name, table, seeds[purpose]) for purpose, name, table in found)


def data_spec(purpose: Any, name: str, table: Any, seed: int) -> DataSpec:
    """One data table: the keys that all have in common are core's, the rest its plugin's."""
    place = "data.train" if purpose == "train" else f"data.eval.{name}"
    if not isinstance(table, dict):
        raise PluginError(f"{place} = {table!r}: a table is wanted")
    if not re.fullmatch(NAME, name):
        raise PluginError(f"[{place}]: the name of an evaluation set has letters, digits, '_', '.' and '-' only")
    common = {k: v for k, v in table.items() if k in _DataCommon.__dataclass_fields__}
    checked = configure(_DataCommon, place, common)
    options = {k: v for k, v in table.items() if k not in common}
    return DataSpec(
        name, purpose, checked.use, options, checked.limit, checked.stratify_by, checked.samples,
        seed if checked.seed is None else checked.seed,
    )  # fmt: skip
