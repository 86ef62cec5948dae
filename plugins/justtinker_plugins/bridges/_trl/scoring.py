"""Score a batch once, whoever of a process asks for it, and however often."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from justtinker_core import PluginError, Scorer, Verdict
from justtinker_core.config import RunConfig
from justtinker_plugins.bridges._stack import WAITING, raw_values, reward_weights, scorer_of, total
from justtinker_plugins.bridges._trl.batches import Request

REMEMBERED = 8
"""Batches: `AsyncGRPOTrainer` asks for one group at a time, all of its functions at once."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a reward stack says about one response."""

    verdict: Verdict
    raw: Mapping[str, float | None]
    weights: Mapping[str, float]
    total: float | None

    @property
    def scored(self) -> bool:
        """Whether the response could be graded."""
        return self.verdict.outcome != "unscored"


_batches: OrderedDict[tuple[str, tuple[Request, ...]], Future[list[Row]]] = OrderedDict()
_lock = threading.Lock()


def score_once(config: RunConfig, requests: Sequence[Request]) -> list[Row]:
    """Score a batch, or return what another function of this process has got for it, or is waiting for."""
    key = (config.dump(), tuple(requests))
    with _lock:
        known = _batches.get(key)
        future = _batches.setdefault(key, Future())
        while len(_batches) > REMEMBERED:
            _batches.popitem(last=False)
    if known is None:
        try:
            future.set_result(score(config, requests))
        except BaseException as error:
            with _lock:
                _batches.pop(key, None)
            future.set_exception(error)
    return future.result()


def score(config: RunConfig, requests: Sequence[Request]) -> list[Row]:
    """Score each group with one call, several at the same time. Returns the rows in the batch's order."""
    scorer = scorer_of(config)
    if (needed := scorer.step_needed) and any(request.step is None for request in requests):
        raise PluginError(f"this trainer does not tell its step, but the rewards depend on it ({needed})")
    with ThreadPoolExecutor(min(scorer.at_once, WAITING), thread_name_prefix="trl-rewards") as pool:
        return [row for rows in pool.map(partial(score_group, scorer), requests) for row in rows]


def score_group(scorer: Scorer, request: Request) -> list[Row]:
    """Score one group."""
    group = scorer.score(
        question=request.question,
        answer=request.answer,
        responses=request.texts,
        kind=request.kind,
        meta=request.meta,
        tokens=request.tokens,
        truncated=request.truncated,
        opened=request.opened,
        step=request.step,
    )
    weights = reward_weights(scorer, group.step)
    return [
        Row(verdict, raw_values(scorer, group, i), weights, total(group, i)) for i, verdict in enumerate(group.verdicts)
    ]
