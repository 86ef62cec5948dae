"""The cosine length reward: short when right, long enough when wrong.

From "Demystifying Long Chain-of-Thought Reasoning in LLMs" (arXiv:2502.03373). With length t of L at most,

    CosFn(t, L, a, b) = a + (b - a) (1 + cos(pi t / L)) / 2         b at t = 0, a at t = L

is used with one pair of ends a, b for correct rollouts and another for wrong ones; a rollout that reaches L without an
end gets r_e. The paper's scale does not fit into [-1, 1], so the defaults are those of TRL's
``get_cosine_scaled_reward``: correct from 1 down to 0.5, wrong from -1 up to -0.5. TRL has no r_e; here `exceeded` is
-1, the worst of the wrong ends.

The term includes correctness, so enable it instead of `correct`, not beside it.

What can go wrong. It pays wrong answers for being long, so a policy that cannot solve its problems learns to ramble
(watch `mean_response_tokens` and `redundancy`). JustTinker's own recipe has no length term for a reason; see `length`.

    [plugins]
    enable = ["cosine_length"]      # and no "correct"

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
    """Correct and short is best, wrong and short is worst."""

    max_tokens: Annotated[int, Field(ge=1)]
    """L: the run's longest response."""
    correct: tuple[Raw, Raw] = (1.0, 0.5)
    """The reward of a correct rollout at length 0 and at L."""
    wrong: tuple[Raw, Raw] = (-1.0, -0.5)
    """The reward of a wrong rollout at length 0 and at L."""
    exceeded: Raw = -1.0
    """r_e: the reward of a rollout that was cut off."""

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """Return `cosine_length`: a number in [-1, 1] for each rollout, None if unscored."""
        pairs = zip(group.rollouts, group.verdicts, strict=True)
        return {"cosine_length": [self.raw(rollout, verdict.outcome) for rollout, verdict in pairs]}

    def raw(self, rollout: Rollout, outcome: str) -> float | None:
        """Compute the reward of one rollout."""
        if outcome == "unscored":
            return None
        if rollout.truncated:
            return self.exceeded
        at_zero, at_end = self.correct if outcome == "correct" else self.wrong
        return cosine(min(rollout.response_tokens / self.max_tokens, 1.0), at_zero, at_end)


def cosine(part: float, at_zero: float, at_end: float) -> float:
    """Go from one end to the other, flat at both."""
    return at_end + (at_zero - at_end) * (1 + math.cos(math.pi * part)) / 2
