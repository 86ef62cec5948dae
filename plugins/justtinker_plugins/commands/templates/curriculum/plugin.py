"""Curriculum `my_plugin`: short questions first, and more problems every step."""

from __future__ import annotations

from collections.abc import Sequence

from justtinker_core import Problem, RunContext, hookimpl, plugin


@plugin
class MyPlugin:
    """Draws from the shortest questions at first, from all of them at the end."""

    start: float = 0.2
    """Share of the training problems that the first step draws from."""
    growth: float = 0.01
    """How much the share grows each step."""

    def __post_init__(self) -> None:
        if not 0 < self.start <= 1:
            raise ValueError(f"start = {self.start}: expected a share above 0, at most 1")

    @hookimpl
    def draw_problems(self, step: int, n: int, drawn: Sequence[Problem], run: RunContext) -> list[Problem]:
        """Return n problems. Only step, seed and records may decide, so that a resumed run draws the same."""
        short_first = sorted(run.train_problems, key=lambda problem: len(problem.question))
        share = min(1.0, self.start + self.growth * (step - 1))
        ready = short_first[: max(n, round(share * len(short_first)))]
        fresh = [problem for problem in ready if problem not in drawn]
        return run.draw(step, n, fresh or ready)
