"""Algorithm `my_plugin`: REINFORCE, which trains every rollout with its advantage in one update a step."""

from __future__ import annotations

from typing import Annotated, ClassVar

from justtinker_core import Batch, RunContext, Update, datum_of, hookimpl, plugin
from pydantic import Field


@plugin
class MyPlugin:
    """Sample a group of rollouts for each problem, and train on them."""

    needs: ClassVar[tuple[str, ...]] = ("build_prompt", "verify", "score", "advantages")  # from other plugins

    problems_per_step: Annotated[int, Field(ge=1)] = 32
    """Problems in each step; every epoch has a new order."""
    rollouts_per_problem: Annotated[int, Field(ge=2)] = 8
    """Rollouts for each problem."""

    @hookimpl
    def collect_batch(self, step: int, run: RunContext) -> Batch:
        """Collect the data of one step. The core samples, verifies and scores; the algorithm chooses what to train."""
        problems = run.draw_problems(step, self.problems_per_step)
        groups = tuple(run.credit(group) for group in run.rollouts(step, problems, self.rollouts_per_problem))
        data = tuple(
            datum_of(group.prompt, rollout, advantage)
            for group in groups
            if group.kept
            for rollout, advantage in zip(group.rollouts, group.advantages, strict=True)
            if isinstance(advantage, float) and advantage and rollout.tokens  # None: unscored
        )
        return Batch(groups, (Update(data, "importance_sampling"),) if data else (), len(data))
