"""How `grpo` weighs tokens: by scaling advantages, as the losses are sums and linear in them.

For the R rollouts of an update, with T_i tokens of the policy's in rollout i (those that are not trained included):

    token_sum       A_i                       every token counts the same, in every step: JustRL, the Tinker service
    token_mean      A_i / (T_1 + ... + T_R)   DAPO (arXiv:2503.14476): the same within an update
    sequence_mean   A_i / (R T_i)             GRPO (arXiv:2402.03300): every rollout counts the same
    constant        A_i / (N max_tokens)      Dr. GRPO (arXiv:2503.20783): the same in every step, at another scale

N is what R is in a whole step: problems_per_step rollouts_per_problem / updates_per_step.

Adam ignores a factor that all updates share. So token_sum and constant train alike, and token_mean differs from them
only in how much a step with longer responses weighs; sequence_mean weighs short responses more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from justtinker_core import Group, Rollout

Normalize = Literal["token_sum", "token_mean", "sequence_mean", "constant"]
Advantage = float | tuple[float, ...]


def rows_of(groups: Sequence[Group]) -> list[tuple[Group, Rollout, Advantage]]:
    """Return every rollout that could be trained, with its group and its advantage."""
    return [
        (group, rollout, advantage)
        for group in groups
        if group.kept
        for rollout, advantage in zip(group.rollouts, group.advantages, strict=True)
        if advantage is not None and rollout.tokens
    ]


def divisor(normalize: Normalize, rollouts: Sequence[Rollout], most: float) -> list[float]:
    """What each rollout's advantage is divided by (R,). `most`: N max_tokens."""
    number = len(rollouts)
    if normalize in ("token_sum", "constant"):
        return [most if normalize == "constant" else 1.0] * number
    lengths = [max(rollout.response_tokens, 1) for rollout in rollouts]
    return [float(sum(lengths))] * number if normalize == "token_mean" else [float(number * n) for n in lengths]


def divided(advantage: Advantage, by: float) -> Advantage:
    """Divide an advantage, or each of a rollout's."""
    if by == 1.0:
        return advantage
    return tuple(a / by for a in advantage) if isinstance(advantage, tuple) else advantage / by
