"""Reward functions for TRL's trainers (``GRPOTrainer``, ``RLOOTrainer``, ``AsyncGRPOTrainer``); docs/bridges.md.

::

    GRPOTrainer(
        reward_funcs=reward_functions("rewards.toml"),
        args=GRPOConfig(reward_weights=reward_weights("rewards.toml"), ...),
        ...
    )

TRL asks each function for the whole batch, one after the other or in threads at the same time. A batch is scored once,
group by group, and all functions of the process share the result.

An unscored response gets None from every function. TRL 1.6 and later then leave it out of its group's baseline and give
it no advantage; earlier ones score it 0, so you are warned of them.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import Any, TypedDict, Unpack

from justtinker_core import PluginError
from justtinker_core.config import RunConfig
from justtinker_core.errors import nearest
from justtinker_core.scorer import config_of
from justtinker_core.weights import Ramp
from justtinker_plugins.bridges import STANDARD, _stack
from justtinker_plugins.bridges._stack import Config, scorer_of
from justtinker_plugins.bridges._trl.batches import Reading, read_batch
from justtinker_plugins.bridges._trl.scoring import Row, score_once

log = logging.getLogger(__name__)
LEAVES_OUT_UNSCORED = (1, 6)
"""The first version of TRL that does."""
UNSCORED = "their rewards are None, and TRL gives them no advantage; the metric 'unscored' is their share"


class Options(TypedDict, total=False):
    """What all functions of this module take besides the config."""

    sets: Sequence[str]
    """Changes to the config, like ``--set``."""
    plugins: Sequence[str]
    """Plugins to add or leave out, like ``-p``."""
    answer: str
    """The data set's column with the gold answer. Default: "answer"."""
    question: str
    """The column with the question. Default: the prompt's last user message, or the prompt's text."""
    kind: str
    """The column with `Problem.kind`. Default: every problem is of kind "math"."""
    opened: str
    """What the chat template already holds of each response, such as ``<think>``."""
    end_tokens: Sequence[int]
    """Token ids that end a response. One that ends otherwise counts as truncated; by default none does."""
    num_generations: int
    """The size of a group, to check that none is split between processes, and to tell equal problems apart. Default:
    equal prompts that stand together are a group."""


class RewardFunction:
    """A reward function in TRL's form. It can be pickled; the other process opens the config's plugins once."""

    def __init__(
        self, name: str, config: RunConfig, reading: Reading, value: Callable[[str, Row], float | None]
    ) -> None:
        """`value` picks the function's number from what the stack says about a response."""
        self.__name__ = name
        self.config, self.reading, self.value = config, reading, value
        self.logs = self.fills = False
        """Whether it logs for all functions of a list; whether it gives 0 where no reward applies."""
        self.parts: Sequence[str] = ()
        """The rewards that it logs one by one."""

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,
        trainer_state: Any = None,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        environments: Any = None,
        **columns: Any,
    ) -> list[float | None]:
        """Return a number for each completion, or None. PluginError says which column or length is wrong."""
        step = None if trainer_state is None else int(trainer_state.global_step) + 1
        rows = score_once(self.config, read_batch(self.reading, prompts, completions, completion_ids, columns, step))
        if self.logs:
            log_unscored(rows, log_extra, log_metric)
        for name in self.parts:
            log_part(name, [row.raw[name] for row in rows], log_extra, log_metric)
        return [self._number(row) for row in rows]

    def _number(self, row: Row) -> float | None:
        """The function's number. TRL would take a response to which no reward applies for an unscored one."""
        if self.fills and row.scored and all(raw is None for raw in row.raw.values()):
            return 0.0
        return self.value(self.__name__, row)


def log_unscored(rows: Sequence[Row], log_extra: Any, log_metric: Any) -> None:
    """Log the verdicts and the share of unscored responses; warn of the first."""
    reasons = [row.verdict.reason for row in rows if not row.scored]
    if reasons:
        warn_once("unscored", f"{len(reasons)} of {len(rows)} responses were not graded ({reasons[0]}): {UNSCORED}")
    if log_extra is not None:
        log_extra("verdict", [row.verdict.outcome for row in rows])
    if log_metric is not None and rows:
        log_metric("unscored", len(reasons) / len(rows))


def log_part(name: str, values: Sequence[float | None], log_extra: Any, log_metric: Any) -> None:
    """Log the raw numbers of one reward, and their mean where it applies, by the names that TRL uses."""
    known = [value for value in values if value is not None]
    if log_extra is not None:
        log_extra(name, list(values))
    if log_metric is not None and known:
        log_metric(f"rewards/{name}/mean", sum(known) / len(known))


_warned: set[str] = set()


def warn_once(topic: str, text: str) -> None:
    """Warn of a topic once in a process."""
    if topic not in _warned:
        _warned.add(topic)
        log.warning("%s", text)


def raw_of(name: str, row: Row) -> float | None:
    """The raw number of one reward."""
    return row.raw[name]


def weighted_of(name: str, row: Row) -> float | None:
    """The number of one reward, times its weight at the step."""
    raw = row.raw[name]
    return None if raw is None else raw * row.weights[name]


def total_of(_: str, row: Row) -> float | None:
    """The weighted sum of all rewards."""
    return row.total


def reward_functions(
    config: Config = STANDARD, *, weighted: bool = False, **options: Unpack[Options]
) -> list[RewardFunction]:
    """Return one reward function for each reward plugin of a config, named after it, in the config's order.

    They give raw numbers in [-1, 1], None where a reward does not apply; give TRL the weights with `reward_weights`. A
    reward whose weight follows a schedule gives weighted numbers. `weighted`: all do, for trainers that take no
    weights, such as `AsyncGRPOTrainer`.
    """
    resolved, reading = open_stack(config, options)
    ramps = scheduled(resolved)
    functions = [
        RewardFunction(name, resolved, reading, weighted_of if weighted or name in ramps else raw_of)
        for name in _stack.reward_names(scorer_of(resolved))
    ]
    functions[0].logs = functions[0].fills = True
    return functions


def reward_weights(config: Config = STANDARD, **options: Unpack[Options]) -> list[float]:
    """Return ``reward_weights`` for the trainer's config, in the order of `reward_functions`.

    0 for a reward that only observes; 1 for one whose weight follows a schedule, since its function weighs.
    """
    resolved, _ = open_stack(config, options)
    ramps = scheduled(resolved)
    weights = _stack.reward_weights(scorer_of(resolved))
    return [1.0 if name in ramps else weight for name, weight in weights.items()]


def reward_function(
    config: Config = STANDARD, *, name: str = "justtinker", **options: Unpack[Options]
) -> RewardFunction:
    """Return one reward function, the weighted sum of all rewards, which logs each as ``rewards/NAME/mean``."""
    resolved, reading = open_stack(config, options)
    function = RewardFunction(name, resolved, reading, total_of)
    function.logs, function.parts = True, _stack.reward_names(scorer_of(resolved))
    return function


def open_stack(config: Config, options: Options) -> tuple[RunConfig, Reading]:
    """Resolve the config, open its plugins, and check the options. PluginError says what is wrong."""
    given: dict[str, Any] = dict(options)
    resolved = config_of(config, given.pop("sets", ()), given.pop("plugins", ()))
    known = [field.name for field in fields(Reading)]
    for key in given:
        if key not in known:
            raise PluginError(f"TRL's reward functions have no option {key!r}{nearest(key, known)}")
    if not given.get("num_generations"):
        warn_of_split_groups(scorer_of(resolved).per_group, os.environ.get("WORLD_SIZE", ""))
    with suppress(importlib.metadata.PackageNotFoundError):
        warn_of_version(importlib.metadata.version("trl"))
    return resolved, Reading(**given)


def warn_of_version(version: str) -> None:
    """Warn of a TRL that scores unscored responses 0."""
    with suppress(ValueError):
        if tuple(int(part) for part in version.split(".")[:2]) < LEAVES_OUT_UNSCORED:
            warn_once("version", f"TRL {version} scores a response that nobody could grade 0: pip install 'trl>=1.6'")


def warn_of_split_groups(comparing: Sequence[str], processes: str) -> None:
    """Warn that rewards which compare a group would not notice if several processes had a part of it each."""
    if comparing and processes not in ("", "1"):
        names = " and ".join(map(repr, comparing))
        warn_once(
            "split", f"each of {processes} processes scores its own responses: if a group were split, {names} would "
            "compare its parts. With num_generations = the trainer's, that is an error"
        )  # fmt: skip


def scheduled(config: RunConfig) -> set[str]:
    """Return the reward plugins whose weight follows a schedule."""
    active = scorer_of(config).plugins.active
    return {name for name, a in active.items() if a.reward and isinstance(a.reward.weight, Ramp)}
