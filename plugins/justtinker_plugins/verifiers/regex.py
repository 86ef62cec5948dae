r"""The verifier whose gold is a pattern: right is an answer that the pattern matches from end to end.

The pattern is one of Python's ``re``. It runs in a process that is ended after `limit` seconds, since a policy will
find the text on which a careless pattern, such as ``(a+)+``, takes years. Such an answer is incorrect, and the reason
says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

from pydantic import Field

from justtinker_core import Problem, Rollout, RunContext, Verdict, hookimpl, plugin
from justtinker_plugins.shared.answers import PipelineOrWhole, extract
from justtinker_plugins.shared.pool.kept import KeptPool
from justtinker_plugins.shared.pool.pool import Pool, Result
from justtinker_plugins.shared.pool.verdicts import verdict_without_value
from justtinker_plugins.shared.unusable import unusable_golds

WORKER = "justtinker_plugins.verifiers.regex:matches"
WARM_UP = ("a", "a", False)
ANYTHING = ("not the answer", "-98765.4321", "\u2203 ~")
"""Texts that have nothing in common: a pattern for all of them says nothing about an answer."""


@plugin
class Regex:
    """Matches the answer with the problem's own pattern."""

    kinds: tuple[str, ...] = ("regex",)
    """Kinds of problems that it judges, as in `Problem.kind`."""
    pipeline: PipelineOrWhole = "strict"
    """strict: boxed answers only. flexible: without a box, also ``Answer: x``, ``#### x``, ``the answer is x``.
    gsm8k: ``#### x`` only. whole: all that follows the thinking."""
    column: str = ""
    """The key of `Problem.meta` that holds the pattern. By default it is the gold answer."""
    anywhere: bool = False
    """Let the pattern match any part of the answer instead of all of it."""
    max_chars: Annotated[int, Field(ge=1)] = 10_000
    """Longer answers are wrong."""
    limit: Annotated[float, Field(gt=0)] = 1.0
    """CPU seconds after which an answer counts as wrong."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """Worker processes, started when first needed. Default: one per core, at most 8."""

    def __post_init__(self) -> None:
        self._workers = KeptPool(lambda: Pool(WORKER, workers=self.workers, limit=self.limit, warm_up=WARM_UP))

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Complain about patterns that are missing or broken, or that match anything."""
        return [f"regex: {text}" for text in unusable_golds(run, self.kinds, self._trouble)]

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """Judge each rollout; all are unscored if the pattern is of no use. Equal answers are matched once."""
        if problem.kind not in self.kinds:
            return None
        pattern = self._pattern(problem)
        if reason := trouble(pattern, self.anywhere):
            return [Verdict("unscored", rung="gold", reason=reason) for _ in rollouts]
        found = [extract(rollout.response, self.pipeline, self.max_chars) for rollout in rollouts]
        answers = {each.answer for each in found if each.answer is not None}
        asked = {text: self._workers.get().submit(pattern, text, self.anywhere) for text in answers}
        return [
            Verdict("incorrect", None, f"extract {each.pipeline}".strip(), each.reason)
            if each.answer is None
            else verdict_of(each.answer, each.pipeline, asked[each.answer].result())
            for each in found
        ]

    @hookimpl
    def finish_run(self) -> None:
        """Stop the workers."""
        self._workers.close()

    def _pattern(self, problem: Problem) -> object:
        return problem.meta.get(self.column) if self.column else problem.answer

    def _trouble(self, problem: Problem) -> str:
        return trouble(self._pattern(problem), self.anywhere)


def trouble(pattern: object, anywhere: bool) -> str:
    """Say why a pattern is of no use; '' if it is."""
    if not isinstance(pattern, str) or not pattern.strip():
        return f"the problem has no pattern: expected a regular expression, got {pattern!r:.60}"
    return _trouble_of(pattern, anywhere)


@lru_cache(maxsize=4096)
def _trouble_of(pattern: str, anywhere: bool) -> str:
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"the pattern {pattern!r:.60} is none of Python's re: {error}"
    match = compiled.search if anywhere else compiled.fullmatch
    return f"the pattern {pattern!r:.60} matches anything" if all(map(match, ANYTHING)) else ""


def verdict_of(answer: str, pipeline: str, result: Result) -> Verdict:
    """Read a worker's result: an answer that takes too long is wrong; a lost worker leaves it unscored."""
    if verdict := verdict_without_value(answer, result):
        return verdict
    if result.value:
        return Verdict("correct", answer, pipeline, vote="a match")
    return Verdict("incorrect", answer, pipeline, "the pattern does not match")


def matches(pattern: str, answer: str, anywhere: bool) -> bool:
    """Match an answer, in a worker."""
    compiled = re.compile(pattern)
    return (compiled.search(answer) if anywhere else compiled.fullmatch(answer)) is not None
