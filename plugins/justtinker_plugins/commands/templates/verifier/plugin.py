r"""Verifier `my_plugin`: correct is a response whose one ``\boxed{…}`` holds the gold answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from justtinker_core import Problem, Rollout, Verdict, hookimpl, plugin
from justtinker_plugins.text import answer_part

BOX = re.compile(r"\\boxed\{([^{}]*)\}")


@plugin
class MyPlugin:
    """Compares the text in the box with the gold answer, letter for letter."""

    kinds: tuple[str, ...] = ("math", "text")
    """The kinds of problem that it answers for, as the data set calls them."""
    ignore_case: bool = False
    """Whether "Yes" and "yes" are the same answer."""

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """One verdict a rollout, in their order."""
        if problem.kind not in self.kinds:
            return None  # not for us: the next verifier is asked
        if not problem.answer:  # a bad row of a data set: nobody can tell, so it is not called wrong
            return [Verdict("unscored", reason="the problem has no gold answer")] * len(rollouts)
        return [self.judge(rollout.text, problem.answer) for rollout in rollouts]

    def judge(self, response: str, gold: str) -> Verdict:
        """What is said of one response."""
        part = answer_part(response)  # a box among the thoughts is no answer
        if part is None:
            return Verdict("incorrect", reason="the thinking is never closed")
        boxes = BOX.findall(part)
        if len(boxes) != 1:  # who may answer twice will learn to guess
            return Verdict("incorrect", reason=f"{len(boxes)} boxes after the thinking, not one")
        answer, gold = boxes[0].strip(), gold.strip()
        same = answer.casefold() == gold.casefold() if self.ignore_case else answer == gold
        return Verdict("correct", answer) if same else Verdict("incorrect", answer, reason="not the gold's text")
