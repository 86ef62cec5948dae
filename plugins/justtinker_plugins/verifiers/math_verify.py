r"""The verifier for mathematics: strict, cheap rungs first, sympy only in a worker that can be killed.

The answer is the last ``\boxed{…}`` after the last ``</think>``, compared with the gold on a ladder: the normalised
string, the exact rational, structural gates, a probe at random points, and math-verify with a check of what it
forgets. Each verdict names the rung that decided; how the grader itself fares is measured. What it does not: look for
a number in the prose, take the problem restated for its answer (``\sum_{k=1}^{100} k``), or run model text as Python.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from justtinker_core import Group, Problem, Rollout, Verdict, hookimpl, plugin
from justtinker_core.types import Outcome
from justtinker_plugins.shared.answers import Extracted, Pipeline, extract, gold_text
from justtinker_plugins.shared.latex.chains import unnamed
from justtinker_plugins.shared.latex.ladder import after_check, ballot, compare, restates, rounds_unasked
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.numbers import Finding
from justtinker_plugins.shared.latex.sympy_worker import WARM_UP
from justtinker_plugins.shared.pool.pool import Pool, Result

WORKER = "justtinker_plugins.shared.latex.sympy_worker:grade"
MEMORY_OF_VERDICTS = 16_384
FAILED = "failed"
"""The rung of a verdict that our side could not reach."""
LIMIT = "limit"
"""The rung of an answer that was too much for a worker."""


@plugin
class MathVerify:
    """Compares a boxed answer with the gold, as a careful person would."""

    kinds: tuple[str, ...] = ("math",)
    """Which `Problem.kind` it answers for."""
    pipeline: Pipeline = "strict"
    """strict: boxed only. flexible: where there is no box, also ``Answer: x``, ``#### x``, ``the answer is x``."""
    max_chars: Annotated[int, Field(ge=1)] = 2000
    """A longer answer is wrong."""
    limit: Annotated[float, Field(gt=0)] = 1.0
    """CPU seconds in a worker after which an answer is wrong."""
    memory: Annotated[int, Field(ge=1 << 28)] = 1 << 30
    """Bytes a worker may use."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """Worker processes; started when first needed. Default: as many as the machine has cores, at most 8."""
    slow: Annotated[float, Field(gt=0)] = 1.0
    """Seconds on the clock in a worker after which a verdict counts as slow, in ``slow_verdict_rate``."""
    accept_restated: bool = False
    """Also pay an expression of the question that is equal to the gold but was to be worked out."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: Pool | None = None
        self._memo: OrderedDict[tuple[str, str], Finding] = OrderedDict()
        self._slow_ones: OrderedDict[tuple[str, str], None] = OrderedDict()

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """One verdict a rollout. Equal answers of a group are graded once, and all of its worker tasks run at once."""
        if problem.kind not in self.kinds:
            return None
        extracted = [extract(rollout.text, self.pipeline, self.max_chars) for rollout in rollouts]
        gold = gold_text(problem.answer)
        if not gold:
            return [Verdict("unscored", found.answer, "gold", "the problem has no gold") for found in extracted]
        values = {f.answer: unnamed(problem.question, gold, f.answer) for f in extracted if f.answer is not None}
        compared = self._compare_all(gold, set(values.values()))
        asked = _unless_rounded if self.accept_restated else _unless_restated
        findings = {a: asked(problem.question, gold, value, compared[value]) for a, value in values.items()}
        return [_verdict(found, findings) for found in extracted]

    @hookimpl
    def measure(self, group: Group) -> dict[str, list[float]] | None:
        """``slow_verdict_rate``: 1.0 if grading the answer is slow; ``worker_ended_rate``: 1.0 if it ended its worker.

        Not seconds: those differ between equal runs, whose records shall not.
        """
        if group.problem.kind not in self.kinds:
            return None
        gold = gold_text(group.problem.answer)
        values = [v.answer and unnamed(group.problem.question, gold, v.answer) for v in group.verdicts]
        with self._lock:
            slow = [(gold, value) in self._slow_ones for value in values]
        ended = [verdict.rung.startswith((LIMIT, FAILED)) for verdict in group.verdicts]
        return {"slow_verdict_rate": list(map(float, slow)), "worker_ended_rate": list(map(float, ended))}

    def _compare_all(self, gold: str, answers: set[str]) -> dict[str, Finding]:
        found = {answer: self._remembered(gold, answer) or _compare(gold, answer) for answer in answers}
        open_ones = [answer for answer in found if found[answer].equal is None and found[answer].rung != FAILED]
        if open_ones:
            found |= self._ask_workers(gold, open_ones)
        for answer, finding in found.items():
            self._remember(gold, answer, finding)
        return found

    def _ask_workers(self, gold: str, answers: list[str]) -> dict[str, Finding]:
        """All at once, and the gold against itself: an answer is blamed only where the gold can be graded."""
        pool = self._workers()
        asked = {answer: pool.submit(normalise(gold), normalise(answer)) for answer in [gold, *answers]}
        found = {answer: judge(gold, answer, future.result()) for answer, future in asked.items()}
        self._note_slow(gold, [answer for answer, future in asked.items() if future.result().seconds > self.slow])
        itself = found.pop(gold)
        if itself.equal:
            return found
        reason = f"the gold cannot be graded: {itself.reason}"
        return dict.fromkeys(answers, Finding(None, "gold" if itself.rung != FAILED else FAILED, reason))

    def _note_slow(self, gold: str, answers: list[str]) -> None:
        with self._lock:
            self._slow_ones.update(((gold, answer), None) for answer in answers)
            while len(self._slow_ones) > MEMORY_OF_VERDICTS:
                self._slow_ones.popitem(last=False)

    def _workers(self) -> Pool:
        with self._lock:
            if self._pool is None:
                self._pool = Pool(WORKER, workers=self.workers, limit=self.limit, memory=self.memory, warm_up=WARM_UP)
            return self._pool

    def _remembered(self, gold: str, answer: str) -> Finding | None:
        with self._lock:
            return self._memo.get((gold, answer))

    def _remember(self, gold: str, answer: str, finding: Finding) -> None:
        """Only what would be found again: a machine's bad moment is not. Options and version are this object's own."""
        if finding.equal is None:
            return
        with self._lock:
            self._memo[gold, answer] = finding
            while len(self._memo) > MEMORY_OF_VERDICTS:
                self._memo.popitem(last=False)

    @hookimpl
    def finish_run(self) -> None:
        """End the workers."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()


def _compare(gold: str, answer: str) -> Finding:
    return _found(lambda: compare(gold, answer))


def _unless_restated(question: str, gold: str, answer: str, finding: Finding) -> Finding:
    if not finding.equal or finding.rung == "string":
        return finding
    restated = Finding(False, "gate", "the answer only restates the question")
    return _found(
        lambda: restated if restates(question, gold, answer) else _unless_rounded(question, gold, answer, finding)
    )


def _unless_rounded(question: str, gold: str, answer: str, finding: Finding) -> Finding:
    rounded = Finding(False, "gate", "only rounded it is the gold, and the question asks for no rounding")
    return _found(lambda: rounded if finding.equal and rounds_unasked(question, gold, answer) else finding)


def _found(work: Callable[[], Finding]) -> Finding:
    try:
        return work()
    except Exception as error:  # a mistake of ours must neither end a run nor be paid as a wrong answer
        return Finding(None, FAILED, f"the verifier failed: {error!r}")


def judge(gold: str, answer: str, result: Result) -> Finding:
    """What a worker's result says of an answer: its own fault makes it wrong, ours leaves it unscored."""
    if result.status in ("cpu_limit", "memory"):
        return Finding(False, LIMIT, f"too much for a worker: {result.detail}")
    if result.status != "ok":
        return Finding(None, FAILED, f"the worker failed ({result.status}): {result.detail}")
    outcome, reason = result.value
    if outcome == "equal" and (trouble := after_check(gold, answer)):
        return Finding(False, "after_check", trouble)
    rung = "after_check" if outcome == "forgotten" else "sympy"
    return Finding({"equal": True, "gold": None}.get(outcome, False), rung, reason)


def _verdict(found: Extracted, findings: Mapping[str, Finding]) -> Verdict:
    if found.answer is None:
        return Verdict("incorrect", None, "extract", found.reason)
    finding = findings[found.answer]
    outcome: Outcome = "correct" if finding.equal else "incorrect" if finding.equal is False else "unscored"
    rung = finding.rung if found.pipeline == "boxed" else f"{finding.rung} ({found.pipeline})"
    vote = None if outcome == "unscored" else ballot(found.answer)
    return Verdict(outcome, found.answer, rung, finding.reason, vote)
