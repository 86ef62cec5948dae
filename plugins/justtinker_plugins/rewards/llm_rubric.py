"""A reward term from another model's judgement: how far a response meets criteria with weights.

The criteria stand in the config, or in each problem's metadata. The judge sees the question, the criteria and the
response without its thinking, as data: see docs/judges.md. What it cannot say is no reward at all (None), never 0.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import Field

from justtinker_core import Group, PluginError, Problem, Rollout, RunContext, hookimpl, plugin
from justtinker_plugins.shared.judge.budget import NOTHING, Cost
from justtinker_plugins.shared.judge.judging import Judging
from justtinker_plugins.shared.judge.rubric import (
    Criterion,
    Rubric,
    RubricError,
    flaw_of,
    rubric_of,
    schema_of,
    score_of,
    shares_of,
    written,
)
from justtinker_plugins.shared.judge.votes import cost_of_votes
from justtinker_plugins.shared.tables import problems_by_table
from justtinker_plugins.text import answer_part, says_something

TERM = "llm_rubric"
SCORE = "rubric_score"
NAME = re.compile(r"[a-z][a-z0-9_]*")
TAKEN = ("score", "failed_rate", "calls", "usd")
OWN = re.compile(r"c[0-9]+")
"""Names of the criteria of a problem's own rubric."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What the judge says of one rollout."""

    score: float | None
    """None: it was not asked, or could not say."""
    shares: dict[str, float] = field(default_factory=dict)
    cost: Cost = NOTHING
    failed: bool | None = None
    """None: it was not asked."""


@plugin
class LlmRubric(Judging):
    """Pays `llm_rubric`, from 0 to 1: the share of the points whose criteria are met, as another model judges.

    Measures ``rubric_NAME`` for each criterion of the config, ``rubric_failed_rate``, ``rubric_calls`` and, with
    prices, ``rubric_usd``. The judge is asked in `measure`, so also while the weight is 0; disable the plugin to ask
    nothing.
    """

    prefix: ClassVar[str] = "rubric"
    bundled_prompt: ClassVar[str] = "rubric.md"
    needed: ClassVar[Sequence[str]] = ("criteria", "response")
    allowed: ClassVar[Sequence[str]] = ("question", "criteria", "response")

    criteria: dict[str, Criterion] = field(default_factory=dict)
    """Name -> ``{text, weight}``, for all problems. Default: each problem has a rubric of its own."""
    rubric: str = "rubric"
    """The key of `Problem.meta` that holds a problem's own rubric: a list of texts, or of objects with ``criterion``
    and ``points``. Without `criteria`, every problem needs one."""
    scale: Annotated[int, Field(ge=1, le=10)] = 1
    """1: a criterion is met or not. More: how far, in whole numbers from 0 to this."""
    kinds: tuple[str, ...] = ()
    """Kinds of problems that it judges, as in `Problem.kind`; () is all."""
    only_correct: bool = False
    """Ask only about rollouts that the verifier calls correct; the term does not apply to others."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.criteria:
            if not NAME.fullmatch(name) or name in TAKEN or OWN.fullmatch(name):
                raise ValueError(
                    f"criteria.{name}: expected a name of small letters, digits and _, other than {', '.join(TAKEN)} "
                    "and c1, c2, ..., the criteria of a problem's own rubric"
                )
        if self.criteria and (why := flaw_of(self.criteria)):
            raise ValueError(f"criteria: {why}")

    def other_complaints(self, run: RunContext) -> list[str]:
        """Say which problems have no rubric that can be used."""
        complaints = []
        for table, problems in problems_by_table(run).items():
            flaws = [(p, why) for p in problems if self._takes(p) and (why := self._flaw_of(p))]
            if flaws:
                first, why = flaws[0]
                complaints.append(
                    f"[{table}] {len(flaws)} of {len(problems)} problems have no rubric to judge by, such as "
                    f"{first.id!r}: {why}"
                )
        return complaints

    @hookimpl
    async def measure(self, group: Group) -> dict[str, list[float | None]] | None:
        """Ask the judge, and give all its numbers."""
        if not self._takes(group.problem):
            return None
        scored = await self._judge(group)
        columns: dict[str, list[float | None]] = {SCORE: [each.score for each in scored]}
        columns |= {f"{self.prefix}_{name}": [each.shares.get(name) for each in scored] for name in self.criteria}
        columns["rubric_failed_rate"] = [None if each.failed is None else float(each.failed) for each in scored]
        for name, values in self.costs([each.cost for each in scored]):
            columns[name] = list(values)
        return columns

    @hookimpl
    async def score(self, group: Group) -> dict[str, list[float | None]] | None:
        """Give what `measure` has found out; ask only if nobody has measured."""
        if not self._takes(group.problem):
            return None
        if SCORE in group.measures:
            return {TERM: list(group.measures[SCORE])}
        return {TERM: [each.score for each in await self._judge(group)]}

    def _takes(self, problem: Problem) -> bool:
        return not self.kinds or problem.kind in self.kinds

    def _flaw_of(self, problem: Problem) -> str:
        try:
            self._rubric(problem)
        except RubricError as error:
            return str(error)
        return ""

    def _rubric(self, problem: Problem) -> Rubric:
        """The criteria of the config, and those of the problem."""
        own = problem.meta.get(self.rubric)
        if own is not None:
            return {**self.criteria, **rubric_of(own)}
        if not self.criteria:
            raise RubricError(f"its metadata has no {self.rubric!r}, and the config no criteria")
        return self.criteria

    async def _judge(self, group: Group) -> list[Scored]:
        try:
            rubric = self._rubric(group.problem)
        except RubricError as error:
            raise PluginError(f"problem {group.problem.id!r} has no rubric to judge by: {error}") from None
        rows = zip(group.rollouts, group.verdicts, strict=True)
        wanted = [v.outcome == "correct" or (v.outcome == "incorrect" and not self.only_correct) for _, v in rows]
        asked = zip(group.rollouts, wanted, strict=True)
        return list(await asyncio.gather(*(self._score(group.problem, rubric, r, ask) for r, ask in asked)))

    async def _score(self, problem: Problem, rubric: Rubric, rollout: Rollout, ask: bool) -> Scored:
        if not ask:
            return Scored(None)
        part = (answer_part(rollout.response) or "").strip()
        if len(part) > self.max_chars or not says_something(part):
            return Scored(0.0)  # the policy's own doing, and not the judge's failure
        data = {"question": problem.question, "criteria": written(rubric, self.scale), "response": part}
        votes = await self.replies(data, schema_of(rubric, self.scale))
        cost, readable = cost_of_votes(votes), [vote.found for vote in votes if vote.found is not None]
        if 2 * len(readable) <= len(votes):
            (reason, _), *_ = Counter(vote.reason for vote in votes if vote.found is None).most_common(1)
            self.note_failure(reason)
            return Scored(None, {}, cost, True)
        shares = [shares_of(reply, self.scale) for reply in readable]
        mean = {name: sum(each[name] for each in shares) / len(shares) for name in rubric}
        return Scored(score_of(rubric, mean), mean, cost, False)
