"""How much better than its group a rollout did: total reward minus the group's mean.

One number a rollout; this plugin filters and trains nothing. With `divide_by_std` the number is GRPO's advantage
(DeepSeekMath, arXiv:2402.03300); without, the unbiased form of Dr. GRPO (arXiv:2503.20783), which the recipe uses.

Toolkits divide by different standard deviations: TRL and verl by that of the sample (``torch.std``, which divides by
G - 1), NumPy's default is that of the population (G). All advantages then differ by one factor, sqrt(1 - 1/G): 0.935
for 8 rollouts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from justtinker_core import Group, hookimpl, plugin
from justtinker_plugins.advantages._center import Std, center


@plugin
class GroupMean:
    """A_i = r_i - mean(r), or (r_i - mean(r)) / (std(r) + 1e-6) with `divide_by_std`. Of a group of one, 0."""

    divide_by_std: bool = False
    """Divide by the group's standard deviation, as standard GRPO does."""
    std: Std = "population"
    """With `divide_by_std`: the standard deviation of the population (divides by G) or, as in TRL and verl, of the
    sample (by G - 1)."""
    undivided: tuple[str, ...] = ("kl",)
    """With `divide_by_std`: reward terms that are compared with their own mean and not divided. GRPO's KL penalty
    stands beside the divided reward; inside, it would be blown up to full size where all answers are right."""

    @hookimpl
    def advantages(self, group: Group) -> Sequence[float]:
        """One number a rollout (G,); all zero if all rewards are equal."""
        if not self.divide_by_std:
            return [float(a) for a in center(np.array([reward.total for reward in group.rewards], dtype=np.float64))]
        apart = np.array([sum(r.weighted.get(term, 0.0) for term in self.undivided) for r in group.rewards])
        rest = np.array([sum(w for term, w in r.weighted.items() if term not in self.undivided) for r in group.rewards])
        return [float(a) for a in center(rest, self.std) + center(apart)]
