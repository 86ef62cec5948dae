"""A reward stack outside a run: the verifiers, metrics, rewards and advantages of a config, and nothing else of it."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from justtinker_core import Group, PluginError
from justtinker_core.config import RunConfig
from justtinker_core.options import all_or_none
from justtinker_core.plugins import hooks_of, look_up
from justtinker_core.rollouts import judge
from justtinker_core.run import Run, installed, open_plugins
from justtinker_core.rundir import RunDir
from justtinker_core.weights import Ramp

HOOKS = frozenset({"verify", "measure", "score", "advantages", "keep_group"})
ROLES = frozenset({"verifiers", "metrics", "rewards", "advantages", "environments", "local"})
"""Where these hooks are found. Backends and the like are not even imported."""
ADVANTAGES = "group_mean"
"""Of a config that has none (SFT)."""


class Stack:
    """Judges groups with the functions that training uses."""

    def __init__(self, config: RunConfig) -> None:
        stack = reward_stack(config)
        plugins = open_plugins(stack)
        if not plugins.who("advantages"):
            plugins = open_plugins(replace(stack, enable=(*stack.enable, ADVANTAGES)))
        all_or_none(partial(plugins.require, hook, "re-scoring") for hook in ("verify", "score", "advantages"))
        self.run = Run(config, plugins, RunDir(Path()))  # never entered: it writes nothing and opens no backend
        ramps = [n for n, a in plugins.active.items() if a.reward and isinstance(a.reward.weight, Ramp)]
        self.step_needed = f"the weight schedule of {' and '.join(ramps)}" if ramps else ""

    def judge(self, group: Group) -> Group:
        """Verify, measure and score."""
        return judge(group, self.run.plugins)

    def score(self, group: Group) -> Group:
        """Verify, measure, score, and give advantages."""
        return self.run.credit(self.judge(group))

    def close(self) -> None:
        """Let plugins end their processes."""
        self.run.plugins.tell("finish_run", run=self.run, status="finished")


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
    """`record_of` the group under a stack. PluginError names the place."""
    try:
        return record_of(stack.score(group))
    except PluginError as error:  # a GroupError could not be pickled
        raise PluginError(f"{place}: {error}") from None
