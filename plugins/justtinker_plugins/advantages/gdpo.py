"""Each reward term compared with its group by itself, then the weighted sum (GDPO, arXiv:2601.05242).

For the raw numbers r_k of a term k, over the rollouts of a group to which it applies:

    a_k = (r_k - mean(r_k)) / (std(r_k) + 1e-6)
    A   = sum over k of weight_k a_k

For several rewards of different spread. In a sum of rewards the term that varies most decides, and different mixtures
of terms get the same advantage; here each term counts by its weight alone, however large its numbers are. With one
term it is `group_mean` with `divide_by_std`, times the weight.

TRL calls it ``multi_objective_aggregation="normalize_then_sum"``. Like the paper, it then also normalises over the
batch: minus the mean, divided by the standard deviation. A plugin that sees one group cannot do that. It matters
little: the mean is 0 already, and Adam ignores the scale.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from justtinker_core import Group, hookimpl, plugin
from justtinker_plugins.advantages._center import Std, center


@plugin
class Gdpo:
    """The weighted sum of reward terms, each in standard deviations from its own mean in the group."""

    std: Std = "sample"
    """Of the sample (divides by G - 1), as in TRL, or of the population (G)."""
    undivided: tuple[str, ...] = ("kl",)
    """Reward terms that are compared with their own mean and not divided: a penalty that is meant to stay small."""

    @hookimpl
    def advantages(self, group: Group) -> Sequence[float]:
        """One number a rollout (G,). A term that does not apply to a rollout adds nothing to it: 0 if none applies."""
        total = np.zeros(len(group.rewards))
        for term in dict.fromkeys(name for reward in group.rewards for name in reward.terms):
            total += self._part(group, term)
        return [float(a) for a in total]

    def _part(self, group: Group, term: str) -> NDArray[np.float64]:
        """What a term adds to each rollout (G,)."""
        raw = np.array([reward.terms.get(term) for reward in group.rewards], dtype=np.float64)  # None becomes NaN
        weights = np.array([reward.weights.get(term, 0.0) for reward in group.rewards])
        part, applies = np.zeros_like(raw), ~np.isnan(raw)
        part[applies] = weights[applies] * center(raw[applies], None if term in self.undivided else self.std)
        return part
