"""The cosine length reward: be short when right, and long enough when wrong.

From "Demystifying Long Chain-of-Thought Reasoning in LLMs" (arXiv:2502.03373). With length t of L at most,

    CosFn(t, L, a, b) = a + (b - a) (1 + cos(pi t / L)) / 2         b at t = 0, a at t = L

runs between one pair of values for correct rollouts and another for wrong ones, and a rollout that reaches L without an
end gets r_e. The paper's scale does not fit into [-1, 1]; the defaults are those of TRL's ``get_cosine_scaled_reward``:
correct falls from 1 to 0.5, wrong rises from -1 to -0.5. TRL has no r_e; here `exceeded` is -1, the worst wrong value.

The term already rewards being correct, so use it in place of `correct`, not beside it.

What can go wrong. It pays wrong answers for being long: a policy that cannot solve its problems learns to ramble
(watch `mean_response_tokens` and `redundancy`). JustTinker's own recipe has no length term for a reason; see `length`.

    [plugins]
    enable = ["cosine_length"]      # without "correct"

    [plugins.cosine_length]
    max_tokens = 4096               # the run's sampling.max_tokens

    [local_plugins]
    cosine_length = "cosine_length.py:CosineLength"
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from justtinker_core import Group, Rollout, hookimpl, plugin

Raw = Annotated[float, Field(ge=-1, le=1)]


@plugin
class CosineLength:
    """Ranks correct and short best, wrong and short worst."""

    max_tokens: Annotated[int, Field(ge=1)]
    """L: the run's longest response."""
    correct: tuple[Raw, Raw] = (1.0, 0.5)
    """Reward of a correct rollout at length 0 and at L."""
    wrong: tuple[Raw, Raw] = (-1.0, -0.5)
    """Reward of a wrong rollout at length 0 and at L."""
    exceeded: Raw = -1.0
    """r_e: reward of a rollout that was cut off."""

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """`cosine_length`: a number in [-1, 1] a rollout, None if unscored."""
        pairs = zip(group.rollouts, group.verdicts, strict=True)
        return {"cosine_length": [self.raw(rollout, verdict.outcome) for rollout, verdict in pairs]}

    def raw(self, rollout: Rollout, outcome: str) -> float | None:
        """The reward of one rollout."""
        if outcome == "unscored":
            return None
        if rollout.truncated:
            return self.exceeded
        at_zero, at_end = self.correct if outcome == "correct" else self.wrong
        return cosine(min(rollout.response_tokens / self.max_tokens, 1.0), at_zero, at_end)


def cosine(progress: float, at_zero: float, at_end: float) -> float:
    """Go from one value to the other, flat at both ends."""
    return at_end + (at_zero - at_end) * (1 + math.cos(math.pi * progress)) / 2
