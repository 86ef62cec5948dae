"""How much better than its group a rollout did: total reward minus the group's mean.

One number a rollout; this plugin filters and trains nothing. With `divide_by_std` the number is GRPO's advantage
(DeepSeekMath, arXiv:2402.03300); without, the unbiased form of Dr. GRPO (arXiv:2503.20783), which the recipe uses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from justtinker_core import Group, hookimpl, plugin

EPSILON = 1e-6


@plugin
class GroupMean:
    """A_i = r_i - mean(r), or (r_i - mean(r)) / (std(r) + 1e-6) with the population's standard deviation."""

    divide_by_std: bool = False
    """Divide by the group's standard deviation, as standard GRPO does."""

    @hookimpl
    def advantages(self, group: Group) -> Sequence[float]:
        """One number a rollout (G,); all zero if all rewards are equal."""
        totals = np.array([reward.total for reward in group.rewards], dtype=np.float64)
        return [float(a) for a in center(totals, divide_by_std=self.divide_by_std)]


def center(rewards: NDArray[np.float64], *, divide_by_std: bool) -> NDArray[np.float64]:
    """Subtract the mean from rewards (G,) and, on request, divide by their standard deviation."""
    if rewards.size == 0 or np.ptp(rewards) == 0:
        return np.zeros_like(rewards)  # the mean of equal floats is not always that float
    scale = rewards.std() + EPSILON if divide_by_std else 1.0
    return np.asarray((rewards - rewards.mean()) / scale)
