"""A reward stack outside a run: the verifiers, metrics, rewards and advantages of a config, and nothing else of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from justtinker_core import Group, PluginError
from justtinker_core.config import RunConfig
from justtinker_core.options import all_or_none
from justtinker_core.plugins import Plugins, hooks_of, look_up
from justtinker_core.rollouts import judge
from justtinker_core.run import Run, installed, open_plugins
from justtinker_core.rundir import RunDir
from justtinker_core.weights import Ramp
from justtinker_plugins.shared.records.groups import LackingError

HOOKS = frozenset({"verify", "measure", "score", "advantages", "keep_group"})
ROLES = frozenset({"verifiers", "metrics", "rewards", "advantages", "environments", "local"})
"""Where these hooks are found. Backends and the like are not even imported."""
ADVANTAGES = "group_mean"
"""Of a config that has none (SFT)."""


class Lenient(Plugins):
    """Plugins of which a metric that wants what the records lack is left out. A reward that does is an error."""

    def __init__(self, plugins: Plugins) -> None:
        super().__init__(list(plugins.active.values()))
        self.left_out: dict[str, str] = {}
        """Plugin -> what it lacks, since this was last cleared."""

    def ask(self, name: str, hook: str, convert: Callable[[Any], Any] | None = None, /, **arguments: Any) -> Any:
        """The answer; None of a metric that is left out."""
        try:
            answer = super().ask(name, hook, convert, **arguments)
        except PluginError as error:
            if hook != "measure" or not isinstance(error.__cause__, LackingError):
                raise
            self.left_out[name] = error.__cause__.what
            return None
        if hook == "measure" and has_nan(answer or {}):
            self.left_out[name] = "log-probabilities"
            return None
        return answer


def has_nan(columns: Mapping[str, tuple[Any, ...]]) -> bool:
    """Whether a number is NaN, as every log-probability of a rollout read back is."""
    return any(isinstance(value, float) and math.isnan(value) for values in columns.values() for value in values)


class Stack:
    """Judges groups with the functions that training uses."""

    def __init__(self, config: RunConfig) -> None:
        stack = reward_stack(config)
        plugins = open_plugins(stack)
        if not plugins.who("advantages"):
            plugins = open_plugins(replace(stack, enable=(*stack.enable, ADVANTAGES)))
        all_or_none(partial(plugins.require, hook, "re-scoring") for hook in ("verify", "score", "advantages"))
        self.plugins = Lenient(plugins)
        self.run = Run(config, self.plugins, RunDir(Path()))  # never entered: it writes nothing and opens no backend
        ramps = [n for n, a in plugins.active.items() if a.reward and isinstance(a.reward.weight, Ramp)]
        self.step_needed = f"the weight schedule of {' and '.join(ramps)}" if ramps else ""

    def judge(self, group: Group) -> Group:
        """Verify, measure and score."""
        return judge(group, self.plugins)

    def score(self, group: Group) -> Group:
        """Verify, measure, score, and give advantages."""
        return self.run.credit(self.judge(group))

    def close(self) -> None:
        """Let plugins end their processes."""
        self.plugins.tell("finish_run", run=self.run, status="finished")


def reward_stack(config: RunConfig) -> RunConfig:
    """The config with only those plugins enabled that judge."""
    found = installed(config)
    names = [name for name in config.enable if look_up(name, found).role in ROLES]
    judging = [n for n in names if found[n].role != "local" or HOOKS & set(hooks_of(found[n].load()))]
    return replace(config, enable=tuple(judging))


def record_of(group: Group) -> dict[str, Any]:
    """What came of a scored group, texts left out."""
    rows = zip(group.verdicts, group.rewards, group.advantages, strict=True)
    return {
        "kept": group.kept,
        "weights": dict(group.rewards[0].weights),
        "measures": {name: list(values) for name, values in group.measures.items()},
        "rollouts": [
            {"verdict": asdict(v), "terms": dict(r.terms), "reward": r.total, "advantage": a} for v, r, a in rows
        ],
    }


def scored(stack: Stack, group: Group, place: str) -> dict[str, Any]:
    """`record_of` the group under a stack, and which metrics lack what. PluginError names the place."""
    left_out = stack.plugins.left_out
    left_out.clear()
    try:
        record = record_of(stack.score(group))
    except PluginError as error:  # a GroupError could not be pickled
        because = "".join(f" (the metric {name} is left out: no {what})" for name, what in left_out.items())
        raise PluginError(f"{place}: {error}{because}") from None
    return record | ({"left_out": dict(left_out)} if left_out else {})
