from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Finding, config
from justtinker_core.options import configure
from justtinker_core.plugins import Plugins
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.types import EvalStats, History, StepStats
from justtinker_plugins.monitors.early_stopping import EarlyStopping
from tests.plugins.health_runs import published


def evaluate(values: Sequence[float], *, name: str = "math", metric: str = "accuracy") -> list[EvalStats]:
    """Evaluations after steps 10, 20 ..."""
    return [EvalStats(10 * (i + 1), name, {metric: v}, {}, {}, seen=10 * (i + 1)) for i, v in enumerate(values)]


def findings(evals: Sequence[EvalStats], checkpoints: tuple[int, ...] = (), **options: Any) -> dict[int, list[Finding]]:
    """What is said at each step of a run with these evaluations, told as the run would tell it."""
    monitor = configure(EarlyStopping, "plugins.early_stopping", options)
    said = {}
    for step in range(1, max(e.step for e in evals) + 10):
        steps = tuple(StepStats(s, {}) for s in range(1, step))
        history = History(steps, tuple(e for e in evals if e.step < step), checkpoints)
        if found := list(monitor.inspect_step(StepStats(step, {}), history)):
            said[step] = found
    return said


def test_the_third_low_evaluation_stops_the_run_once() -> None:
    assert findings(evaluate([0.80, 0.85, 0.79, 0.78, 0.77]), (10, 20, 30)) == {
        51: [
            Finding(
                "stop",
                "math stays below its best: accuracy is 0.77 at step 50, the best was 0.85 at step 20; "
                "more than 0.05 below it in 3 evaluations since; the best checkpoint is that of step 20",
                {
                    "evaluation": "math",
                    "metric": "accuracy",
                    "best": 0.85,
                    "best_step": 20,
                    "value": 0.77,
                    "step": 50,
                    "low_evaluations": 3,
                    "best_checkpoint": 20,
                },
            )
        ]
    }


def test_a_best_checkpoint_that_was_not_saved_is_not_promised() -> None:
    ((_, (finding,)),) = findings(evaluate([0.85, 0.7, 0.7, 0.7])).items()
    assert finding.message.endswith("; the best checkpoint is that of step 10, if it was saved")
    assert finding.evidence["best_checkpoint"] is None


def test_a_history_with_gaps_is_judged_too() -> None:
    evals = evaluate([0.8, 0.7, 0.7, 0.7])
    monitor = configure(EarlyStopping, "plugins.early_stopping", {})
    steps = tuple(StepStats(s, {}) for s in (15, 25, 35))
    (finding,) = monitor.inspect_step(StepStats(45, {}), History(steps, tuple(evals)))
    assert finding.evidence["step"] == 40
    assert not monitor.inspect_step(StepStats(55, {}), History((*steps, StepStats(45, {})), tuple(evals)))


def test_not_enough_data() -> None:
    monitor = configure(EarlyStopping, "plugins.early_stopping", {})
    assert monitor.lacks(History(evals=tuple(evaluate([0.8] * 3)))) == (
        "not enough data: a stop takes at least 4 evaluations, and there are 3"
    )
    assert monitor.lacks(History(evals=tuple(evaluate([0.8] * 4)))) == ""


@pytest.mark.parametrize(("action", "level"), [("stop", "stop"), ("warn", "warn"), ("off", None)])
def test_what_it_may_do(action: str, level: str | None) -> None:
    said = findings(evaluate([0.8, 0.7, 0.7, 0.7]), action=action)
    assert [f.level for found in said.values() for f in found] == ([level] if level else [])


@pytest.mark.parametrize(
    ("values", "stops"),
    [
        ([0.8, 0.7, 0.7], []),
        ([0.8, 0.7, 0.7, 0.7], [41]),
        ([0.8, 0.7, 0.78, 0.7, 0.75, 0.7], [61]),  # small dips do not reset
        ([0.8, 0.7, 0.8, 0.7, 0.7], [51]),  # to equal the best is no new best
        ([0.8, 0.7, 0.7, 0.81, 0.7, 0.7], []),  # a new best does
        ([0.90, 0.85, 0.85, 0.85], []),  # 5 points are not more than 5 points
        ([0.8, 0.7, 0.7, 0.7, 0.78, 0.7], [41, 61]),  # gone on after the stop: a dip does not stop it again
        ([0.1, 0.2, 0.3, 0.4], []),
    ],
)
def test_what_counts(values: list[float], stops: list[int]) -> None:
    assert list(findings(evaluate(values))) == stops


def test_evaluations_are_followed_each_on_its_own() -> None:
    evals = [*evaluate([0.8, 0.7, 0.7, 0.7]), *evaluate([0.3, 0.3, 0.4, 0.4], name="aime")]
    evals.sort(key=lambda e: e.step)
    assert list(findings(evals)) == list(findings(evals, evaluation="math")) == [41]
    assert findings(evals, evaluation="aime") == {}


def test_options() -> None:
    assert list(findings(evaluate([0.8, 0.78]), drop=0.01, patience=1)) == [21]
    assert list(findings(evaluate([0.8, 0.5, 0.5, 0.5], metric="pass@8"), metric="pass@8")) == [41]
    assert findings(evaluate([0.8, 0.5, 0.5, 0.5], metric="pass@8")) == {}


@pytest.mark.parametrize(
    ("sets", "options", "complaints"),
    [
        (["math", "aime"], {}, []),
        (["math", "aime"], {"evaluation": "aime"}, []),
        (
            ["math", "aime"],
            {"evaluation": "mth"},
            ["[plugins.early_stopping] evaluation = 'mth': there is no table [data.eval.mth]; did you mean 'math'?"],
        ),
        ([], {}, ["[plugins.early_stopping] follows evaluations, but the config has no table [data.eval.NAME]"]),
    ],
)
def test_with_nothing_to_follow_the_run_does_not_start(
    tmp_path: Path, sets: list[str], options: dict[str, Any], complaints: list[str]
) -> None:
    tables = {
        "run": {"name": "x", "model": "tiny", "steps": 1},
        "data": {"train": {"use": "arithmetic"}, "eval": {name: {"use": "arithmetic"} for name in sets}},
    }
    run = Run(config.parse(tables, tmp_path), Plugins([]), RunDir(tmp_path))
    monitor = configure(EarlyStopping, "plugins.early_stopping", options)
    assert monitor.preflight(run) == complaints


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.53, 0.75]), min_size=1, max_size=12))
def test_as_the_recipe_counts(values: list[float]) -> None:
    """The recipe's own loop, with a memory; it would end at its first stop."""
    best, low, stop = -1.0, 0, None
    for index, value in enumerate(values):
        if value > best:
            best, low = value, 0
        elif value < best - 0.05:
            low += 1
        if low == 3 and stop is None:
            stop = 10 * (index + 1) + 1
    assert next(iter(findings(evaluate(values))), None) == stop


def test_the_published_collapse_is_never_stopped() -> None:
    evals = published().evals
    assert findings(evals) == {}
    ((_, (finding,)),) = findings(evals, patience=1).items()
    assert finding.evidence["low_evaluations"] == 1
