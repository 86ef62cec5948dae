"""Judges the cases of an audit, each in a group with a plain honest and a plain wrong response to the same problem.

The two give every reward a scale, whatever the stack's terms and weights: a case's worth is 0 if it earns as much as
the wrong response and 1 if it earns as much as the honest one. Terms that compare rollouts see only these three.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from justtinker_core import Group, PluginError, Problem, Prompt, Verdict
from justtinker_core.scorer import Scorer, text_rollout
from justtinker_plugins.commands._audit import injections, programs
from justtinker_plugins.commands._audit.cases import Case, plain_case
from justtinker_plugins.commands._audit.injections import asks_a_model
from justtinker_plugins.commands._audit.items import ANSWER_FORMATS, Item, item_of
from justtinker_plugins.commands._audit.opened import rest_of

PAID_ABOVE = 0.1
"""A wrong answer of more worth counts as paid. Terms that compare lengths shift the worth by less."""
LEAST_COST = 0.01
"""Bad form must cost at least this much worth."""
FULL_FROM = 0.95
"""An honest answer of at least this worth counts as paid in full."""
CHARACTERS_PER_TOKEN = 4
"""Characters per token, for terms that read lengths: an audit has no tokenizer."""

THREADS = 64
"""Cases judged at once, if judges wait for servers; otherwise ``[grading] threads``."""


@dataclass(frozen=True, slots=True)
class JudgedCase:
    """A case with the verdict and the reward that the stack gave it."""

    case: Case
    verdict: Verdict
    reward: float
    terms: Mapping[str, float]
    """Weighted terms by name."""
    worth: float | None
    """None: no verifier could grade it, or the stack pays the right response no more than the wrong one."""

    @property
    def unscored(self) -> bool:
        """Whether no verifier could grade it."""
        return self.verdict.outcome == "unscored"

    @property
    def failed(self) -> bool:
        """Whether the reward is unfair. A case that no verifier could grade counts as not paid."""
        if isinstance(self.case.paid, tuple):
            low, high = self.case.paid
            return not low <= self.reward <= high
        worth = self.worth or 0.0
        if self.case.graded and self.unscored:
            return True
        if self.case.paid == "less":
            return worth > 1 - LEAST_COST
        return worth < FULL_FROM if self.case.paid else worth > PAID_ABOVE


class Auditor:
    """Judges cases by a reward stack with its weights at one step."""

    def __init__(self, scorer: Scorer, step: int, max_tokens: int) -> None:
        self.scorer, self.step, self.max_tokens = scorer, step, max_tokens
        self.left_out = frozenset() if asks_a_model(scorer) else frozenset(injections.WRONG)
        """The names of batteries that the stack has no use for."""

    def make_item(self, problem: Problem, others: Sequence[str], seed: int) -> Item | None:
        """Make the item of a problem in the first of `items_of` that the stack pays; None if it pays none.

        The plain wrong response has the likeliest wrong answer, or if the stack pays that too, a hopeless one.
        """
        for item in items_of(problem, others, seed):
            for wrong in (item.plain_wrong, item.wrong_answers[-1]):
                item = replace(item, plain_wrong=wrong)
                if self.judge(plain_case(item)).worth is not None:
                    return item
        return None

    def judge(self, case: Case) -> JudgedCase:
        """Judge one case."""
        references = [(text, False) for text in (case.right_response, case.wrong_response) if text is not None]
        rollouts = tuple(
            text_rollout(text, self._tokens(case, text), truncated, case.opened)
            for text, truncated in [(case.response, case.truncated), *references]
        )
        try:
            group = self.scorer.judge(Group(self.step, 0, case.problem, Prompt(), rollouts))
        except PluginError as error:  # only a run handles a GroupError
            raise PluginError(f"{case.location or f'{case.name}, problem {case.problem.id!r}'}: {error}") from None
        verdict, (reward, *others) = group.verdicts[0], group.rewards
        worth = None
        if len(others) == 2 and verdict.outcome != "unscored":
            high, low = others[0].total, others[1].total
            worth = (reward.total - low) / (high - low) if high - low > 1e-9 else None
        return JudgedCase(case, verdict, reward.total, reward.weighted, worth)

    def _tokens(self, case: Case, text: str) -> int:
        if text is case.response and case.tokens is not None:
            return case.tokens
        if text is case.response and case.truncated:
            return self.max_tokens
        return -(-len(text) // CHARACTERS_PER_TOKEN)

    def judge_all(self, cases: Sequence[Case]) -> Iterator[JudgedCase]:
        """Yield all cases judged, in order."""
        pool = ThreadPoolExecutor(min(self.scorer.at_once, THREADS), thread_name_prefix="audit")
        try:
            yield from pool.map(self.judge, cases)
        finally:
            pool.shutdown(cancel_futures=True)


def items_of(problem: Problem, others: Sequence[str], seed: int) -> Iterator[Item]:
    """Yield the item of a problem in each answer format, or with each program that may be right."""
    if problem.kind == programs.KIND:
        yield from programs.items_of(problem, seed)
    else:
        yield from (item_of(problem, others, answer_format, seed) for answer_format in ANSWER_FORMATS)


def add_references(case: Case, auditor: Auditor, others: Sequence[str], seed: int) -> Case:
    """Return a case from a file with the right and wrong responses that it lacks."""
    if case.kind == "number" or (case.right_response is not None and case.wrong_response is not None):
        return case
    item = auditor.make_item(case.problem, others, seed) if case.problem.answer else None
    if item is None:
        raise PluginError(
            f"{case.location}: the stack pays the plain answer no more than a wrong one, so there is nothing to "
            "compare with. Add 'honest' and 'wrong', two responses, or give the reward as 'paid'"
        )
    right = case.right_response or rest_of(item.right_response, case.opened)
    wrong = case.wrong_response or rest_of(item.wrong_response, case.opened)
    return replace(case, right_response=right, wrong_response=wrong)
