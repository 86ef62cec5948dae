"""Rewards minus their mean, perhaps in units of their standard deviation."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Std = Literal["population", "sample"]
"""Which standard deviation: that of the population divides by G, that of the sample by G - 1."""
EPSILON = 1e-6


def center(rewards: NDArray[np.float64], std: Std | None = None) -> NDArray[np.float64]:
    """Subtract the mean from rewards (G,) and, if `std` is given, divide by that standard deviation + 1e-6.

    Exactly 0 if all rewards are equal, as those of one rollout are.
    """
    if rewards.size == 0 or np.ptp(rewards) == 0:
        return np.zeros_like(rewards)  # the mean of equal floats is not always that float
    scale = rewards.std(ddof=int(std == "sample")) + EPSILON if std else 1.0
    return np.asarray((rewards - rewards.mean()) / scale)
