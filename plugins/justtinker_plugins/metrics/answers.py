r"""What monitors want to know of answers beyond right and wrong: boxes, length of the correct ones, groups of one mind.

This only measures; what it means is for the monitors `reward_hacking` and `degenerate_groups`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from justtinker_core import Group, hookimpl, plugin
from justtinker_plugins.text import answer_part, last_boxed


@plugin
class Answers:
    r"""Five numbers a rollout.

    - ``boxed_count``: how many ``\boxed{`` stand after its thinking; ``multiple_boxed_rate``: 1.0 if more than one.
    - ``correct_response_tokens``: its length if it is correct, else None.
    - ``all_right_rate``, ``all_wrong_rate``: 1.0 if every graded rollout of its group is correct, or none is; None if
      it was not graded itself.
    """

    reads: ClassVar[tuple[str, ...]] = ("tokens",)

    @hookimpl
    def measure(self, group: Group) -> Mapping[str, Sequence[float | None]]:
        """Each name with one number a rollout (G,)."""
        boxes = [float(boxes_in_answer(rollout.text)) for rollout in group.rollouts]
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
    """The value for each graded rollout, None for the others."""
    return [None if outcome == "unscored" else float(value) for outcome in outcomes]


def boxes_in_answer(text: str) -> int:
    """How many boxes are opened after the thinking."""
    box = last_boxed(answer_part(text) or "")
    return box.opened if box else 0
