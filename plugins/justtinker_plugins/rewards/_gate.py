"""Decide which rollouts a reward term applies to: all, or only those that the verifier found correct."""

from __future__ import annotations

from collections.abc import Sequence

from justtinker_core import Group


def gated(group: Group, raw: Sequence[float | None], only_correct: bool) -> list[float | None]:
    """Return the raw numbers (G,), with None for all but correct rollouts if `only_correct`."""
    if not only_correct:
        return list(raw)
    return [r if v.outcome == "correct" else None for r, v in zip(raw, group.verdicts, strict=True)]
