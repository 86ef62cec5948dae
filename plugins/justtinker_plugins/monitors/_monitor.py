"""What the bundled monitors have in common: the option `action`, a memo of what a history comes to, and the checkpoint
to go back to. A monitor of your own needs none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Generic, Literal, TypeVar

from justtinker_core import Finding, History, StepStats, hookimpl

S = TypeVar("S")
Action = Literal["stop", "warn", "off"]
"""The most that a monitor may do: stop the run, warn, or nothing."""


class Monitor:
    """A monitor with an option `action`. What it finds, `look` says; how far that goes, the option."""

    action: Action

    @property
    def fatal(self) -> bool:
        """A monitor that is to stop the run must not fail unnoticed."""
        return self.action == "stop"

    @hookimpl
    def inspect_step(self, stats: StepStats, history: History) -> Sequence[Finding]:
        """What `look` finds, a stop softened to a warning where that is the most that it may do."""
        if self.action == "off":
            return []
        found = self.look(stats, history)
        soften = self.action == "warn"
        return [replace(f, level="warn") if soften and f.level == "stop" else f for f in found]

    def look(self, stats: StepStats, history: History) -> Iterable[Finding]:
        """The findings of a step, each with the level that it deserves."""
        raise NotImplementedError

    def lacks(self, history: History) -> str:
        """What is missing in a whole run for it to judge at all; the empty text if nothing is."""
        return ""


class HistoryMemo(Generic[S]):
    """What a history comes to, one record after the other: ``advance(state, stats, history) -> state``.

    A memo, no memory: the last states are kept so that a step costs one call, and any history but the one they belong
    to is gone through from its beginning. `advance` must use only what `known` allows of the history.
    """

    def __init__(self, start: S, advance: Callable[[S, StepStats, History], S]) -> None:
        self._start, self._advance = start, advance
        self._states: dict[int, tuple[StepStats, S]] = {}

    def __call__(self, stats: StepStats, history: History) -> S:
        """The state after this step."""
        steps, state = history.steps, self._start
        done = next((n for n, (last, _) in self._states.items() if 0 < n <= len(steps) and steps[n - 1] is last), 0)
        if done:
            state = self._states[done][1]
        before = state
        for i in range(done, len(steps)):
            state = before = self._advance(state, steps[i], history)
        state = self._advance(before, stats, history)
        self._states = {len(steps) + 1: (stats, state)}
        if steps:
            self._states[len(steps)] = steps[-1], before
        return state


def checkpoint_before(step: int, history: History) -> int | None:
    """The newest saved step before that one."""
    return max((saved for saved in history.checkpoints if saved < step), default=None)


def go_back(step: int, history: History) -> str:
    """Where to go on from when a run was well until just before that step."""
    saved = checkpoint_before(step, history)
    return "no checkpoint before that is known" if saved is None else f"the last checkpoint before that: step {saved}"
