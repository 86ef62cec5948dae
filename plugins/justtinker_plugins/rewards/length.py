"""A length reward within the group, as in Kimi k1.5. Opt-in, and against the recipe: read the warning first.

JustTinker and JustRL train without any length term: JustRL (arXiv:2512.16649) tried one, and exploration collapsed. To
punish loops and leave length alone, use `redundancy`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import ClassVar

from justtinker_core import Group, RunContext, hookimpl, plugin

WARNING = (
    "plugin 'length' rewards short answers; the recipe advises against it (exploration collapses, accuracy stalls). "
    "To punish loops and leave length alone, enable 'redundancy' instead"
)


@plugin
class Length:
    """0.5 - (len - shortest) / (longest - shortest) within the group; for wrong answers at most 0.

    Section 2.3.3 of Kimi k1.5 (arXiv:2501.12599): shorter is better among the correct, and a wrong answer gains nothing
    by being short. Lengths are tokens that the policy wrote.
    """

    default_weight: ClassVar[float] = 0.1

    @hookimpl
    def preflight(self, run: RunContext) -> Sequence[str]:
        """Warns in the log; no complaint, as the run may want it."""
        logging.getLogger(__name__).warning(WARNING)
        return []

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """`length`: a number in [-0.5, 0.5] a rollout, None where unscored; 0 if all scored ones are equally long."""
        scored = [verdict.outcome != "unscored" for verdict in group.verdicts]
        tokens = [rollout.response_tokens for rollout in group.rollouts]
        lengths = [size for size, counts in zip(tokens, scored, strict=True) if counts]
        shortest, spread = min(lengths, default=0), max(lengths, default=0) - min(lengths, default=0)
        raw: list[float | None] = []
        for size, verdict in zip(tokens, group.verdicts, strict=True):
            value = 0.5 - (size - shortest) / spread if spread else 0.0
            values = {"correct": value, "incorrect": min(value, 0.0), "unscored": None}
            raw.append(values[verdict.outcome])
        return {"length": raw}
