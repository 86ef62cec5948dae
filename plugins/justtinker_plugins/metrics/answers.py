r"""Measure answers beyond right and wrong: their boxes, the length of correct ones, groups that agree.

The monitors `reward_hacking` and `degenerate_groups` judge these numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from justtinker_core import Group, hookimpl, plugin
from justtinker_plugins.text import answer_part, last_boxed


@plugin
class Answers:
    r"""Measures the boxes of each answer, the length of correct ones, and groups that are all right or all wrong.

    - ``boxed_count``: the number of ``\boxed{`` after the thinking; ``multiple_boxed_rate``: 1.0 if more than one.
    - ``correct_response_tokens``: the length of a correct response, None for others.
    - ``all_right_rate``, ``all_wrong_rate``: 1.0 if all graded rollouts of the group are correct, or if none is; None
      for a rollout that was not graded itself.
    """

    reads: ClassVar[tuple[str, ...]] = ("tokens",)

    @hookimpl
    def measure(self, group: Group) -> Mapping[str, Sequence[float | None]]:
        """Return one number for each rollout (G,), by name."""
        boxes = [float(boxes_in_answer(rollout.response)) for rollout in group.rollouts]
        outcomes = [verdict.outcome for verdict in group.verdicts]
        graded = {outcome for outcome in outcomes if outcome != "unscored"}
        return {
            "boxed_count": boxes,
            "multiple_boxed_rate": [float(count > 1) for count in boxes],
            "correct_response_tokens": [
                float(rollout.response_tokens) if outcome == "correct" else None
                for rollout, outcome in zip(group.rollouts, outcomes, strict=True)
            ],
            "all_right_rate": where_graded(outcomes, graded == {"correct"}),
            "all_wrong_rate": where_graded(outcomes, graded == {"incorrect"}),
        }


def where_graded(outcomes: Sequence[str], value: bool) -> list[float | None]:
    """Return the value for each graded rollout, None for the others."""
    return [None if outcome == "unscored" else float(value) for outcome in outcomes]


def boxes_in_answer(text: str) -> int:
    """Count the boxes that are opened after the thinking."""
    box = last_boxed(answer_part(text) or "")
    return box.opened if box else 0
