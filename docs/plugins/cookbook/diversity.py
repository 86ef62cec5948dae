"""A reward for correct answers that differ from the others in their group.

If the correct answers of a group are near copies, they teach one way of solving a problem, and pass@k stops growing.
The term of a correct rollout i measures how little it resembles the other correct rollouts of its group,

    d_i = mean over j != i of 1 - |S_i & S_j| / |S_i | S_j|     in [0, 1]

where S is the set of its `n`-word shingles: one minus the resemblance of Broder, "On the resemblance and containment of
documents" (1997). The group is treated as a set, so the order of rollouts does not matter.

Only correct rollouts are paid, and only if there are two or more. Diversity among wrong answers is noise, and a policy
that is paid for it learns to be wrong in new ways.

What can go wrong. Words that change nothing raise the term too (try it with `mode = "observe"` first), long rollouts
share fewer shingles, and with a weight above about 0.2 the term competes with correctness. The cost grows with the
square of the group's size.

    [plugins]
    enable = ["diversity", "correct"]

    [plugins.diversity]
    weight = 0.1
    mode = "observe"                # remove this line when the curve looks as you want it

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
    """Pays a correct rollout for being unlike the other correct ones of its group."""

    default_weight: ClassVar[float] = 0.1

    n: Annotated[int, Field(ge=1)] = 4
    """The number of words in a shingle."""

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """Return `diversity`: a number in [0, 1] if a rollout and another one are correct, else None."""
        right = [i for i, verdict in enumerate(group.verdicts) if verdict.outcome == "correct"]
        sets = {i: self.shingles(group.rollouts[i].text) for i in right}
        raw: list[float | None] = [None] * len(group.rollouts)
        for i in right if len(right) > 1 else ():
            apart = [1 - resemblance(sets[i], sets[j]) for j in right if j != i]
            raw[i] = math.fsum(apart) / len(apart)  # exact, so that no order of the group changes the last digit
        return {"diversity": raw}

    def shingles(self, text: str) -> set[tuple[str, ...]]:
        """Return all runs of `n` words; a shorter text is one."""
        words = text.split()
        return {tuple(words[i : i + self.n]) for i in range(max(len(words) - self.n + 1, 1))}


def resemblance(a: set[tuple[str, ...]], b: set[tuple[str, ...]]) -> float:
    """Divide the number of shared shingles by that of all."""
    return len(a & b) / len(a | b)
