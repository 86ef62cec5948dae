"""Sampling ahead: ask for the rollouts of later steps before this one is trained.

With a lag of L, step n is sampled from the weights after step n - 1 - L, while the steps in between are trained. A step
after a checkpoint is never sampled before it: it gets the checkpoint's weights. So a run that resumes from there
samples what the run that was killed would have sampled.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from justtinker_core import Group, Problem, RunContext
from justtinker_core.checkpoints import due_kind
from justtinker_core.config import RunConfig

log = logging.getLogger("justtinker")


@dataclass(frozen=True, slots=True)
class Started:
    """A step whose rollouts were asked for."""

    problems: Sequence[Problem]
    groups: Future[tuple[Group, ...]]
    weights: int
    """The step after which the weights that sample it were taken; 0: before the first."""


class Ahead:
    """The steps of a run that were asked for and not taken yet."""

    def __init__(self, lag: int) -> None:
        self._lag = lag
        self._run: RunContext | None = None
        self._started: dict[int, Started] = {}

    def take(self, step: int, run: RunContext, start: Callable[[int], Started]) -> Started:
        """Start this step and the `lag` steps after it, unless they have been; then hand this one over."""
        if run is not self._run:
            self._run, self._started = run, {}
        for later in range(step, last_to_start(step, self._lag, run.config) + 1):
            if later not in self._started:
                self._started[later] = start(later)
        return self._started.pop(step)


def last_to_start(step: int, lag: int, config: RunConfig) -> int:
    """The last step that may be sampled from the weights before `step`: no checkpoint lies in between."""
    most = min(step + lag, config.run.steps)
    return next((s for s in range(step, most) if due_kind(s, config)), most)


def lag_complaint(lag: int, config: RunConfig) -> str:
    """Say that a lag never acts, because a checkpoint precedes every step; warn if it is never reached; else ""."""
    steps = config.run.steps
    reached = max((last_to_start(step, lag, config) - step for step in range(1, steps + 1)), default=0)
    wanted = min(lag, max(steps - 1, 0))  # an evaluation has no steps
    every = (config.checkpoints.every, config.checkpoints.rolling, config.evaluation.every)
    names = ("[checkpoints] every", "[checkpoints] rolling", "[evaluation] every")
    often = " and ".join(f"{name} = {n}" for name, n in zip(names, every, strict=True) if 0 < n <= lag)
    why = f"the step after a checkpoint has its weights, and there are checkpoints by {often}"
    if wanted and not reached:
        return f"lag = {lag} never acts: {why}; set more than 1"
    if reached < wanted:
        log.warning("[plugins.grpo] lag = %d is never reached, %d is: %s", lag, reached, why)
    return ""
