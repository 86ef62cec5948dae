"""Verify, measure, score and credit the rollouts of one group."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from justtinker_core.answers import checked_verdicts, columns_of, number
from justtinker_core.errors import PluginError
from justtinker_core.hookspecs import attribute_of
from justtinker_core.plugins import Plugins
from justtinker_core.stats import CORE_METRICS
from justtinker_core.types import Group, Problem, Reward, Rollout, Verdict

Columns = dict[str, tuple[float | None, ...]]
Unscored = Literal["drop", "zero", "abort"]


class GroupError(PluginError):
    """A plugin did something wrong with a group. Carries the group, so that it can be saved."""

    def __init__(self, message: str, group: Group) -> None:
        super().__init__(message)
        self.group = group

    def __reduce__(self) -> tuple[type[GroupError], tuple[str, Group]]:
        return GroupError, (str(self), self.group)


def judge(group: Group, plugins: Plugins, leave_out: Collection[str] = ()) -> Group:
    """Verify, measure and score the rollouts of a group. Raises GroupError, which carries the group.

    `leave_out` names plugins that are not asked to measure.
    """
    return plugins.wait_for(judging(group, plugins, leave_out))


async def judging(group: Group, plugins: Plugins, leave_out: Collection[str] = ()) -> Group:
    """Like `judge`, for the event loop of the plugins."""
    try:
        verdicts = await verifying(group.problem, group.rollouts, plugins)
        if verdicts is None:
            raise PluginError(unverified(group.problem, plugins))
        group = replace(group, verdicts=verdicts)
        asked = [name for name in plugins.who("measure") if name not in leave_out]
        measures, owner = await gathering("measure", group, plugins, asked)
        for name in [m for m in measures if m in CORE_METRICS or "@" in m]:
            raise PluginError(f"plugin {owner[name]!r} measures {name!r}, a reserved name; choose another")
        return await scoring(replace(group, measures=measures), plugins)
    except PluginError as error:
        raise GroupError(str(error), group) from error


def verify(problem: Problem, rollouts: Sequence[Rollout], plugins: Plugins) -> tuple[Verdict, ...] | None:
    """The verdicts of the first plugin that takes the problem; None if none does."""
    return plugins.wait_for(verifying(problem, rollouts, plugins))


async def verifying(problem: Problem, rollouts: Sequence[Rollout], plugins: Plugins) -> tuple[Verdict, ...] | None:
    """Like `verify`, for the event loop of the plugins."""

    def checked(answer: Any) -> tuple[Verdict, ...]:
        verdicts = checked_verdicts(answer)
        if len(verdicts) != len(rollouts):
            raise ValueError(f"{len(verdicts)} verdicts for the {len(rollouts)} rollouts of problem {problem.id!r}")
        return verdicts

    for name in plugins.who("verify"):
        verdicts: tuple[Verdict, ...] | None
        verdicts = await plugins.answer(name, "verify", checked, problem=problem, rollouts=rollouts)
        if verdicts is not None:
            return verdicts
    return None


def unverified(problem: Problem, plugins: Plugins) -> str:
    """The error text for a problem that no verifier takes, with the kinds that the active verifiers take."""
    takes = [(name, attribute_of(plugins.active[name].instance, "kinds")) for name in plugins.who("verify")]
    asked = ", ".join(f"{name} ({', '.join(kinds)})" if kinds else name for name, kinds in takes)
    return (
        f"no verifier takes problem {problem.id!r} of kind {problem.kind!r} (active: {asked or 'none'}); "
        "enable a verifier for that kind, or give the problem a kind that one takes"
    )


async def gathering(hook: str, group: Group, plugins: Plugins, who: Sequence[str]) -> tuple[Columns, dict[str, str]]:
    """Ask plugins for columns (name -> one number or None a rollout). Returns the columns and who gave each."""
    columns: Columns = {}
    owner: dict[str, str] = {}
    for plugin in who:
        answer = await plugins.answer(plugin, hook, columns_of, group=group)
        for name, values in (answer or {}).items():
            if name in owner:
                raise PluginError(f"plugins {owner[name]!r} and {plugin!r} both give {name!r} in {hook}")
            if len(values) != len(group.rollouts):
                raise PluginError(
                    f"plugin {plugin!r} gives {len(values)} values of {name!r} for the {len(group.rollouts)} "
                    f"rollouts of problem {group.problem.id!r}"
                )
            owner[name] = plugin
            columns[name] = tuple(
                None if v is None else number(v, f"plugin {plugin!r}: {name!r} of rollout {i} of {group.problem.id!r}")
                for i, v in enumerate(values)
            )
    return columns, owner


async def scoring(group: Group, plugins: Plugins) -> Group:
    """Reward a group that has verdicts and measures, with the weights of its step. Unscored rollouts get no terms."""
    weights = plugins.weights(group.step)
    terms, owner = await gathering("score", group, plugins, [name for name in plugins.who("score") if name in weights])
    for term, values in terms.items():
        for i, value in enumerate(values):
            if value is not None and not abs(value) <= 1:
                raise PluginError(
                    f"reward term {term!r} of plugin {owner[term]!r}, rollout {i} of problem {group.problem.id!r}: "
                    f"expected a raw number in [-1, 1], got {value}"
                )
    plugins.terms.update(owner)
    weight = {term: weights[owner[term]] for term in terms}
    scored = [verdict.outcome != "unscored" for verdict in group.verdicts]
    rewards = (Reward({t: v[i] if s else None for t, v in terms.items()}, weight) for i, s in enumerate(scored))
    return replace(group, rewards=tuple(rewards))


def credit(group: Group, plugins: Plugins, unscored: Unscored = "drop") -> Group:
    """Give a judged group its advantages, and ask whether it is kept. Raises GroupError, which carries the group.

    `unscored` says what happens to rollouts that could not be graded: "drop" leaves them without an advantage, "zero"
    counts them as reward 0, "abort" raises.
    """
    outcomes = [verdict.outcome for verdict in group.verdicts]
    if unscored == "abort" and "unscored" in outcomes:
        reason = group.verdicts[outcomes.index("unscored")].reason
        raise GroupError(f"problem {group.problem.id!r} was not graded ({reason}); run.unscored = 'abort'", group)
    places = [i for i, outcome in enumerate(outcomes) if unscored == "zero" or outcome != "unscored"]
    advantages: list[float | tuple[float, ...] | None] = [None] * len(outcomes)
    try:
        for i, value in zip(places, _advantages(group, places, plugins), strict=True):
            advantages[i] = value
        group = replace(group, advantages=tuple(advantages))
        answers = [plugins.ask(name, "keep_group", group=group) for name in plugins.who("keep_group")]
    except PluginError as error:
        raise GroupError(str(error), group) from error
    return replace(group, kept=all(answer is not False for answer in answers))


def _advantages(group: Group, places: Sequence[int], plugins: Plugins) -> list[float | tuple[float, ...]]:
    """The advantages that the plugin gives the rollouts at these places."""
    if not places:
        return []
    name = next(iter(plugins.who("advantages")), "")
    if not name:
        raise PluginError(
            "no active plugin implements advantages: enable one, and name the hook in the algorithm's needs"
        )
    graded = group.select([i in places for i in range(len(group.rollouts))])
    answer = plugins.ask(name, "advantages", list, group=graded) or []
    if len(answer) != len(places):
        raise PluginError(f"plugin {name!r} gives {len(answer)} advantages for {len(places)} rollouts")
    what = f"plugin {name!r}: the advantage of a rollout of {group.problem.id!r}"
    values = [tuple(number(v, what) for v in a) if np.ndim(a) else number(a, what) for a in answer]
    for rollout, value in zip(graded.rollouts, values, strict=True):
        if isinstance(value, tuple) and len(value) != len(rollout.tokens):
            raise PluginError(f"{what} has {len(value)} numbers for {len(rollout.tokens)} tokens")
    return values
