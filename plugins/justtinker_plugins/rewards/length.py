"""Reward short answers within a group, as in Kimi k1.5, against the advice of the recipe: read the warning first.

JustTinker and JustRL train without a length term: JustRL (arXiv:2512.16649) tried one, and exploration collapsed. To
penalise loops but not length, use `redundancy`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import ClassVar

from justtinker_core import Group, RunContext, hookimpl, plugin

WARNING = (
    "plugin 'length' rewards short answers; the recipe advises against it (exploration collapses, accuracy stalls). "
    "To penalise loops but not length, enable 'redundancy' instead"
)


@plugin
class Length:
    """Pays 0.5 - (length - shortest) / (longest - shortest) within the group, and wrong answers at most 0.

    Section 2.3.3 of Kimi k1.5 (arXiv:2501.12599): shorter is better among correct answers; a wrong one gains nothing by
    being short. Lengths count the tokens that the policy wrote.
    """

    default_weight: ClassVar[float] = 0.1
    per_group: ClassVar[bool] = True

    @hookimpl
    def preflight(self, run: RunContext) -> Sequence[str]:
        """Warn in the log, but do not complain: the user may want this term."""
        logging.getLogger(__name__).warning(WARNING)
        return []

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """Return `length`: a number in [-0.5, 0.5] for each rollout, None if unscored; 0 if all are equally long."""
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
