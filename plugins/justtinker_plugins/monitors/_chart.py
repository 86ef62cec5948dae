"""One-sided CUSUM charts against a series' own baseline: when did it begin to be worse than it used to be?

A chart learns location and scale from the first N values of a series, then sums up how much worse than usual each
value is: S = max(0, S + z / f - k), with z in standard deviations (Page 1954). It alarms when S exceeds h; the alarm
began at the first step after S was last 0 (Page's estimate). Three things keep it silent on healthy runs:

- f corrects for noise that is correlated from step to step (Johnson & Bagshaw 1974): the long-run standard deviation
  over the short-run one, sqrt((1 + rho) / (1 - rho)) at lag-1 autocorrelation rho.
- The baseline follows slow trends: each step moves it by `follow` times z, with z clipped to 1 (Huber); at 0.01, by
  at most 1 standard deviation in 100 steps. It is never frozen, for then a sum might never come down again.
- The scale has a minimum, and z is clipped to 4: no single step alarms.
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
    """N, the number of values that the baseline is learned from."""
    slack: float
    """k, in standard deviations: half of the shift that the chart is designed to detect."""
    limit: float
    """h, the sum above which the chart alarms."""
    follow: float
    """How far the baseline moves with each step, in standard deviations times z."""


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart of a series up to some step; greater values are worse."""

    values: tuple[float, ...] = ()
    """The values of the baseline, until there are enough."""
    ready: bool = False
    location: float = 0.0
    scale: float = 0.0
    widening: float = 1.0
    """f."""
    sum: float = 0.0
    """S."""
    began: int = 0
    """The first step since S was last 0."""
    mean: float = 0.0
    """The mean of the values since then."""
    count: int = 0

    def add(self, value: float, step: int, rollouts: float, design: Design) -> Chart:
        """Return the chart with one more value, which is a mean over so many rollouts."""
        if not self.ready:
            values = (*self.values, value)
            return first_chart(values, rollouts) if len(values) >= design.baseline else replace(self, values=values)
        z = (value - self.location) / self.scale
        total = max(0.0, self.sum + max(-CLIP, min(CLIP, z)) / self.widening - design.slack)
        location = self.location + design.follow * self.scale * max(-HUBER, min(HUBER, z))
        if total == 0:
            return Chart((), True, location, self.scale, self.widening)
        count = self.count + 1
        mean = self.mean + (value - self.mean) / count
        return Chart((), True, location, self.scale, self.widening, total, self.began or step, mean, count)


def first_chart(values: Sequence[float], rollouts: float) -> Chart:
    """Make the chart that starts from a baseline."""
    series = np.asarray(values)
    away = series - np.median(series)
    scale = float(np.sqrt(np.mean(np.clip(away, -3 * series.std(), 3 * series.std()) ** 2)))
    away = series - series.mean()
    power = float(away @ away)
    rho = float(away[1:] @ away[:-1]) / power if power > 0 else 0.0
    rho = max(0.0, min(MOST_CORRELATION, rho))
    location = float(series.mean())
    scale = max(scale, least_scale(from_log(abs(location)), rollouts))
    return Chart((), True, location, scale, math.sqrt((1 + rho) / (1 - rho)))


def least_scale(usual: float, rollouts: float) -> float:
    """The minimum scale around a usual value: for a rate its sampling error (rollouts 0: unknown)."""
    if usual > 1 or rollouts < 2:
        return LEAST_SCALE
    p = min(max(usual, 1 / rollouts), 1 - 1 / rollouts)
    return max(LEAST_SCALE, math.sqrt(p * (1 - p) / rollouts) / (1 + usual))


def to_log(value: float) -> float:
    """Map a value to the chart's scale, log(1 + x): there lengths compare by ratio, and rates change little."""
    return math.copysign(math.log1p(abs(value)), value)


def from_log(value: float) -> float:
    """Map a number of the chart's scale back to a value."""
    return math.copysign(math.expm1(abs(value)), value)
