"""GRPO with DAPO's dynamic sampling: sample until enough groups have something to teach.

A group whose rollouts all earn the same has advantages of zero. Such groups fill much of a batch while a policy can do
nothing yet, and more and more of it as the policy gets better; the gradient rests on the others. DAPO
(arXiv:2503.14476, section 3.2) therefore samples more problems until 0 < number of correct answers < G in every group.

Here a group counts if it is kept and has an advantage that is not 0, which also works for rewards that are not just
right or wrong. The plugin samples up to `max_rounds` rounds of `problems_per_step` problems, until that many groups
count. Further groups are not trained, so that every full step has the same size, but all are in the metrics and the
records, because a mean over chosen groups says nothing about the policy. It remembers nothing from step to step: seed,
step and round determine a round's problems, so a resumed run asks the same ones. An epoch skips the problems of rounds
that were not needed.

Everything else is `grpo`, with all of its options.

What can go wrong. Cost: early and late in training a step may take `max_rounds` times the samples, while the estimate
of `check` counts one round; set `run.budget_usd`. Each round waits for the slowest rollout of the one before. A step
that is still short after `max_rounds` is trained as it is; the metric `groups_wanting` says how many groups it lacks.

    [plugins]
    enable = ["dapo_sampling"]      # in place of "grpo"

    [plugins.dapo_sampling]
    problems_per_step = 32
    rollouts_per_problem = 8
    max_rounds = 4

    [local_plugins]
    dapo_sampling = "dapo_sampling.py:DapoSampling"
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from justtinker_core import Batch, Group, RunContext, hookimpl, plugin
from justtinker_plugins.algorithms.grpo import Grpo


@plugin
class DapoSampling(Grpo):
    """A `grpo` that fills its batch with groups that have a signal."""

    max_rounds: Annotated[int, Field(ge=1)] = 4
    """Most rounds of sampling in a step."""

    @hookimpl
    def collect_batch(self, step: int, run: RunContext) -> Batch:
        """Sample as many rounds as it takes, and choose what to train on."""
        groups: list[Group] = []
        wanting = self.problems_per_step
        rounds = 0
        while wanting and rounds < self.max_rounds:
            rounds += 1
            draw = (step - 1) * self.max_rounds + rounds
            problems = run.draw(draw, self.problems_per_step, run.train_problems)
            for group in map(run.credit, run.rollouts(step, problems, self.rollouts_per_problem)):
                counts = group.kept and has_signal(group)
                groups.append(group if not counts or wanting else replace(group, kept=False))
                wanting -= bool(counts and wanting)
        batch = self.batch(tuple(groups))
        return replace(batch, metrics={"sampling_rounds": float(rounds), "groups_wanting": float(wanting)})


def has_signal(group: Group) -> bool:
    """Whether any rollout, or any of its tokens, has an advantage that is not 0."""
    return any(np.any(a) for a in group.advantages if a is not None)
