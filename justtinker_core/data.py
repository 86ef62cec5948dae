"""Problems of a data table: loaded by its plugin, checked, limited; and the order in which steps draw them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from justtinker_core.answers import all_of
from justtinker_core.discovery import Found, look_up
from justtinker_core.errors import PluginError, nearest
from justtinker_core.hookspecs import attribute_of, implements
from justtinker_core.plugins import Plugins, activate
from justtinker_core.types import DataSpec, Problem

T = TypeVar("T")


def load(
    spec: DataSpec, found: Mapping[str, Found], options: Mapping[str, Any], skipped: Counter[str] | None = None
) -> tuple[Problem, ...]:
    """The table's problems, from its plugin, set up anew: the run's `options` overridden by the table's own keys.

    `skipped` takes the plugin's own count of the rows that gave none, by reason.
    """
    entry = look_up(spec.use, found)
    source = activate(entry, {**options, **spec.options}, spec.table)
    if not implements(type(source.instance), "load_problems"):
        raise PluginError(f"[{spec.table}] use = {spec.use!r}: one of the {entry.role}, which loads no problems")
    problems: tuple[Problem, ...] = Plugins([source]).ask(
        spec.use, "load_problems", all_of(Problem), spec=spec, seed=spec.seed
    )
    if skipped is not None:
        skipped.update(attribute_of(source.instance, "skipped"))
    if not problems:
        raise PluginError(f"[{spec.table}] {spec.use} gives no problem at all")
    check(problems, spec)
    return select(problems, spec)


def check(problems: Sequence[Problem], spec: DataSpec) -> None:
    """Ids must be unique, and a problem must be writable as a record."""
    counts = Counter(problem.id for problem in problems)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise PluginError(
            f"[{spec.table}] {spec.use} has {len(twice)} ids more than once, the first of them {twice[0]!r}"
        )
    for problem in problems:
        try:
            json.dumps(dict(problem.meta), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise PluginError(
                f"[{spec.table}] meta of problem {problem.id!r} does not fit into JSON: {error}"
            ) from None


def select(problems: Sequence[Problem], spec: DataSpec) -> tuple[Problem, ...]:
    """At most `limit` problems, drawn with the spec's seed, in their original order; by strata if so asked."""
    strata: dict[str, list[int]] = defaultdict(list)
    for index, problem in enumerate(problems):
        if spec.stratify_by is not None and spec.stratify_by not in problem.meta:
            raise PluginError(
                f"[{spec.table}] stratify_by = {spec.stratify_by!r}: problem {problem.id!r} has no such key"
                + nearest(spec.stratify_by, list(problem.meta))
            )
        strata[str(problem.meta[spec.stratify_by]) if spec.stratify_by else ""].append(index)
    if spec.limit is None or spec.limit >= len(problems):
        return tuple(problems)
    quotas = largest_remainder([len(s) for s in strata.values()], spec.limit)
    rng = np.random.default_rng([spec.seed, 0xDA7A])
    chosen = [i for s, quota in zip(strata.values(), quotas, strict=True) for i in rng.permutation(s)[:quota]]
    return tuple(problems[i] for i in sorted(chosen))


def largest_remainder(sizes: Sequence[int], total: int) -> list[int]:
    """`total` seats in proportion to sizes, by Hamilton's method; the quotas add up exactly."""
    exact = np.array(sizes) * total / sum(sizes)
    quotas = np.floor(exact).astype(int)
    for index in np.argsort(-(exact - quotas), kind="stable")[: total - quotas.sum()]:
        quotas[index] += 1
    return [int(quota) for quota in quotas]


def draw(items: Sequence[T], step: int, n: int, seed: int) -> list[T]:
    """The n items of a step (from 1): a new permutation every epoch, a pure function of (seed, step)."""
    places = range((step - 1) * n, step * n)
    orders = {e: np.random.default_rng([seed, e]).permutation(len(items)) for e in {p // len(items) for p in places}}
    return [items[orders[p // len(items)][p % len(items)]] for p in places]
