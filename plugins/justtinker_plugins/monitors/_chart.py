"""One-sided CUSUM charts against a series' own baseline: when did it begin to be worse than it used to be?

A chart learns location and scale from a series' first N values, then sums up how much worse than usual each value is:
S = max(0, S + z / f - k), where z counts in standard deviations (Page 1954). It alarms above h; the alarm began at the
first step after S was last 0 (Page's estimate). Three things keep it quiet on healthy runs:

- f, the long-run standard deviation over the short-run one, sqrt((1 + rho) / (1 - rho)) at lag-1 autocorrelation rho:
  the noise of consecutive steps is not independent (Johnson & Bagshaw 1974).
- The baseline follows slow trends: it moves by `follow` times z a step, z clipped to 1 (Huber), so by at most 1
  standard deviation in 100 steps at 0.01. It is never frozen: what was frozen would never come down again.
- The scale has a floor, and z is clipped to 4: no single step alarms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

CLIP = 4.0
HUBER = 1.0
MOST_CORRELATION = 0.5
LEAST_SCALE = 0.01


@dataclass(frozen=True, slots=True)
class Design:
    """The constants of a chart."""

    baseline: int
    """N."""
    slack: float
    """k, in standard deviations: half of the shift that it is made to see."""
    limit: float
    """h."""
    follow: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A series up to some step. Greater is worse."""

    values: tuple[float, ...] = ()
    """Those of the baseline, until there are enough."""
    ready: bool = False
    location: float = 0.0
    scale: float = 0.0
    widening: float = 1.0
    """f."""
    sum: float = 0.0
    """S."""
    began: int = 0
    """The first step since S was 0."""
    mean: float = 0.0
    """Of the values since then."""
    count: int = 0

    def add(self, value: float, step: int, rollouts: float, design: Design) -> Chart:
        """The chart with one value more, a mean over so many rollouts."""
        if not self.ready:
            values = (*self.values, value)
            return learned(values, rollouts) if len(values) >= design.baseline else replace(self, values=values)
        z = (value - self.location) / self.scale
        total = max(0.0, self.sum + max(-CLIP, min(CLIP, z)) / self.widening - design.slack)
        location = self.location + design.follow * self.scale * max(-HUBER, min(HUBER, z))
        if total == 0:
            return Chart((), True, location, self.scale, self.widening)
        count = self.count + 1
        mean = self.mean + (value - self.mean) / count
        return Chart((), True, location, self.scale, self.widening, total, self.began or step, mean, count)


def learned(values: Sequence[float], rollouts: float) -> Chart:
    """The chart that starts from a baseline."""
    series = np.asarray(values)
    away = series - np.median(series)
    scale = float(np.sqrt(np.mean(np.clip(away, -3 * series.std(), 3 * series.std()) ** 2)))
    away = series - series.mean()
    power = float(away @ away)
    rho = float(away[1:] @ away[:-1]) / power if power > 0 else 0.0
    rho = max(0.0, min(MOST_CORRELATION, rho))
    location = float(series.mean())
    return Chart(
        (), True, location, max(scale, floor(uncharted(abs(location)), rollouts)), math.sqrt((1 + rho) / (1 - rho))
    )


def floor(usual: float, rollouts: float) -> float:
    """The least scale around a usual value, as charted: of a rate it is its sampling error (rollouts 0: not known)."""
    if usual > 1 or rollouts < 2:
        return LEAST_SCALE
    p = min(max(usual, 1 / rollouts), 1 - 1 / rollouts)
    return max(LEAST_SCALE, math.sqrt(p * (1 - p) / rollouts) / (1 + usual))


def charted(value: float) -> float:
    """Value to chart: log(1 + x), so that lengths count by ratio and rates nearly as they are."""
    return math.copysign(math.log1p(abs(value)), value)


def uncharted(value: float) -> float:
    """Chart to value."""
    return math.copysign(math.expm1(abs(value)), value)
