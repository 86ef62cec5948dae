"""GRPO with DAPO's dynamic sampling: keep sampling until enough groups have something to teach.

A group whose rollouts all earn the same has zero advantages. As a policy gets better, or while it can do nothing yet,
more and more of a batch consists of such groups, and the gradient rests on the others. DAPO (arXiv:2503.14476, section
3.2) requires 0 < number of correct answers < G in every group of a batch, and samples more problems until the batch is
full.

Here a group counts if it is kept and has an advantage other than 0, which also covers rewards that are not simply right
or wrong. Rounds of `problems_per_step` problems are sampled until that many groups count, in at most `max_rounds`
rounds. Groups beyond that number are not trained, so every full step has the same size, but all are in the metrics and
the records, because a mean over chosen groups says nothing about the policy. No state is kept between steps: the
problems of a round are a function of seed, step and round, so a resumed run takes the same ones. Problems of rounds
that were not needed are skipped in that epoch.

Everything else is as in `grpo`, with all of its options.

What can go wrong. Cost: early and late in training a step may take `max_rounds` times the samples, but `check`
estimates one round; set `run.budget_usd`. Each round waits for the slowest rollout of the one before. A step that is
still short after `max_rounds` is trained anyway, and the metric `groups_wanting` says how many groups are missing.

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
    """The most rounds of sampling in one step."""

    @hookimpl
    def collect_batch(self, step: int, run: Run) -> Batch:
        """Sample one step's groups in as many rounds as needed, and choose which to train."""
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
    """Return whether any rollout, or any of its tokens, has an advantage other than 0."""
    return any(np.any(a) for a in group.advantages if a is not None)
