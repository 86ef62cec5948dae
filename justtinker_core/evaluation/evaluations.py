"""Evaluations: the same path as training rollouts, then rates with intervals that are clustered by problem.

On a backend that can, they run while training goes on. The loop waits for them at a fixed later step, so that
monitors, and therefore stops, do not depend on timing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from typing import Any

from justtinker_core.checkpoints import mark_best
from justtinker_core.config import due
from justtinker_core.evaluation.answered import AnsweredSampler, path_of
from justtinker_core.evaluation.stats import breakdown, summarise
from justtinker_core.rollouts import collect
from justtinker_core.run import Run
from justtinker_core.sampling import MeteredSampler, Settings
from justtinker_core.types import DataSpec, EvalStats, Group, Sampler

EXAMPLES = 4
"""Answers that a record shows."""


def evaluate(run: Run) -> None:
    """Evaluate an opened run's weights on every evaluation set that has no record of this step yet."""
    run.files.rewind(run.step)  # a crash may have torn the last line
    run.history = run.files.history()
    with Evaluations(run) as evaluations:
        evaluations.forget_recorded()
        evaluations.begin(evaluations.unrecorded(run.step))
        evaluations.end()
        run.writer.catch_up()


class Evaluations:
    """The evaluations of a run, one step's at a time. Leaving the context does not wait for those under way."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._pool = ThreadPoolExecutor(thread_name_prefix="evaluate")
        self._pending: list[Callable[[], tuple[EvalStats, tuple[Group, ...]]]] = []
        self._wait_at = 0

    def __enter__(self) -> Evaluations:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def missing(self, step: int) -> list[DataSpec]:
        """The sets that are due at a step and have no record of it."""
        section, last = self._run.config.evaluation, self._run.config.run.steps
        if not (section.at_start if step == 0 else due(step, section.every, last, section.at_end)):
            return []
        return self.unrecorded(step)

    def unrecorded(self, step: int) -> list[DataSpec]:
        """The sets that have no record of a step."""
        done = {e.name for e in self._run.history.evals if e.step == step}
        return [s for s in self._run.config.data if s.purpose == "eval" and s.name not in done]

    def forget_recorded(self) -> None:
        """Remove the samples of recorded evaluations: a crash may have come between the record and the removal."""
        for e in self._run.history.evals:
            path_of(self._run.files, file_of(e.name, e.step)).unlink(missing_ok=True)

    def begin(self, specs: Sequence[DataSpec]) -> None:
        """Evaluate the current weights on these sets, at once or in the background."""
        self.end()
        run, background = self._run, self._run.backend.concurrent
        self._wait_at = run.step + (run.config.evaluation.lag if background else 0)
        for spec in specs:
            work = partial(evaluate_set, run, spec, run.step, run.current_sampler(), self._wait_at)
            self._pending.append(self._pool.submit(work).result if background else work)
        if not background:
            self.end()

    def end(self, step: float = float("inf")) -> None:
        """Wait for and record the evaluations that are due by this step."""
        if not self._pending or step < self._wait_at:
            return
        run, pending, self._pending = self._run, self._pending, []
        for finished in pending:
            stats, groups = finished()
            run.remember(stats)
            run.writer.later(write, run, stats, groups)
        run.writer.later(mark_best, run.files)


def evaluate_set(
    run: Run, spec: DataSpec, step: int, sampler: Sampler, seen: int
) -> tuple[EvalStats, tuple[Group, ...]]:
    """Sample and judge every problem of a set; writes no record yet. `seen`: the step at which monitors see it."""
    begun, tokens = time.perf_counter(), Counter[str]()
    section, sampling = run.config.evaluation, run.config.sampling
    most = section.max_tokens or sampling.max_tokens
    settings = Settings(
        f"evaluate {spec.name}", spec.samples, most, section.temperature, section.top_p, section.seed,
        sampling.max_failed,
    )  # fmt: skip
    answered = MeteredSampler(AnsweredSampler(sampler, run.files, file_of(spec.name, step)), tokens)
    problems = run.eval_problems[spec.name]
    groups = collect(problems, step, run.plugins, run.backend, answered, settings, grade=run.grade)
    metrics, intervals = summarise(groups)
    stats = EvalStats(
        step, spec.name, metrics, intervals, {"problems": len(groups), **asdict(settings)},
        [example(group) for group in groups[:EXAMPLES]], dict(tokens), run.backend.usd(tokens), seen,
        {"total": time.perf_counter() - begun}, breakdown(groups),
    )  # fmt: skip
    return stats, groups


def write(run: Run, stats: EvalStats, groups: Sequence[Group]) -> None:
    """Write an evaluation's rollouts and record, then notify reporters."""
    file = file_of(stats.name, stats.step)
    run.files.write_groups(file, groups)
    run.files.append("evals.jsonl", asdict(stats))
    path_of(run.files, file).unlink(missing_ok=True)
    run.plugins.tell("report_eval", run=run, stats=stats)


def file_of(name: str, step: int) -> str:
    """The name of an evaluation's rollout file."""
    return f"eval_{name}_{step:06d}"


def example(group: Group) -> dict[str, Any]:
    """The first answer to a problem, for a person to read."""
    verdict = group.verdicts[0]
    return {
        "question": group.problem.question,
        "gold": group.problem.answer,
        "response": group.rollouts[0].response,
        "outcome": verdict.outcome,
    }
