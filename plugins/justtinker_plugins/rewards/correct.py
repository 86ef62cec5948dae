"""The reward that matters: 1 for a correct answer, 0 for a wrong one, nothing for one that nobody could judge.

It does no judging: the verdicts come from a verifier.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from justtinker_core import Group, hookimpl, plugin


@plugin
class Correct:
    """Pays for the verifier's verdict.

    An unscored rollout gets None, never the value of a wrong answer: a grader's failure must not teach the policy.
    """

    default_weight: ClassVar[float] = 1.0

    right: Annotated[float, Field(ge=-1, le=1)] = 1.0
    """Raw reward of a correct answer."""
    wrong: Annotated[float, Field(ge=-1, le=1)] = 0.0
    """Raw reward of an incorrect one."""

    def __post_init__(self) -> None:
        if self.right <= self.wrong:
            raise ValueError(f"right = {self.right} must be more than wrong = {self.wrong}")

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """`correct`: one number a rollout, None where the verdict is unscored."""
        values = {"correct": self.right, "incorrect": self.wrong, "unscored": None}
        return {"correct": [values[verdict.outcome] for verdict in group.verdicts]}
