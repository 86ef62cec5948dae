"""Algorithm `my_plugin`: REINFORCE: every rollout is trained with its advantage, one update a step."""

from __future__ import annotations

from typing import Annotated, ClassVar

from justtinker_core import Group, Rollout, hookimpl, plugin
from justtinker_core.run import Run
from justtinker_core.types import Batch, Datum, Update
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
            datum(group, rollout, advantage)
            for group in groups
            if group.kept
            for rollout, advantage in zip(group.rollouts, group.advantages, strict=True)
            if isinstance(advantage, float) and advantage and rollout.tokens  # None: it was not graded
        )
        return Batch(groups, (Update(data, "importance_sampling"),) if data else (), len(data))


def datum(group: Group, rollout: Rollout, advantage: float) -> Datum:
    """Prompt and rollout as one sequence, shifted by one; 0 on all that the policy did not write."""
    tokens = group.prompt.tokens + rollout.tokens
    before = (0.0,) * (len(group.prompt.tokens) - 1)
    advantages = tuple(advantage if wrote else 0.0 for wrote in rollout.mask)
    return Datum(tokens[:-1], tokens[1:], logprobs=before + rollout.logprobs, advantages=before + advantages)
