"""Evaluations: the same path as training rollouts, then rates with intervals that are clustered by problem.

On a backend that can, they run while training goes on, and are waited for at a fixed later step, so that what monitors
see, and so a stop, does not depend on how long anything took.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from justtinker_core import checkpoints
from justtinker_core.config import DataSpec, due
from justtinker_core.eval_stats import breakdown, summarise
from justtinker_core.partial import Remembering, path_of
from justtinker_core.rollouts import Metered, Settings, collect
from justtinker_core.types import EvalStats, Group, Sampler

if TYPE_CHECKING:
    from justtinker_core.run import Run

EXAMPLES = 4


@dataclass(frozen=True)
class Evaluated:
    """An evaluation set that is sampled and judged, not recorded yet."""

    step: int
    spec: DataSpec
    settings: Settings
    groups: tuple[Group, ...]
    tokens: Counter[str]
    seconds: float


class Evaluations:
    """The evaluations of a run, one step's at a time."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._pool = ThreadPoolExecutor(thread_name_prefix="evaluate")
        self._pending: list[Future[Evaluated]] = []
        self._wait_at = 0

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
        """Remove the samples of evaluations that have a record: a crash may have come between that and this."""
        for e in self._run.history.evals:
            path_of(self._run.files, file_of(e.name, e.step)).unlink(missing_ok=True)

    def begin(self, specs: Sequence[DataSpec]) -> None:
        """Evaluate the current weights on these sets: here and now, or in the background."""
        self.end()
        run, background = self._run, self._run.backend.concurrent
        self._wait_at = run.step + (run.config.evaluation.lag if background else 0)
        work = [partial(evaluated, run, spec, run.step, run.sampler) for spec in specs]
        self._pending = [self._pool.submit(w) for w in work if background]
        for each in () if background else work:
            self._record(each())
        if not background:
            run.scribe.later(checkpoints.mark_best, run)

    def end(self, step: float = float("inf")) -> None:
        """Wait for and record what is to be recorded by this step."""
        if not self._pending or step < self._wait_at:
            return
        pending, self._pending = self._pending, []
        for future in pending:
            self._record(future.result())
        self._run.scribe.later(checkpoints.mark_best, self._run)

    def _record(self, done: Evaluated) -> None:
        run = self._run
        stats = stats_of(done, self._wait_at, run.backend.usd(done.tokens))
        run.history = replace(run.history, evals=(*run.history.evals, stats))
        run.spent += stats.usd or 0.0
        run.scribe.later(write, run, stats, done.groups)

    def close(self) -> None:
        """Wait for no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def evaluated(run: Run, spec: DataSpec, step: int, sampler: Sampler) -> Evaluated:
    """Sample and judge every problem of a set."""
    begun, tokens = time.perf_counter(), Counter[str]()
    section, sampling = run.config.evaluation, run.config.sampling
    most = section.max_tokens or sampling.max_tokens
    settings = Settings(
        f"evaluate {spec.name}", spec.samples, most, section.temperature, section.top_p, section.seed,
        sampling.max_failed,
    )  # fmt: skip
    problems = run.eval_problems[spec.name]
    kept = Metered(Remembering(sampler, run.files, file_of(spec.name, step)), tokens)
    groups = collect(problems, step, run.plugins, run.backend, kept, settings)
    return Evaluated(step, spec, settings, groups, tokens, time.perf_counter() - begun)


def stats_of(done: Evaluated, seen: int, usd: float | None) -> EvalStats:
    """The record of an evaluation."""
    metrics, intervals = summarise(done.groups)
    described = {"problems": len(done.groups), **asdict(done.settings)}
    shown = [example(group) for group in done.groups[:EXAMPLES]]
    seconds = {"total": done.seconds}
    return EvalStats(
        done.step, done.spec.name, metrics, intervals, described, shown, dict(done.tokens), usd, seen, seconds,
        breakdown(done.groups),
    )  # fmt: skip


def write(run: Run, stats: EvalStats, groups: Sequence[Group]) -> None:
    """Its rollouts, its record, and word of it."""
    file = file_of(stats.name, stats.step)
    run.files.write_groups(file, groups)
    run.files.append("evals.jsonl", asdict(stats))
    path_of(run.files, file).unlink(missing_ok=True)
    run.plugins.tell("report_eval", run=run, stats=stats)


def file_of(name: str, step: int) -> str:
    """What the file of its rollouts is called."""
    return f"eval_{name}_{step:06d}"


def example(group: Group) -> dict[str, Any]:
    """The first answer to a problem, for a person to read."""
    verdict = group.verdicts[0]
    return {
        "question": group.problem.question,
        "gold": group.problem.answer,
        "response": group.rollouts[0].text,
        "outcome": verdict.outcome,
    }
