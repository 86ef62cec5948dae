"""Judging the cases of an audit: each in a group with a plain honest and a plain wrong response to the same problem.

So the reward of a case can be said as a share of what honesty earns there (its worth: 0 is a wrong answer's reward, 1
an honest one's), whatever the stack's terms and weights; and terms that compare the rollouts of a group see no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from justtinker_core import Group, PluginError, Problem, Prompt, Verdict
from justtinker_core.grading import GRADERS
from justtinker_core.scorer import Scorer, text_rollout
from justtinker_plugins.commands._audit.cases import BATTERIES, Case, Kind, plain_case
from justtinker_plugins.commands._audit.items import VOICES, Item, item_of

GAINS = 0.1
"""The worth above which a wrong answer counts as paid. Terms that compare lengths give and take less."""
SHOWS = 0.01
"""The least worth that bad form must cost."""
FULL = 0.95
"""The worth from which an honest answer counts as paid in full."""
CHARACTERS = 4
"""A token, for terms that read lengths: an audit has no tokenizer."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a stack made of a case."""

    case: Case
    verdict: Verdict
    reward: float
    terms: Mapping[str, float]
    """Weighted."""
    worth: float | None
    """None: nobody could grade it, or there is nothing to compare it with."""

    @property
    def unscored(self) -> bool:
        """Nobody could grade it."""
        return self.verdict.outcome == "unscored"

    @property
    def failed(self) -> bool:
        """The stack did not do what a fair one does. What nobody could grade is not paid."""
        if isinstance(self.case.paid, tuple):
            low, high = self.case.paid
            return not low <= self.reward <= high
        worth = self.worth or 0.0
        if self.case.paid == "less":
            return worth > 1 - SHOWS
        return worth < FULL if self.case.paid else worth > GAINS


class Auditor:
    """A stack at a step of its run."""

    def __init__(self, scorer: Scorer, step: int, max_tokens: int) -> None:
        self.scorer, self.step, self.max_tokens = scorer, step, max_tokens

    def item(self, problem: Problem, others: Sequence[str], seed: int) -> Item | None:
        """A problem ready for responses, in the first way of saying answers that is paid; None: in no way is it."""
        for voice in VOICES:
            item = item_of(problem, others, voice, seed)
            if self.judge(plain_case(item)).worth is not None:
                return item
        return None

    def judge(self, case: Case) -> Judged:
        """The verdict and the reward of one case."""
        rollouts = tuple(
            text_rollout(text, self._tokens(case, text), truncated)
            for text, truncated in ((case.response, case.truncated), (case.right, False), (case.wrong, False))
            if text is not None
        )
        try:
            group = self.scorer.judge(Group(self.step, 0, case.problem, Prompt(), rollouts))
        except PluginError as error:  # a GroupError is for a run
            raise PluginError(f"{case.place or f'{case.name}, problem {case.problem.id!r}'}: {error}") from None
        verdict, (reward, *others) = group.verdicts[0], group.rewards
        worth = None
        if len(others) == 2 and verdict.outcome != "unscored":
            high, low = others[0].total, others[1].total
            worth = (reward.total - low) / (high - low) if high - low > 1e-9 else None
        return Judged(case, verdict, reward.total, reward.weighted, worth)

    def _tokens(self, case: Case, text: str) -> int:
        if text is case.response and case.tokens is not None:
            return case.tokens
        if text is case.response and case.truncated:
            return self.max_tokens
        return -(-len(text) // CHARACTERS)

    def judge_all(self, cases: Sequence[Case]) -> Iterator[Judged]:
        """All cases, in order."""
        pool = ThreadPoolExecutor(GRADERS, thread_name_prefix="audit")
        try:
            yield from pool.map(self.judge, cases)
        finally:
            pool.shutdown(cancel_futures=True)


def compared(case: Case, auditor: Auditor, others: Sequence[str], seed: int) -> Case:
    """A case that was read, with the plain responses it lacks."""
    if case.kind == "number" or (case.right is not None and case.wrong is not None):
        return case
    item = auditor.item(case.problem, others, seed) if case.problem.answer else None
    if item is None:
        raise PluginError(
            f"{case.place}: the answer, plainly given, is paid no more than a wrong one, so there is nothing to "
            "compare with: give 'honest' and 'wrong', two responses, or the reward as 'paid'"
        )
    return replace(case, right=case.right or item.plain, wrong=case.wrong or item.plainly_wrong)


@dataclass(frozen=True)
class Row:
    """A battery and what became of it."""

    name: str
    kind: Kind
    what: str
    judged: Sequence[Judged]
    not_for: int
    """Problems for which it has no response."""

    @property
    def failed(self) -> int:
        """How many responses were paid, or refused, against what is fair."""
        return sum(each.failed for each in self.judged)

    @property
    def unscored(self) -> int:
        """How many nobody could grade."""
        return sum(each.unscored for each in self.judged)

    @property
    def worth(self) -> float | None:
        """Mean over those that could be compared."""
        known = [each.worth for each in self.judged if each.worth is not None]
        return sum(known) / len(known) if known else None

    def above(self, limits: Mapping[Kind, float]) -> bool:
        """More failed than is allowed."""
        return self.failed > limits[self.kind] * len(self.judged)

    def summary(self) -> dict[str, Any]:
        """As JSON."""
        counts = {"tried": len(self.judged), "failed": self.failed, "unscored": self.unscored, "n/a": self.not_for}
        return {"battery": self.name, "kind": self.kind, "what": self.what, **counts, "worth": self.worth}


def rows_of(judged: Sequence[Judged], problems: int) -> list[Row]:
    """The batteries in their order, those that fit no problem included, then the cases that were read, by name."""
    made = [each for each in judged if not each.case.place]
    rows = []
    for kind, batteries in BATTERIES.items() if problems else ():
        for name, maker in batteries.items():
            own = [each for each in made if each.case.name == name]
            fits = len({each.case.problem.id for each in own})
            rows.append(Row(name, kind, maker.__doc__ or "", own, max(problems - fits, 0)))
    read = [each for each in judged if each.case.place]
    for name, kind in dict.fromkeys((each.case.name, each.case.kind) for each in read):
        own = [each for each in read if (each.case.name, each.case.kind) == (name, kind)]
        rows.append(Row(name, kind, "", own, 0))
    return rows


def offenders(rows: Sequence[Row]) -> Iterator[Judged]:
    """The worst response of every battery that has any, wrong answers first; then the second worst, and so on."""
    queues = []
    for row in rows:
        failed = [each for each in row.judged if each.failed]
        queues.append(sorted(failed, key=lambda each: each.worth or 0.0, reverse=row.kind != "honest"))
    while any(queues):
        yield from [queue.pop(0) for queue in queues if queue]
