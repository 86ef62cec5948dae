r"""The verifier for mathematics: strict, cheap checks first, sympy only in a worker that can be killed.

The answer is the last ``\boxed{…}`` after the last ``</think>``. It climbs a ladder of comparisons with the gold: the
normalised string, the exact rational, structural gates, a probe at points, and math-verify with a check of what it
overlooks; a gold that nobody can read is compared as text. Each verdict names the rung that decided, and metrics show
how the grader itself fares.

The question has a say: it lends nouns and names to an answer (`READINGS`), and an equal answer is refused if it is the
problem restated (``\sum_{k=1}^{100} k``), leaves the work asked for, or has another unit (`GATES`). The verifier never
looks for a number in the prose, and never runs model text as Python.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from typing import Annotated

from pydantic import Field

from justtinker_core import Group, Problem, Rollout, Verdict, hookimpl, plugin
from justtinker_core.types import Outcome
from justtinker_plugins.shared.answers import Boxes, Extracted, Pipeline, extract, gold_text
from justtinker_plugins.shared.latex.asked_form import work_dodged
from justtinker_plugins.shared.latex.asked_units import wrong_unit
from justtinker_plugins.shared.latex.asked_words import without_asked_words
from justtinker_plugins.shared.latex.bases import other_base, with_asked_base
from justtinker_plugins.shared.latex.chains import with_golds_name, without_asked_name
from justtinker_plugins.shared.latex.ladder import (
    compare,
    compare_as_text,
    overlooked_difference,
    parts_of,
    restates,
    rounds_unasked,
    tells_from_itself,
    vote_of,
    with_golds_constants,
)
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.numbers import Comparison
from justtinker_plugins.shared.latex.options import without_choices_text
from justtinker_plugins.shared.latex.sympy_worker import WARM_UP
from justtinker_plugins.shared.pool.pool import Pool, Result

WORKER = "justtinker_plugins.shared.latex.sympy_worker:grade"
MEMORY_OF_VERDICTS = 16_384
FAILED = "failed"
"""The rung of a verdict that the grader failed to reach."""
LIMIT = "limit"
"""The rung of an answer that exceeded a worker's limits."""


@plugin
class MathVerify:
    """Compares a boxed answer with the gold as a careful person would."""

    kinds: tuple[str, ...] = ("math",)
    """Kinds of problems that it judges, as in `Problem.kind`."""
    pipeline: Pipeline = "strict"
    """strict: boxed answers only. flexible: without a box, also ``Answer: x``, ``#### x``, ``the answer is x``."""
    boxes: Boxes = "last"
    """last: only the last box counts. all: a gold of several parts, such as ``3, 4``, may also be answered in as many
    boxes, in the gold's order. More boxes than parts are wrong; a gold of one part takes the last box."""
    max_chars: Annotated[int, Field(ge=1)] = 2000
    """Longer answers are wrong."""
    limit: Annotated[float, Field(gt=0)] = 1.0
    """CPU seconds in a worker after which an answer counts as wrong."""
    memory: Annotated[int, Field(ge=1 << 28)] = 1 << 30
    """Bytes that a worker may use."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """Worker processes, started when first needed. Default: one per core, at most 8."""
    slow: Annotated[float, Field(gt=0)] = 1.0
    """Wall-clock seconds in a worker after which a verdict counts in ``slow_verdict_rate``."""
    accept_restated: bool = False
    """Also accept an expression that equals the gold but leaves the question's own work: restated, not reduced."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: Pool | None = None
        self._memo: OrderedDict[tuple[str, str], Comparison] = OrderedDict()
        self._slow_pairs: OrderedDict[tuple[str, str], None] = OrderedDict()

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """Judge each rollout. Equal answers of a group are graded once, and its worker tasks run at the same time."""
        if problem.kind not in self.kinds:
            return None
        gold = _gold_of(problem)
        golds = parts_of(gold) if self.boxes == "all" else (gold,)
        extracted = [extract(rollout.response, self.pipeline, self.max_chars, len(golds)) for rollout in rollouts]
        if not gold:
            return [Verdict("unscored", found.answer, "gold", "the problem has no gold") for found in extracted]
        question, boxes = problem.question, [found.parts for found in extracted if found.parts]
        judged = self._judge(question, gold, [found.answer for found in extracted if found.answer and not found.parts])
        by_part = [
            self._judge(question, part, answers) for part, answers in zip(golds, zip(*boxes, strict=True), strict=False)
        ]
        compared = [
            _of_all(map(dict.__getitem__, by_part, found.parts)) if found.parts else judged.get(found.answer or "")
            for found in extracted
        ]
        return [
            _verdict(question, gold, found, comparison) for found, comparison in zip(extracted, compared, strict=True)
        ]

    def _judge(self, question: str, gold: str, answers: Sequence[str]) -> dict[str, Comparison]:
        read = {answer: _read(question, gold, answer) for answer in answers}
        compared = self._compare_all(gold, {value for value, _ in read.values()})
        gates = [gate for gate in GATES if not (self.accept_restated and gate in RESTATED_GATES)]
        return {
            answer: failed or _guarded(partial(_refusal, gates, question, gold, compared[value]), value, gold)
            for answer, (value, failed) in read.items()
        }

    @hookimpl
    def measure(self, group: Group) -> dict[str, list[float]] | None:
        """``slow_verdict_rate``: 1.0 for a slow verdict; ``worker_ended_rate``: 1.0 if the answer ended its worker.

        Seconds are not reported: they differ between equal runs, whose records must be equal.
        """
        if group.problem.kind not in self.kinds:
            return None
        gold = _gold_of(group.problem)
        values = [v.answer and _read(group.problem.question, gold, v.answer)[0] for v in group.verdicts]
        with self._lock:
            slow = [(gold, value) in self._slow_pairs for value in values]
        ended = [verdict.rung.startswith((LIMIT, FAILED)) for verdict in group.verdicts]
        return {"slow_verdict_rate": list(map(float, slow)), "worker_ended_rate": list(map(float, ended))}

    def _compare_all(self, gold: str, answers: set[str]) -> dict[str, Comparison]:
        found = {answer: self._recall(gold, answer) or _compare_safely(gold, answer) for answer in answers}
        undecided = [answer for answer in found if found[answer].equal is None and found[answer].rung != FAILED]
        if undecided:
            found |= self._ask_workers(gold, undecided)
        for answer, comparison in found.items():
            self._remember(gold, answer, comparison)
        return found

    def _ask_workers(self, gold: str, answers: list[str]) -> dict[str, Comparison]:
        """Grade all answers, and the gold against itself: if nobody can do that, the gold is to blame, not the answers.

        If only our own reader can, an answer that it cannot read is wrong: no text may leave itself unscored.
        """
        pool = self._workers()
        asked = {answer: pool.submit(normalise(gold), normalise(answer)) for answer in [gold, *answers]}
        found = {answer: comparison_of(gold, answer, future.result()) for answer, future in asked.items()}
        self._note_slow(gold, [answer for answer, future in asked.items() if future.result().seconds > self.slow])
        with_itself = found.pop(gold)
        if with_itself.equal or (with_itself.equal is False and tells_from_itself(gold)):
            return found
        if with_itself.rung not in (LIMIT, FAILED):
            return {answer: compare_as_text(gold, answer) for answer in answers}
        reason = f"the gold cannot be graded: {with_itself.reason}"
        return dict.fromkeys(answers, Comparison(None, "gold" if with_itself.rung != FAILED else FAILED, reason))

    def _note_slow(self, gold: str, answers: list[str]) -> None:
        with self._lock:
            self._slow_pairs.update(((gold, answer), None) for answer in answers)
            while len(self._slow_pairs) > MEMORY_OF_VERDICTS:
                self._slow_pairs.popitem(last=False)

    def _workers(self) -> Pool:
        with self._lock:
            if self._pool is None:
                self._pool = Pool(WORKER, workers=self.workers, limit=self.limit, memory=self.memory, warm_up=WARM_UP)
            return self._pool

    def _recall(self, gold: str, answer: str) -> Comparison | None:
        with self._lock:
            return self._memo.get((gold, answer))

    def _remember(self, gold: str, answer: str, comparison: Comparison) -> None:
        """Remember a decided comparison. An undecided one, perhaps due to a busy machine, is tried again."""
        if comparison.equal is None:
            return
        with self._lock:
            self._memo[gold, answer] = comparison
            while len(self._memo) > MEMORY_OF_VERDICTS:
                self._memo.popitem(last=False)

    @hookimpl
    def finish_run(self) -> None:
        """Stop the workers."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()


def _compare_safely(gold: str, answer: str) -> Comparison:
    try:
        return compare(gold, answer)
    except Exception as error:
        return _failure(error, lambda text: (compare(gold, text), tells_from_itself(text)), gold)


def _restated(question: str, gold: str, answer: str) -> str:
    return "the answer only restates the question" if restates(question, gold, answer) else ""


def _rounded(question: str, gold: str, answer: str) -> str:
    unasked = rounds_unasked(question, gold, answer)
    return "only its rounding is the gold, and the question asks for no rounding" if unasked else ""


AskedOf = Callable[[str, str, str], str]
"""Takes the question, the gold and the answer."""
READINGS: tuple[AskedOf, ...] = (
    without_choices_text,
    without_asked_words,
    without_asked_name,
    with_golds_name,
    with_golds_constants,
    with_asked_base,
)
"""How the question says to read an answer, before it is compared: each returns the answer, perhaps shortened."""
GATES: tuple[AskedOf, ...] = (_restated, work_dodged, _rounded, other_base, wrong_unit)
"""What the question says against an answer that equals the gold: each returns why it is refused, or ""."""
RESTATED_GATES = frozenset({_restated, work_dodged})
"""Those that ``accept_restated`` leaves out: both refuse an answer that leaves the question's own work."""


def _gold_of(problem: Problem) -> str:
    """The gold, without a noun that the question names: the problem may ask for cupcakes and have "58 cupcakes"."""
    gold = gold_text(problem.answer)
    with suppress(Exception):  # our own bug: the gold is then read as it is written
        gold = without_asked_words(problem.question, gold, gold)
    return gold


def _read(question: str, gold: str, answer: str) -> tuple[str, Comparison | None]:
    """The answer as the question says to read it; or as it is, and the comparison that fails by our own bug."""
    try:
        return _value_of(READINGS, question, gold, answer), None
    except Exception as error:
        return answer, _failure(error, partial(_value_of, READINGS, question, gold), gold)


@lru_cache(maxsize=1024)
def _value_of(readings: tuple[AskedOf, ...], question: str, gold: str, answer: str) -> str:
    for reading in readings:
        answer = reading(question, gold, answer)
    return answer


def _refusal(gates: Sequence[AskedOf], question: str, gold: str, found: Comparison, answer: str) -> Comparison:
    """Refuse an equal answer that a gate objects to. Whoever writes the gold's own string has done the work."""
    if not found.equal or found.rung == "string":
        return found
    reason = next((why for gate in gates if (why := gate(question, gold, answer))), "")
    return Comparison(False, "gate", reason) if reason else found


def _guarded(work: Callable[[str], Comparison], answer: str, gold: str) -> Comparison:
    """Do some work on an answer. A bug of our own must not end a run."""
    try:
        return work(answer)
    except Exception as error:
        return _failure(error, work, gold)


def _failure(error: Exception, work: Callable[[str], object], gold: str) -> Comparison:
    """The answer that provokes a bug of ours is wrong, unless the same work on the gold fails, too: then unscored."""
    equal = None
    with suppress(Exception):
        work(gold)
        equal = False
    return Comparison(equal, FAILED, f"the verifier failed: {error!r}")


def comparison_of(gold: str, answer: str, result: Result) -> Comparison:
    """Read a worker's result: an answer at fault is wrong; a busy machine or a lost worker leaves it unscored."""
    if result.status in ("cpu_limit", "memory"):
        return Comparison(False, LIMIT, f"too much for a worker: {result.detail}")
    if result.status != "ok":
        equal = False if result.status == "error" else None
        return Comparison(equal, FAILED, f"the worker failed ({result.status}): {result.detail}")
    outcome, reason = result.value
    if outcome == "equal" and (difference := overlooked_difference(gold, answer)):
        return Comparison(False, "after_check", difference)
    rung = "after_check" if outcome == "overlooked" else "sympy"
    return Comparison(outcome == "equal", "gold" if outcome == "gold" else rung, reason)


def _of_all(comparisons: Iterable[Comparison]) -> Comparison:
    """What decides about an answer of several parts: one that is wrong, else an undecided one, else any."""
    return min(comparisons, key=lambda comparison: (False, None, True).index(comparison.equal))


def _verdict(question: str, gold: str, found: Extracted, comparison: Comparison | None) -> Verdict:
    if found.answer is None or comparison is None:
        return Verdict("incorrect", None, "extract", found.reason)
    outcome: Outcome = "correct" if comparison.equal else "incorrect" if comparison.equal is False else "unscored"
    rung = comparison.rung if found.pipeline == "boxed" else f"{comparison.rung} ({found.pipeline})"
    vote = None if outcome == "unscored" else vote_of(_read(question, gold, found.answer)[0])
    return Verdict(outcome, found.answer, rung, comparison.reason, vote)
