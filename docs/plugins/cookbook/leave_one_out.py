"""Advantages against the rest of the group (RLOO), with options for the points on which GRPO and its critics differ.

The total rewards r_1 ... r_G of a group, with mean m and standard deviation s (of the population):

    baseline = "others"   A_i = r_i - mean of the others = G / (G - 1) (r_i - m)    RLOO, arXiv:2402.14740
    baseline = "all"      A_i = r_i - m                                             Dr. GRPO, arXiv:2503.20783
    scale = "std"         A_i / (s + 1e-6)                                          GRPO, arXiv:2402.03300
    per_token = true      A_i / |y_i| on each token                                 GRPO's mean over a response

A baseline that leaves out its own sample is independent of it, so the gradient is unbiased; with all samples the
gradient is too small by (G - 1) / G, the same factor for every group of one size. Dr. GRPO calls the last two biased:
dividing by s favours problems that are nearly always or nearly never solved, and dividing by length makes long wrong
answers cheap.

What can go wrong. A group of one has no others, so its advantage is 0. Unscored rollouts shrink a group, so the factor
G / (G - 1) then differs between groups. The scale of advantages does not affect the clip of `ppo`, but it does affect
the optimizer's gradient clipping.

    [plugins]
    enable = ["leave_one_out"]      # in place of "group_mean"

    [plugins.leave_one_out]
    baseline = "others"

    [plugins.grpo]
    train_on = "all"                # as RLOO does; the default trains only rollouts that beat their group

    [local_plugins]
    leave_one_out = "leave_one_out.py:LeaveOneOut"
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from justtinker_core import Group, hookimpl, plugin

EPSILON = 1e-6


@plugin
class LeaveOneOut:
    """How much better a rollout did than the others of its group."""

    baseline: Literal["others", "all"] = "others"
    """Compare with the mean of the other rollouts, or with that of all."""
    scale: Literal["none", "std"] = "none"
    """std: divide by the group's standard deviation."""
    per_token: bool = False
    """Divide an advantage among the response's tokens instead of giving it to each."""

    @hookimpl
    def advantages(self, group: Group) -> list[float] | list[tuple[float, ...]]:
        """One number a rollout, or one a token."""
        values = self.values([reward.total for reward in group.rewards])
        if not self.per_token:
            return values
        pairs = zip(values, group.rollouts, strict=True)
        return [(a / max(r.response_tokens, 1),) * len(r.tokens) for a, r in pairs]

    def values(self, rewards: Sequence[float]) -> list[float]:
        """The advantages of a group's total rewards."""
        r = np.array(rewards, dtype=np.float64)
        if r.size < 2 or np.ptp(r) == 0:
            return [0.0] * r.size  # exactly: the mean of equal floats is not always that float
        a = r - r.mean()
        if self.baseline == "others":
            a *= r.size / (r.size - 1)
        if self.scale == "std":
            a /= r.std() + EPSILON
        return [float(x) for x in a]
