"""Group-relative policy optimisation as JustRL does it (arXiv:2512.16649): no KL, no entropy bonus, no critic.

The backend computes the losses: backends/_local/losses.py for `local`, the Tinker service for `tinker`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from justtinker_core import Batch, Datum, Group, RunContext, Update, datum_of, hookimpl, plugin


@plugin
class Grpo:
    """Sample a group of rollouts for each problem and reinforce those that did better than their group.

    The sampler's log-probabilities are the old policy's. Every response token of a rollout carries its advantage.
    """

    needs: ClassVar[tuple[str, ...]] = ("build_prompt", "verify", "score", "advantages")

    problems_per_step: Annotated[int, Field(ge=1)] = 32
    """Problems in a step, in a new order every epoch."""
    rollouts_per_problem: Annotated[int, Field(ge=2)] = 8
    """Group size G."""
    train_on: Literal["positive", "all"] = "positive"
    """positive: only rollouts with an advantage above 0 (JustRL); all: every rollout whose advantage is not 0."""
    loss: Literal["ppo", "importance_sampling"] = "ppo"
    """ppo: -min(r A, clip(r, clip_low, clip_high) A); importance_sampling: -r A; summed over tokens."""
    clip_low: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Lower bound of the probability ratio r; it never binds with positive advantages."""
    clip_high: Annotated[float, Field(ge=1)] = 1.28
    """Upper bound of r: a rollout whose ratio is above it gains nothing by becoming still more likely."""
    updates_per_step: Annotated[int, Field(ge=1)] = 1
    """Optimizer steps that share one step's rollouts; its problems are dealt out to them in turn."""

    @hookimpl
    def collect_batch(self, step: int, run: RunContext) -> Batch:
        """Sample and credit a step's groups, and choose what to train on."""
        problems = run.draw(step, self.problems_per_step, run.train_problems)
        groups = run.rollouts(step, problems, self.rollouts_per_problem)
        return self.batch(tuple(map(run.credit, groups)))

    def batch(self, groups: tuple[Group, ...]) -> Batch:
        """A batch of credited groups, with the updates that train on them."""
        shares = [self.data(groups[k :: self.updates_per_step]) for k in range(self.updates_per_step)]
        config = {"clip_low_threshold": self.clip_low, "clip_high_threshold": self.clip_high}
        updates = tuple(Update(s, self.loss, config if self.loss == "ppo" else {}) for s in shares if s)
        return Batch(groups, updates, sum(map(len, shares)))

    @hookimpl
    def expect_tokens(self, run: RunContext, response: float) -> dict[str, float]:
        """Tokens of a step. With `positive`, it assumes that half of the rollouts are trained, more than usual."""
        some = run.draw(1, min(32, len(run.train_problems)), run.train_problems)
        prompt = sum(len(run.prompt(problem).tokens) for problem in some) / len(some)
        rollouts = self.problems_per_step * self.rollouts_per_problem
        return {
            "prefill": self.problems_per_step * prompt,
            "cached_prefill": (rollouts - self.problems_per_step) * prompt,
            "sampled": rollouts * response,
            "trained": rollouts * (prompt + response) * (0.5 if self.train_on == "positive" else 1.0),
        }

    def data(self, groups: Sequence[Group]) -> tuple[Datum, ...]:
        """A Datum for each rollout that is trained."""
        return tuple(
            datum_of(group.prompt, rollout, advantage)
            for group in groups
            if group.kept
            for rollout, advantage in zip(group.rollouts, group.advantages, strict=True)
            if advantage is not None and rollout.tokens and self.trains(advantage)
        )

    def trains(self, advantage: float | tuple[float, ...]) -> bool:
        """Whether a rollout with this advantage is trained."""
        values = advantage if isinstance(advantage, tuple) else (advantage,)
        return any(v > 0 for v in values) if self.train_on == "positive" else any(v != 0 for v in values)
