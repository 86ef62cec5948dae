"""Reward `my_plugin`: a penalty for correct responses that are too long."""

from __future__ import annotations

from typing import Annotated, ClassVar

from justtinker_core import Group, hookimpl, plugin
from pydantic import Field


@plugin
class MyPlugin:
    """0 up to `most` tokens, then falling to -1 at twice as many; for correct responses only."""

    default_weight: ClassVar[float] = 0.1  # multiplies the term; a config changes it with `weight`

    most: Annotated[int, Field(ge=1)] = 512
    """Tokens without a penalty."""

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """Return one number in [-1, 1] a rollout, or None if the term does not apply."""
        terms: list[float | None] = []
        for rollout, verdict in zip(group.rollouts, group.verdicts, strict=True):
            too_many = rollout.response_tokens - self.most
            penalty = -min(max(too_many / self.most, 0.0), 1.0)
            terms.append(penalty if verdict.outcome == "correct" else None)
        return {"my_plugin": terms}
