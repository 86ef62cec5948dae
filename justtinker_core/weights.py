"""Weights of reward terms: the options `weight` and `mode`, which the core adds to every reward plugin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from justtinker_core.options import configure, plugin

Finite = Annotated[float, Field(allow_inf_nan=False)]


@plugin
class Ramp:
    """A weight that moves in a straight line over the first `steps` steps, then stays."""

    start: Annotated[Finite, Field(alias="from")]
    to: Finite
    steps: Annotated[int, Field(ge=1)]


@plugin
class RewardOptions:
    """The options that every reward plugin has."""

    weight: Finite | Ramp = 1.0
    """The core multiplies the raw terms by this: a number, or ``{from = 0.0, to = 0.3, steps = 100}``."""
    mode: Literal["on", "observe"] = "on"
    """observe: compute and log the terms, but add nothing to the reward."""

    def at(self, step: int) -> float | None:
        """Return the weight at a step; None: do not compute the terms at all."""
        if self.mode == "observe":
            return 0.0
        weight = self.weight
        if isinstance(weight, Ramp):
            weight = weight.start + (weight.to - weight.start) * min(step / weight.steps, 1.0)
        return weight or None


def take_reward_options(
    default_weight: float, table: str, options: Mapping[str, Any]
) -> tuple[RewardOptions, dict[str, Any]]:
    """Split a reward plugin's table into the core's options, `weight` and `mode`, and the plugin's own."""
    own = dict(options)
    given: dict[str, Any] = {"weight": default_weight}
    given |= {key: own.pop(key) for key in ("weight", "mode") if key in own}
    if isinstance(given["weight"], dict):
        ramp = configure(Ramp, f"{table}.weight", given.pop("weight"))
        return replace(configure(RewardOptions, table, given), weight=ramp), own
    return configure(RewardOptions, table, given), own
