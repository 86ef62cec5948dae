"""The problems of a data table: load, check and limit them, and draw those of a step."""

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
    """Load a table's problems. A new instance of its plugin gets the run's `options`, overridden by the table's keys.

    The plugin's count of the rows that gave no problem, by reason, is added to `skipped`.
    """
    entry = look_up(spec.use, found)
    source = activate(entry, {**options, **spec.options}, spec.table)
    if not implements(type(source.instance), "load_problems"):
        raise PluginError(
            f"[{spec.table}] use = {spec.use!r}: expected a plugin that loads problems, got one of the {entry.role}"
        )
    problems: tuple[Problem, ...] = Plugins([source]).ask(
        spec.use, "load_problems", all_of(Problem), spec=spec, seed=spec.seed
    )
    if skipped is not None:
        skipped.update(attribute_of(source.instance, "skipped"))
    if not problems:
        raise PluginError(f"[{spec.table}] {spec.use} gives no problem at all")
    check_problems(problems, spec)
    return select(problems, spec)


def check_problems(problems: Sequence[Problem], spec: DataSpec) -> None:
    """Raise a PluginError unless all ids are unique and all metadata can be recorded."""
    counts = Counter(problem.id for problem in problems)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise PluginError(f"[{spec.table}] {spec.use} has {len(twice)} ids more than once, the first is {twice[0]!r}")
    for problem in problems:
        try:
            json.dumps(dict(problem.meta), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise PluginError(
                f"[{spec.table}] meta of problem {problem.id!r} cannot be written as JSON: {error}"
            ) from None


def select(problems: Sequence[Problem], spec: DataSpec) -> tuple[Problem, ...]:
    """Draw at most `limit` problems with the spec's seed, in proportion to strata if it has them; keep their order."""
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
    """Divide `total` seats in proportion to sizes, by Hamilton's method; the quotas add up exactly."""
    exact = np.array(sizes) * total / sum(sizes)
    quotas = np.floor(exact).astype(int)
    for index in np.argsort(-(exact - quotas), kind="stable")[: total - quotas.sum()]:
        quotas[index] += 1
    return [int(quota) for quota in quotas]


def draw(items: Sequence[T], step: int, n: int, seed: int) -> list[T]:
    """Return the n items of a step (from 1): a new permutation every epoch, a pure function of (seed, step)."""
    places = range((step - 1) * n, step * n)
    orders = {e: np.random.default_rng([seed, e]).permutation(len(items)) for e in {p // len(items) for p in places}}
    return [items[orders[p // len(items)][p % len(items)]] for p in places]


def draw_more(
    problems: Sequence[Problem], step: int, n: int, seed: int, drawn: Sequence[Problem] = ()
) -> list[Problem]:
    """Return the n problems that a step uses next: those of `draw`, or others if it has `drawn` some before.

    It draws none again while enough are left: a pure function of its arguments.
    """
    if not drawn:
        return draw(problems, step, n, seed)
    names = {problem.id for problem in drawn}
    left = [problem for problem in problems if problem.id not in names]
    order = np.random.default_rng([seed, step, len(drawn)]).permutation(len(left))
    chosen = [left[i] for i in order[:n]]
    return chosen + draw(problems, step, n - len(chosen), seed)
