"""Parts that the bundled monitors share: the option `action`, a memo of their state, and the checkpoint to go back to.

A monitor of your own needs none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Generic, Literal, TypeVar

from justtinker_core import Finding, History, StepStats, hookimpl

S = TypeVar("S")
Action = Literal["stop", "warn", "off"]
"""The most that a monitor may do: stop the run, warn, or stay silent."""


class Monitor:
    """A monitor with the option `action`, which limits the level of what `look` finds."""

    action: Action

    @property
    def fatal(self) -> bool:
        """Whether its failure ends the run: a monitor that may stop the run must not fail unnoticed."""
        return self.action == "stop"

    @hookimpl
    def inspect_step(self, stats: StepStats, history: History) -> Sequence[Finding]:
        """Report what `look` finds; if `action` is warn, a stop becomes a warning."""
        if self.action == "off":
            return []
        found = self.look(stats, history)
        soften = self.action == "warn"
        return [replace(f, level="warn") if soften and f.level == "stop" else f for f in found]

    def look(self, stats: StepStats, history: History) -> Iterable[Finding]:
        """Find what is wrong at a step; each finding has the level that it deserves."""
        raise NotImplementedError

    def lacks(self, history: History) -> str:
        """Say what a finished run lacks for this monitor to judge it; empty if nothing."""
        return ""


class HistoryMemo(Generic[S]):
    """The state that a history leads to, record by record: ``advance(state, stats, history) -> state``.

    It keeps the last states, so that a step costs one call; it replays any other history from the beginning. `advance`
    may use only what was known of the history at the step it is given.
    """

    def __init__(self, start: S, advance: Callable[[S, StepStats, History], S]) -> None:
        self._start, self._advance = start, advance
        self._states: dict[int, tuple[StepStats, S]] = {}

    def __call__(self, stats: StepStats, history: History) -> S:
        """Return the state after this step."""
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
    """Find the last saved step before `step`."""
    return max((saved for saved in history.checkpoints if saved < step), default=None)


def go_back(step: int, history: History) -> str:
    """Say where to resume a run that was healthy until just before `step`."""
    saved = checkpoint_before(step, history)
    return "no checkpoint before that is known" if saved is None else f"the last checkpoint before that: step {saved}"
