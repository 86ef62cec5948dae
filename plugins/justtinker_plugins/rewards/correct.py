"""Reward correct answers: 1 for a correct one, 0 for a wrong one, nothing for one that could not be judged.

The verdicts come from a verifier.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from justtinker_core import Group, hookimpl, plugin


@plugin
class Correct:
    """Pays for the verifier's verdict: 1 for a correct answer, 0 for a wrong one.

    An unscored rollout gets None, never the value of a wrong answer: the policy must not learn from a grader's failure.
    """

    default_weight: ClassVar[float] = 1.0

    right: Annotated[float, Field(ge=-1, le=1)] = 1.0
    """The raw reward of a correct answer."""
    wrong: Annotated[float, Field(ge=-1, le=1)] = 0.0
    """The raw reward of a wrong answer."""

    def __post_init__(self) -> None:
        if self.right <= self.wrong:
            raise ValueError(f"right = {self.right} must be greater than wrong = {self.wrong}")

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """Return `correct`: a number for each rollout, None where the verdict is unscored."""
        values = {"correct": self.right, "incorrect": self.wrong, "unscored": None}
        return {"correct": [values[verdict.outcome] for verdict in group.verdicts]}
