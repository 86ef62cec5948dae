r"""Verifier `my_plugin`: a response is correct if its only ``\boxed{…}`` holds the gold answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from justtinker_core import Problem, Rollout, Verdict, hookimpl, plugin
from justtinker_plugins.text import answer_part

BOX = re.compile(r"\\boxed\{([^{}]*)\}")


@plugin
class MyPlugin:
    """Compare the text in the box with the gold answer, letter for letter."""

    kinds: tuple[str, ...] = ("math", "text")
    """The kinds of problem that it judges, as the data set names them."""
    ignore_case: bool = False
    """Accept "yes" for "Yes"."""

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """Return one verdict a rollout, in order."""
        if problem.kind not in self.kinds:
            return None  # then the next verifier is asked
        if not problem.answer:  # a bad row of the data set: an answer to it is neither right nor wrong
            return [Verdict("unscored", reason="the problem has no gold answer")] * len(rollouts)
        return [self.judge(rollout.response, problem.answer) for rollout in rollouts]

    def judge(self, response: str, gold: str) -> Verdict:
        """Judge one response."""
        answer_text = answer_part(response)  # a box in the thinking is no answer
        if answer_text is None:
            return Verdict("incorrect", reason="the thinking is never closed")
        boxes = BOX.findall(answer_text)
        if len(boxes) != 1:  # a policy that may answer twice learns to guess
            return Verdict("incorrect", reason=f"{len(boxes)} boxes after the thinking, not one")
        answer, gold = boxes[0].strip(), gold.strip()
        same = answer.casefold() == gold.casefold() if self.ignore_case else answer == gold
        return Verdict("correct", answer) if same else Verdict("incorrect", answer, reason="not the text of the gold")
