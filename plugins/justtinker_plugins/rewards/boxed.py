r"""Reward an answer in a box, right or wrong: a help for a policy that does not know the form yet.

Whether the answer is right is for a verifier and `correct`.
"""

from __future__ import annotations

from typing import ClassVar

from justtinker_core import Group, hookimpl, plugin
from justtinker_plugins.rewards._gate import gated
from justtinker_plugins.text import answer_part, last_boxed, says_something


def has_boxed_answer(text: str) -> bool:
    r"""Whether the last ``\boxed{…}`` after the thinking is closed and holds more than blanks and full stops."""
    box = last_boxed(answer_part(text) or "")
    return box is not None and says_something(box.content or "")


@plugin
class Boxed:
    r"""Pays 1 for an answer in a closed, non-empty ``\boxed{…}`` after the thinking, else 0."""

    default_weight: ClassVar[float] = 0.1

    only_correct: bool = False
    """Apply to correct answers only; false: to every rollout."""

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """Return `boxed`: 1 or 0 for each rollout, None where it does not apply."""
        raw = [float(has_boxed_answer(rollout.response)) for rollout in group.rollouts]
        return {"boxed": gated(group, raw, self.only_correct)}
