"""Evaluation: the same path as training rollouts, then rates with intervals that are clustered by problem."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from justtinker_core.config import DataSpec
from justtinker_core.rollouts import Settings, collect
from justtinker_core.stats import summarise
from justtinker_core.types import EvalStats, Group

if TYPE_CHECKING:
    from justtinker_core.run import Run

EXAMPLES = 4


def evaluate(run: Run, spec: DataSpec, step: int) -> EvalStats:
    """Sample and judge every problem of an evaluation set; write its rollouts and its record."""
    begun, before = time.perf_counter(), run.tokens.copy()
    section, budget = run.config.evaluation, run.config.sampling.max_tokens
    stage, most = f"evaluate {spec.name}", section.max_tokens or budget
    settings = Settings(stage, spec.samples, most, section.temperature, section.top_p, section.seed)
    groups = collect(run.eval_problems[spec.name], step, run.plugins, run.backend, run.sampler, settings)
    run.count(groups)
    metrics, intervals = summarise(groups)
    described = {"problems": len(groups), **asdict(settings)}
    shown = [example(group) for group in groups[:EXAMPLES]]
    seconds = {"total": time.perf_counter() - begun}
    stats = EvalStats(step, spec.name, metrics, intervals, described, shown, dict(run.tokens - before), seconds)
    run.files.write_groups(f"eval_{spec.name}_{step:06d}", groups)
    run.files.append("evals.jsonl", asdict(stats))
    return stats


def example(group: Group) -> dict[str, Any]:
    """The first answer to a problem, for a person to read."""
    verdict = group.verdicts[0]
    return {
        "question": group.problem.question,
        "gold": group.problem.answer,
        "response": group.rollouts[0].text,
        "outcome": verdict.outcome,
    }
