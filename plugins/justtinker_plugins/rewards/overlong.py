"""DAPO's soft punishment of overlong responses: nothing, then a slope over the last stretch before the limit.

It looks at length alone. A run that wants loops punished, not length, wants `redundancy`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from justtinker_core import Group, hookimpl, plugin
from justtinker_plugins.rewards._gate import gated


@plugin
class Overlong:
    """0 up to `max_tokens` - `buffer`, then linearly down to -1 at `max_tokens`.

    Equation 13 of DAPO (arXiv:2503.14476), there with 20,480 and 4,096 tokens.
    """

    default_weight: ClassVar[float] = 1.0

    max_tokens: Annotated[int, Field(gt=0, examples=[8192])]
    """Tokens at which the punishment is full: the run's longest response."""
    buffer: Annotated[int, Field(gt=0)] | None = None
    """Tokens before the limit over which it grows; not given: a fifth of `max_tokens`, as in DAPO."""
    only_correct: bool = False
    """Apply to correct answers only; false, as in DAPO: to every rollout."""

    def __post_init__(self) -> None:
        if self.buffer is None:
            self.buffer = max(self.max_tokens // 5, 1)
        if self.buffer > self.max_tokens:
            raise ValueError(f"buffer = {self.buffer} must not be more than max_tokens = {self.max_tokens}")

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """`overlong`: a number in [-1, 0] a rollout, from the tokens that the policy wrote."""
        return {"overlong": gated(group, [self.raw(r.response_tokens) for r in group.rollouts], self.only_correct)}

    def raw(self, tokens: int) -> float:
        """The punishment of a response of so many tokens."""
        assert self.buffer is not None
        return max(-1.0, min(0.0, (self.max_tokens - self.buffer - tokens) / self.buffer))
