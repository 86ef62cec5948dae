"""Sampling ahead: ask for the rollouts of later steps before this one is trained.

With a lag of L, step n is sampled from the weights after step n - 1 - L, while the steps in between are trained. A step
after a checkpoint is never sampled before it: it gets the checkpoint's weights. So a run that resumes from there
samples what the run that was killed would have sampled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from justtinker_core import Group, Problem, RunContext
from justtinker_core.checkpoints import due_kind
from justtinker_core.config import RunConfig


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


def never_acts(lag: int, config: RunConfig) -> bool:
    """Whether every step is sampled from the weights right before it, because a checkpoint precedes each."""
    steps = range(1, config.run.steps)
    return lag > 0 and len(steps) > 0 and all(due_kind(step, config) for step in steps)
