"""What all bridges share: which stack, whether it fits, and a scored rollout as plain numbers.

Other toolkits want to know the names of rewards before anything is scored. So they see one number for each reward
plugin: the sum of its terms, nearly always a single one that bears the plugin's name.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar

from justtinker_core import Group, PluginError, Scorer
from justtinker_core.config import RunConfig
from justtinker_core.scorer import config_of
from justtinker_plugins.bridges import STANDARD

T = TypeVar("T")
WAITING = 256
"""How many calls of scorers may wait at once, if their judges are coroutines."""
Config = str | Path | Mapping[str, Any] | RunConfig
"""A file of rewards, a preset, a run directory, tables, or a `RunConfig`: whatever a `Scorer` takes."""

_scorers: dict[str, Scorer] = {}
_named: dict[str, Scorer] = {}
_lock = threading.Lock()
_threads = ThreadPoolExecutor(WAITING, thread_name_prefix="waits")


def scorer_of(config: Config = STANDARD, sets: Sequence[str] = (), plugins: Sequence[str] = ()) -> Scorer:
    """Return this process's scorer of a config, opened once. PluginError if the config is wrong or cannot score."""
    resolved = config_of(config, sets, plugins)
    key = resolved.dump()
    with _lock:
        if key not in _scorers:
            _scorers[key] = Scorer(resolved)
        return _scorers[key]


async def in_thread(scorer: Scorer, function: Callable[..., T], *arguments: Any) -> T:
    """Await a function that calls the scorer, in a thread; in one of many if its judges wait for servers."""
    call = partial(contextvars.copy_context().run, function, *arguments)
    pool = _threads if scorer.plugins.coroutines else None
    return await asyncio.get_running_loop().run_in_executor(pool, call)


def scorer_named(config: Config, sets: Sequence[str], plugins: Sequence[str]) -> Scorer:
    """Do as `scorer_of`, for bridges that ask with every response: a file is read when it is first named, not again."""
    key = repr((config, tuple(sets), tuple(plugins)))
    if key not in _named:
        _named[key] = scorer_of(config, sets, plugins)
    return _named[key]


def check_alone(scorer: Scorer, bridge: str) -> None:
    """Raise PluginError if a reward compares the rollouts of a group, or depends on the step.

    For bridges to toolkits that hand over one response at a time.
    """
    if names := scorer.per_group:
        raise PluginError(
            f"{bridge} sees one response at a time, but {' and '.join(map(repr, names))} "
            f"{'compares' if len(names) == 1 else 'compare'} the responses of a group; disable "
            f"{'it' if len(names) == 1 else 'them'}, or use a bridge that sees groups (docs/bridges.md)"
        )
    if scorer.step_needed:
        raise PluginError(f"{bridge} knows no step, but the rewards depend on it ({scorer.step_needed})")


def reward_names(scorer: Scorer) -> list[str]:
    """Return the reward plugins in the config's order, whatever they weigh at a step."""
    return [name for name, active in scorer.plugins.active.items() if active.reward]


def reward_weights(scorer: Scorer, step: int = 0) -> dict[str, float]:
    """Return what each reward plugin weighs at a step; 0 for one that only observes."""
    return {**dict.fromkeys(reward_names(scorer), 0.0), **scorer.plugins.weights(step)}


def raw_values(scorer: Scorer, group: Group, index: int) -> dict[str, float | None]:
    """Return the raw number of each reward plugin for one rollout of a scored group: the sum of its terms.

    None: none of its terms applies to the rollout. All are None if the rollout is unscored.
    """
    values: dict[str, float | None] = dict.fromkeys(reward_names(scorer))
    for term, raw in group.rewards[index].terms.items():
        if raw is not None:
            name = scorer.plugins.terms[term]
            values[name] = (values[name] or 0.0) + raw
    return values


def total(group: Group, index: int) -> float | None:
    """Return the weighted sum of one rollout's terms; None if the rollout is unscored."""
    return None if group.verdicts[index].outcome == "unscored" else group.rewards[index].total


def gold_of(value: Any, where: str) -> str | None:
    """Return a gold answer as text. None for no answer, as for NaN, which is how pandas calls an empty cell.

    PluginError for anything but a text or a number.
    """
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    if isinstance(value, Real) and not isinstance(value, bool):
        return None if math.isnan(value) else str(value)
    raise PluginError(f"{where}: expected a text or a number, got {value!r:.80}")
