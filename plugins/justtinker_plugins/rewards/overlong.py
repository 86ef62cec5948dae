"""Penalise overlong responses softly, as in DAPO: not at all, then linearly over the last stretch before the limit.

It looks at length alone. To penalise loops but not length, use `redundancy`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from justtinker_core import Group, hookimpl, plugin
from justtinker_plugins.rewards._gate import gated


@plugin
class Overlong:
    """Pays 0 up to `max_tokens` - `buffer`, then linearly less, down to -1 at `max_tokens`.

    Equation 13 of DAPO (arXiv:2503.14476), there with 20,480 and 4,096 tokens.
    """

    default_weight: ClassVar[float] = 1.0

    max_tokens: Annotated[int, Field(gt=0, examples=[8192])]
    """The length at which the penalty is full: that of the run's longest response."""
    buffer: Annotated[int, Field(gt=0)] | None = None
    """The number of tokens over which the penalty grows; the default is a fifth of `max_tokens`, as in DAPO."""
    only_correct: bool = False
    """Apply to correct answers only; false: to every rollout, as in DAPO."""

    def __post_init__(self) -> None:
        if self.buffer is None:
            self.buffer = max(self.max_tokens // 5, 1)
        if self.buffer > self.max_tokens:
            raise ValueError(f"buffer = {self.buffer} must not be greater than max_tokens = {self.max_tokens}")

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """Return `overlong`: a number in [-1, 0] for each rollout, from the number of tokens that the policy wrote."""
        return {"overlong": gated(group, [self.raw(r.response_tokens) for r in group.rollouts], self.only_correct)}

    def raw(self, tokens: int) -> float:
        """The penalty of a response of so many tokens."""
        assert self.buffer is not None
        return max(-1.0, min(0.0, (self.max_tokens - self.buffer - tokens) / self.buffer))
