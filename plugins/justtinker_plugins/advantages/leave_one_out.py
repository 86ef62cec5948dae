"""How much better a rollout did than the others of its group (RLOO, arXiv:2402.14740).

A_i = r_i - mean of r_j over j != i = G / (G - 1) (r_i - mean(r)), with the total rewards r_1 ... r_G of a group.

A baseline that leaves out its own sample is independent of it, so the gradient is unbiased. Compared with `group_mean`
every advantage of a group of G is larger by G / (G - 1): one factor if all groups have the same size, which Adam
ignores. So this matters where groups differ in size, because some rollouts could not be graded, and where gradients
are clipped. Unbiased is only what trains on all rollouts: ``train_on = "all"`` of `grpo`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from justtinker_core import Group, hookimpl, plugin
from justtinker_plugins.advantages._center import center


@plugin
class LeaveOneOut:
    """A_i = r_i - the mean reward of the other rollouts. A group of one has no others, so its advantage is 0."""

    @hookimpl
    def advantages(self, group: Group) -> Sequence[float]:
        """One number a rollout (G,); all zero if all rewards are equal."""
        totals = np.array([reward.total for reward in group.rewards], dtype=np.float64)
        factor = totals.size / max(totals.size - 1, 1)
        return [float(factor * a) for a in center(totals)]
