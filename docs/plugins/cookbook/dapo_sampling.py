"""GRPO with DAPO's dynamic sampling: sample on until enough groups have something to teach.

A group whose rollouts all earn the same has advantages of zero; as a policy gets better, or while it can do nothing
yet, more and more of a batch is such groups, and the gradient rests on what is left. DAPO (arXiv:2503.14476, section
3.2) asks for 0 < number of correct answers < G in every group of a batch, by sampling more problems until it is full.

Here a group counts that is kept, and has an advantage that is not 0: that also holds for rewards which are not right or
wrong. Rounds of `problems_per_step` problems are sampled until so many groups count, at most `max_rounds`. Groups
beyond that number are not trained, so that every full step has the same size; all of them are in the metrics and the
records, because a mean over the groups that were chosen says nothing about the policy. Nothing is remembered from step
to step: which problems a round takes is a function of seed, step and round, so a resumed run asks the same ones.
Problems of rounds that were not needed are passed over in that epoch.

Everything else is `grpo`, with all of its options.

What can go wrong. Cost: early and late in training a step may take `max_rounds` times the samples, and the estimate of
`check` counts one round; set `run.budget_usd`. Each round waits for the slowest rollout of the one before. A step that
stays short after `max_rounds` is trained as it is, and the metric `groups_wanting` says by how much.

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

from justtinker_core import Group, hookimpl, plugin
from justtinker_core.run import Run
from justtinker_core.types import Batch
from justtinker_plugins.algorithms.grpo import Grpo


@plugin
class DapoSampling(Grpo):
    """`grpo` that fills its batch with groups that have a signal."""

    max_rounds: Annotated[int, Field(ge=1)] = 4
    """Rounds of sampling in one step, at most."""

    @hookimpl
    def collect_batch(self, step: int, run: Run) -> Batch:
        """One step's groups, from as many rounds as it takes, and what of them is trained."""
        groups: list[Group] = []
        wanting = self.problems_per_step
        rounds = 0
        while wanting and rounds < self.max_rounds:
            rounds += 1
            turn = (step - 1) * self.max_rounds + rounds
            problems = run.draw(turn, self.problems_per_step, run.train_problems)
            for group in map(run.credit, run.rollouts(step, problems, self.rollouts_per_problem)):
                counts = group.kept and has_signal(group)
                groups.append(group if not counts or wanting else replace(group, kept=False))
                wanting -= bool(counts and wanting)
        batch = self.batch(tuple(groups))
        return replace(batch, metrics={"sampling_rounds": float(rounds), "groups_wanting": float(wanting)})


def has_signal(group: Group) -> bool:
    """Whether any rollout, or any token of one, has an advantage that is not 0."""
    return any(np.any(a) for a in group.advantages if a is not None)
