"""Evaluation: the path of training, other settings, a record with intervals and examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import PluginError, Problem, Rollout, Verdict, hookimpl
from justtinker_core.run import Run
from justtinker_core.types import EvalStats
from tests.core.conftest import (
    Ask,
    Correct,
    Judge,
    Length,
    Report,
    RunWith,
    ScriptedBackend,
    Sft,
    go,
    problems,
    records,
)

SETS = {"train": problems(), "held": problems(6), "other": problems(2)}
CONFIG = {
    "run.steps": 0, "evaluation.temperature": 0.3, "evaluation.top_p": 0.9, "evaluation.seed": 7,
    "data.eval.held.samples": 3,
}  # fmt: skip


def right_twice(prompt: str, index: int) -> str:
    return str(int(prompt[0]) % 3) if index < 2 else "no"


def evaluated(run_with: RunWith, backend: ScriptedBackend, *others: Any, **config: Any) -> list[EvalStats]:
    report = Report()
    go(run_with(backend, Ask(), Judge(), Correct(), *others, report, problems=SETS, config={**CONFIG, **config}))
    return report.evals


def test_every_set_is_evaluated_with_its_own_samples(run_with: RunWith, tmp_path: Path) -> None:
    backend = ScriptedBackend(right_twice)
    held, other = evaluated(run_with, backend, Length())
    assert (held.name, other.name, held.step) == ("held", "other", 0)
    assert held.metrics["accuracy"] == pytest.approx(2 / 3)
    assert other.metrics["accuracy"] == 1.0
    assert held.metrics["letters"] == pytest.approx(4 / 3)
    assert [{r.n for r in sent} for sent in backend.requests] == [{3}, {1}]
    assert {(r.temperature, r.top_p, r.max_tokens) for sent in backend.requests for r in sent} == {(0.3, 0.9, 20)}


def test_the_record_says_how(run_with: RunWith, tmp_path: Path) -> None:
    held, _ = evaluated(run_with, ScriptedBackend(right_twice), **{"evaluation.max_tokens": 15})
    expected = {"problems": 6, "samples": 3, "temperature": 0.3, "top_p": 0.9, "max_tokens": 15, "seed": 7}
    assert expected.items() <= held.settings.items()
    row = records(tmp_path / "run", "evals.jsonl")[0]
    assert row["settings"] == held.settings
    assert set(held.seconds) == {"total"}
    assert (tmp_path / "run" / "rollouts" / "eval_held_000000.jsonl.zst").exists()


def test_examples_are_for_reading(run_with: RunWith) -> None:
    held, other = evaluated(run_with, ScriptedBackend(right_twice))
    assert len(held.examples) == 4
    assert len(other.examples) == 2
    assert held.examples[1] == {"question": "1+0", "gold": "1", "response": "1", "outcome": "correct"}


def test_intervals_are_clustered_by_problem(run_with: RunWith) -> None:
    held, other = evaluated(run_with, ScriptedBackend(right_twice))
    for stats in (held, other):
        for name, (low, high) in stats.intervals.items():
            assert low <= stats.metrics[name] + 1e-9
            assert high >= stats.metrics[name] - 1e-9
    assert set(held.intervals) >= {"accuracy", "unscored_rate", "truncated_rate"}


def test_sets_and_steps_and_training_have_seeds_of_their_own(run_with: RunWith) -> None:
    backend = ScriptedBackend(right_twice)
    config = {**CONFIG, "run.steps": 2, "evaluation.every": 1, "run.seed": 7}
    go(run_with(backend, Ask(), Judge(), Correct(), Sft(), problems=SETS, config=config))
    seeds = [r.seed for sent in backend.requests for r in sent]
    assert len(set(seeds)) == len(seeds) == 3 * 8


def test_a_set_that_has_a_record_is_not_evaluated_again(run_with: RunWith, tmp_path: Path) -> None:
    class Die:
        @hookimpl
        def report_eval(self, run: Run, stats: EvalStats) -> None:
            raise KeyboardInterrupt

    def players() -> list[Any]:
        return [ScriptedBackend(right_twice), Ask(), Judge(), Correct()]

    with pytest.raises(KeyboardInterrupt):
        go(run_with(*players(), Die(), problems=SETS, config=CONFIG))
    report = Report()
    again = players()
    go(run_with(*again, report, problems=SETS, config=CONFIG))
    names = [r["name"] for r in records(tmp_path / "run", "evals.jsonl")]
    assert names == ["held", "other"]
    assert len(again[0].requests) == 1, "only the set that had no record"


def test_progress_is_told_for_every_set(run_with: RunWith) -> None:
    report = Report()
    go(run_with(ScriptedBackend(), Ask(), Judge(), report, problems=SETS, config=CONFIG))
    stages = {stage for stage, _, _ in report.progress}
    assert len(report.progress) == 8
    assert all(stage.startswith("evaluate") for stage in stages)


def test_each_set_is_reported_as_it_is_done(run_with: RunWith) -> None:
    class Two(Judge):
        @hookimpl
        def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict]:
            if problem.meta.get("broken"):
                raise ValueError("oh")
            return super().verify(problem, rollouts)

    report = Report()
    sets = {"train": problems(), "held": problems(2), "other": problems(2, meta={"broken": True})}
    with pytest.raises(PluginError):
        go(run_with(ScriptedBackend(), Ask(), Two(), report, problems=sets, config={"run.steps": 0}))
    assert [e.name for e in report.evals] == ["held"]
