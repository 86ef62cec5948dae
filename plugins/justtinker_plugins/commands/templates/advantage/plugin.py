"""Advantages `my_plugin`: reward minus the mean of the other rollouts (RLOO, arXiv:2402.14740)."""

from __future__ import annotations

from justtinker_core import Group, hookimpl, plugin


@plugin
class MyPlugin:
    """A_i = r_i - mean of r_j over j != i: an unbiased baseline, since no rollout is compared with itself."""

    scale: float = 1.0
    """Multiplies every advantage."""

    @hookimpl
    def advantages(self, group: Group) -> list[float]:
        """Return one number a rollout, or a sequence of numbers a rollout, one for each of its tokens."""
        totals = [reward.total for reward in group.rewards]
        if len(totals) < 2 or min(totals) == max(totals):
            return [0.0] * len(totals)  # exactly 0: sums of equal floats may differ in the last digit
        others = len(totals) - 1
        return [self.scale * (total - (sum(totals) - total) / others) for total in totals]
