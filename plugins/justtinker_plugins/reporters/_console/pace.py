"""What a run does now and for how long, how fast its steps are, and how long the rest will take. Prints nothing."""

from __future__ import annotations

import time
from collections import deque

from rich.text import Text

from justtinker_core import RunContext, StepStats
from justtinker_plugins.shared.terminal import span

ALONE = ("step ", "evaluate ", "load weights")
"""How the stages begin that are no part of another one; each has a clock of its own."""
PARTS = ("sample", "train")
"""The parts of a step."""
RECENT = 20
"""The speed of a run is that of so many steps."""


class UnderWay:
    """What a run does now. Any thread may tell it; on a terminal, its line is drawn several times a second."""

    def __init__(self) -> None:
        self._stage, self._since = "", time.monotonic()
        self._texts = ["", "", ""]
        """The stage, its part, and what the backend tells of that."""

    def tell(self, stage: str, done: int, total: int) -> None:
        """Note that `done` of `total` of a stage are done; the stage begins if `done` is 0."""
        if done == 0 and stage.startswith(ALONE):
            self._stage, self._since = stage, time.monotonic()
        level = 0 if stage == self._stage else 1 if stage in PARTS or stage.startswith(ALONE) else 2
        after = ["", "", ""] if done in (0, total) else self._texts
        text = f"{stage} {done}/{total}" if total > 1 else stage
        self._texts = [*self._texts[:level], text, *after[level + 1 :]]

    def __str__(self) -> str:
        seconds = time.monotonic() - self._since
        text = ": ".join(filter(None, self._texts))
        return f"{text}, {span(seconds)}" if seconds >= 1 else text

    def __rich__(self) -> Text:
        return Text(str(self), style="dim", overflow="ellipsis", no_wrap=True)


class Speed:
    """How fast the recent steps of this process were."""

    def __init__(self) -> None:
        self._steps: deque[StepStats] = deque(maxlen=RECENT)
        self.first = True
        """No more than one step has been added: it may be slower than all others."""

    def add(self, stats: StepStats) -> None:
        """Count one more step; from the second on, forget the first."""
        if self.first and self._steps:
            self._steps.clear()
            self.first = False
        self._steps.append(stats)

    def describe(self, run: RunContext, step: int) -> str:
        """Say how long the run will take after a step: ``about 1:20 h left (45 steps/h; sampled 310 tok/s)``."""
        evaluations, known = evaluations_left(run, step)
        left = (run.config.run.steps - step) * self._seconds() + evaluations
        if not (left or known):
            return f"evaluations left ({self.rates()})"
        more = "" if known else " plus evaluations"
        return f"about {span(max(left, 1))} left{more} ({self.rates()})" if left else self.rates()

    def rates(self) -> str:
        """How many steps are taken an hour, and how many tokens are sampled and trained a second."""
        rate = 3600 / max(self._seconds(), 1e-9)
        tokens = ", ".join(filter(None, (self._tokens("sampled", "collect"), self._tokens("trained", "train"))))
        steps = f"{rate:,.0f} steps/h" if rate >= 10 else f"{rate:.1f} steps/h"
        return f"{steps}; {tokens} tok/s" if tokens else steps

    def _seconds(self) -> float:
        """The mean seconds of a step."""
        return sum(stats.seconds["total"] for stats in self._steps) / len(self._steps)

    def _tokens(self, kind: str, during: str) -> str:
        """How many tokens a second were sampled while collecting, or trained while training."""
        tokens = sum(stats.tokens.get(kind, 0) for stats in self._steps)
        ahead = kind == "sampled" and "sampler_age" in self._steps[-1].metrics  # some were sampled in earlier steps
        seconds = sum(stats.seconds["total" if ahead else during] for stats in self._steps)
        return f"{kind} {tokens / max(seconds, 1e-9):,.0f}" if tokens else ""


def evaluations_left(run: RunContext, step: int) -> tuple[float, bool]:
    """The seconds that evaluations from a step on will take, if each takes as long as the last; and if that is known.

    On a backend that evaluates while it trains, they take none.
    """
    section, last = run.config.evaluation, run.config.run.steps
    due = {*range(step + -step % section.every, last, section.every)} if section.every else set[int]()
    due |= {last} if section.at_end else set()
    due -= {stats.step for stats in run.history.evals}
    took = {stats.name: stats.seconds.get("total", 0.0) for stats in run.history.evals}
    if run.backend.concurrent or not due or not run.eval_problems:
        return 0.0, True
    return len(due) * sum(took.values()), took.keys() >= run.eval_problems.keys()
