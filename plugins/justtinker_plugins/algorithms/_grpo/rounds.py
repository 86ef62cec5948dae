"""Dynamic sampling (DAPO, arXiv:2503.14476, section 3.2): sample on until enough groups have something to teach.

A group whose rollouts are all right or all wrong says nothing about what is better. Only the outcome decides, never the
shaped score: else a format term would make a group of wrong answers worth training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from justtinker_core import Group


def is_mixed(group: Group) -> bool:
    """Whether the graded rollouts of a group are neither all right nor all wrong."""
    return {"correct", "incorrect"} <= {verdict.outcome for verdict in group.verdicts}


def keep_mixed(groups: Sequence[Group], most: int) -> tuple[list[Group], int]:
    """Keep the first `most` groups that are mixed for training, and no other. Returns all groups and how many it kept.

    What is found beyond a full step is not trained, so that every full step has the same size.
    """
    chosen: list[Group] = []
    kept = 0
    for group in groups:
        counts = group.kept and kept < most and is_mixed(group)
        chosen.append(group if counts else replace(group, kept=False))
        kept += counts
    return chosen, kept
