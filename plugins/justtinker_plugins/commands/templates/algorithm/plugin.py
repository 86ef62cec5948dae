"""Algorithm `my_plugin`: REINFORCE: every rollout is trained with its advantage, one update a step."""

from __future__ import annotations

from typing import Annotated, ClassVar

from justtinker_core import hookimpl, plugin
from justtinker_core.rollouts import datum_of
from justtinker_core.run import Run
from justtinker_core.types import Batch, Update
from pydantic import Field


@plugin
class MyPlugin:
    """Sample a group of rollouts a problem, and train on what became of them."""

    needs: ClassVar[tuple[str, ...]] = ("build_prompt", "verify", "score", "advantages")  # roles to be filled

    problems_per_step: Annotated[int, Field(ge=1)] = 32
    """Problems a step, in a new order every epoch."""
    rollouts_per_problem: Annotated[int, Field(ge=2)] = 8
    """Rollouts a problem."""

    @hookimpl
    def collect_batch(self, step: int, run: Run) -> Batch:
        """Everything of one step: core samples, verifies and scores; the algorithm says what is trained."""
        problems = run.draw(step, self.problems_per_step, run.train_problems)
        groups = tuple(run.credit(group) for group in run.rollouts(step, problems, self.rollouts_per_problem))
        data = tuple(
            datum_of(group.prompt, rollout, advantage)
            for group in groups
            if group.kept
            for rollout, advantage in zip(group.rollouts, group.advantages, strict=True)
            if isinstance(advantage, float) and advantage and rollout.tokens  # None: it was not graded
        )
        return Batch(groups, (Update(data, "importance_sampling"),) if data else (), len(data))
