"""The verifier that asks another model whether an answer means the same as the gold: for answers that no program can
check.

The judge sees the question, the gold, and the response without its thinking, as data: see docs/judges.md. What it
cannot say (no answer, a refusal, an unreadable reply, no majority, a budget that is used up) is unscored with the
reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar, Literal

from justtinker_core import Group, Problem, Rollout, Verdict, hookimpl, plugin
from justtinker_core.types import Outcome
from justtinker_plugins.shared.answers import extract, gold_text
from justtinker_plugins.shared.judge.budget import Cost
from justtinker_plugins.shared.judge.judging import Judging
from justtinker_plugins.shared.judge.replies import object_schema
from justtinker_plugins.shared.judge.votes import cost_of_votes, majority
from justtinker_plugins.text import answer_part, says_something

SCHEMA = object_schema({"reason": {"type": "string"}, "same": {"type": "boolean"}})
RUNG = "judge"


class JudgedVerdict(Verdict):
    """A verdict that knows what it has cost. That is no field: equal verdicts are equal, and records do not hold it."""

    __slots__ = ("cost",)
    cost: Cost

    def __reduce__(self) -> tuple[object, ...]:
        return judged, (self.outcome, self.answer, self.reason, cost_of(self))


def judged(outcome: Outcome, answer: str | None, reason: str, cost: Cost) -> JudgedVerdict:
    """Make a verdict with its cost."""
    verdict = JudgedVerdict(outcome, answer, RUNG, reason)
    object.__setattr__(verdict, "cost", cost)
    return verdict


def cost_of(verdict: Verdict) -> Cost:
    """Return what a verdict has cost; nothing if no judge was asked."""
    return getattr(verdict, "cost", Cost())


@plugin
class LlmJudge(Judging):
    """Asks an OpenAI-compatible endpoint whether each answer means the same as the gold.

    Measures ``judge_calls``, the requests for a rollout (0 if the reply was in the cache), and with prices
    ``judge_usd``.
    """

    prefix: ClassVar[str] = "judge"
    bundled_prompt: ClassVar[str] = "same.md"
    needed: ClassVar[Sequence[str]] = ("reference", "response")
    allowed: ClassVar[Sequence[str]] = ("question", "reference", "response")

    kinds: tuple[str, ...] = ("open",)
    """Kinds of problems that it judges, as in `Problem.kind`."""
    shows: Literal["response", "boxed"] = "response"
    """What the judge sees: all that follows the thinking, or only the content of its last box. A box leaves less room
    to talk to the judge; a response without one is then wrong."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.kinds:
            raise ValueError("kinds = []: expected one or more kinds of problems")

    @hookimpl
    async def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """Ask about all rollouts at once; about equal answers only once."""
        if problem.kind not in self.kinds:
            return None
        gold = gold_text(problem.answer).strip()
        if not gold:
            return [Verdict("unscored", reason="the problem has no gold", rung="gold") for _ in rollouts]
        return list(await asyncio.gather(*(self._verdict(problem, gold, rollout) for rollout in rollouts)))

    @hookimpl
    def measure(self, group: Group) -> dict[str, list[float]]:
        """Give the cost of each rollout."""
        return dict(self.costs([cost_of(verdict) for verdict in group.verdicts]))

    def shown(self, response: str) -> tuple[str, str]:
        """Return what the judge sees of a response; or '' and why that can earn nothing."""
        if self.shows == "boxed":
            found = extract(response, "strict", self.max_chars)
            return found.answer or "", found.reason
        part = answer_part(response)
        if part is None:
            return "", "a <think> is never closed"
        if not says_something(part[: self.max_chars]):
            return "", "there is no answer"
        if len(part.strip()) > self.max_chars:
            return "", f"the answer is longer than {self.max_chars} characters"
        return part.strip(), ""

    async def _verdict(self, problem: Problem, gold: str, rollout: Rollout) -> Verdict:
        answer, reason = self.shown(rollout.response)
        if reason:
            return Verdict("incorrect", None, "extract", reason)
        data = {"question": problem.question, "reference": gold, "response": answer}
        votes = await self.replies(data, SCHEMA)
        same, reason = majority(votes, lambda found: found["same"])
        if same is None:
            self.note_failure(reason)
        outcome: Outcome = "unscored" if same is None else "correct" if same else "incorrect"
        return judged(outcome, answer, reason, cost_of_votes(votes))
