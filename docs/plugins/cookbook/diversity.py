"""A reward for answers that differ from their group: many roads to one right answer.

Groups whose correct answers are near copies teach one way to solve a problem, and pass@k stops growing. This term says
how little a correct rollout i resembles the other correct ones of its group,

    d_i = mean over j != i of 1 - |S_i & S_j| / |S_i | S_j|     in [0, 1]

where S is the set of its `n`-word shingles: one minus the resemblance of Broder, "On the resemblance and containment of
documents" (1997). The order of rollouts in the group does not matter.

It pays only correct rollouts, and only if there are two or more: diversity among wrong answers is noise, and a policy
paid for it learns to be wrong in new ways.

What can go wrong. Words that change nothing raise it too (try `mode = "observe"` first), long rollouts share fewer
shingles, and with a weight above about 0.2 it competes with being right. Cost grows with the square of the group.

    [plugins]
    enable = ["diversity", "correct"]

    [plugins.diversity]
    weight = 0.1
    mode = "observe"                # remove this line once the curve shows what you want

    [local_plugins]
    diversity = "diversity.py:Diversity"
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

from pydantic import Field

from justtinker_core import Group, hookimpl, plugin


@plugin
class Diversity:
    """Pays a correct rollout for differing from the other correct ones of its group."""

    default_weight: ClassVar[float] = 0.1
    per_group: ClassVar[bool] = True

    n: Annotated[int, Field(ge=1)] = 4
    """Words of a shingle."""

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """`diversity`: a number in [0, 1] for a correct rollout among others, None for all other rollouts."""
        right = [i for i, verdict in enumerate(group.verdicts) if verdict.outcome == "correct"]
        sets = {i: self.shingles(group.rollouts[i].text) for i in right}
        raw: list[float | None] = [None] * len(group.rollouts)
        for i in right if len(right) > 1 else ():
            distances = [1 - resemblance(sets[i], sets[j]) for j in right if j != i]
            raw[i] = math.fsum(distances) / len(distances)  # exact, so the group's order never changes the last digit
        return {"diversity": raw}

    def shingles(self, text: str) -> set[tuple[str, ...]]:
        """All runs of `n` words, or a shorter text as a whole."""
        words = text.split()
        return {tuple(words[i : i + self.n]) for i in range(max(len(words) - self.n + 1, 1))}


def resemblance(a: set[tuple[str, ...]], b: set[tuple[str, ...]]) -> float:
    """The share of all shingles that both sets have."""
    return len(a & b) / len(a | b)
