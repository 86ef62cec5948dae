"""From a group of sampled tokens to the cookbook's pairs of reward and metrics; needs no cookbook."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from justtinker_core import Group, PluginError, Problem, Rollout, Scorer, data
from justtinker_core.config import RunConfig
from justtinker_core.enabling import installed
from justtinker_core.scorer import config_of
from justtinker_core.types import DataSpec
from justtinker_plugins.bridges import _stack


def rollout_of(tokens: Sequence[int], logprobs: Sequence[float] | None, text: str, truncated: bool) -> Rollout:
    """One response as a rollout; its log-probabilities are NaN if the sampler gave none."""
    known = tuple(logprobs) if logprobs is not None else (math.nan,) * len(tokens)
    return Rollout(tuple(tokens), known, (True,) * len(tokens), text, truncated)


def rewards_of(scorer: Scorer, group: Group) -> list[tuple[float, dict[str, float]]]:
    """Return the reward and the metrics of each rollout of a judged group.

    The cookbook wants a number for each and subtracts the group's mean. An unscored rollout gets the mean of the
    scored ones, so its advantage is 0 and theirs are as if it were not there; 0 if none is scored. Its metrics lack
    ``correct`` and all rewards, so that means over a batch leave it out.
    """
    totals = [_stack.total(group, i) for i in range(len(group.rollouts))]
    scored = [total for total in totals if total is not None]
    mean = math.fsum(scored) / len(scored) if scored else 0.0
    pairs = []
    for i, total in enumerate(totals):
        metrics = {f"reward/{n}": raw for n, raw in _stack.raw_values(scorer, group, i).items() if raw is not None}
        metrics |= {"unscored": float(total is None), "truncated": float(group.rollouts[i].truncated)}
        if total is not None:
            metrics["correct"] = float(group.verdicts[i].outcome == "correct")
        pairs.append((mean if total is None else total, metrics))
    return pairs


def opened(config: str | Path, sets: Sequence[str], plugins: Sequence[str]) -> tuple[RunConfig, Scorer]:
    """Return a config and its scorer. PluginError if it cannot score, or plays episodes."""
    read = config_of(config, sets, plugins)
    scorer = _stack.scorer_of(read)
    if players := scorer.plugins.who("rollout"):
        raise PluginError(
            f"the bridge to tinker-cookbook plays one turn, but {' and '.join(map(repr, players))} plays episodes: "
            "disable it"
        )
    return read, scorer


def problems_of(config: RunConfig, spec: DataSpec) -> tuple[Problem, ...]:
    """Load the problems of one of a config's data tables."""
    return data.load(spec, installed(config), config.plugin_options.get(spec.use, {}))


def table_of(config: RunConfig) -> DataSpec:
    """The table ``[data.train]`` of a config. PluginError if there is none."""
    for spec in config.data:
        if spec.purpose == "train":
            return spec
    raise PluginError("the config has no table [data.train]: it says which problems to train on (docs/data.md)")
