"""Maximum likelihood instead of the mean reward: right answers to hard problems count more (MaxRL, arXiv:2602.02710).

With r_i = 1 for a correct rollout, else 0, and the pass rate p = mean(r) of the group:

    A_i = (r_i - p) / p,  and 0 for all if nobody is right

`leave_one_out` maximises the expected pass rate. This maximises its logarithm, as far as G samples can show it: the
expected gradient is that of the sum over k = 1 ... G - 1 of pass@k / k. So a problem of pass rate p weighs
(1 - (1 - p)^(G - 1)) / p times as much: once if it is nearly always solved, G - 1 times if nearly never. For hard
problems with many rollouts each, and if pass@k matters. Train on all rollouts (``train_on = "all"`` of `grpo`).

It is defined for right and wrong. So only the verdicts count here: reward terms such as `format` or `redundancy` are
recorded, but take no part.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from justtinker_core import Group, hookimpl, plugin


@plugin
class MaxRl:
    """A_i = (r_i - p) / p, with r_i = 1 for a correct rollout, else 0, and p their mean in the group."""

    @hookimpl
    def advantages(self, group: Group) -> Sequence[float]:
        """One number a rollout (G,), from the verdicts alone; all zero if none or all are correct."""
        right = np.array([verdict.outcome == "correct" for verdict in group.verdicts], dtype=np.float64)
        rate = right.mean() if right.size else 0.0
        return [float(a) for a in (right - rate) / rate] if rate else [0.0] * right.size
