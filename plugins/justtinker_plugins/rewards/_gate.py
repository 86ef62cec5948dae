"""Which rollouts a reward term applies to: all of them, or only those that a verifier found correct."""

from __future__ import annotations

from collections.abc import Sequence

from justtinker_core import Group


def gated(group: Group, raw: Sequence[float | None], only_correct: bool) -> list[float | None]:
    """The raw numbers (G,) with None wherever the term does not apply: gated, at all but correct ones."""
    if not only_correct:
        return list(raw)
    return [r if v.outcome == "correct" else None for r, v in zip(raw, group.verdicts, strict=True)]
