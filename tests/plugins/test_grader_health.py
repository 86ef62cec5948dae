from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core.options import configure
from justtinker_core.types import History
from justtinker_plugins.monitors.grader_health import GraderHealth
from tests.plugins.health_runs import series, told


def monitor(**options: Any) -> GraderHealth:
    return configure(GraderHealth, "plugins.grader_health", options)


def levels(values: list[float | None], metric: str = "unscored_rate", **options: Any) -> list[tuple[int, str]]:
    return [(step, f.level) for step, f in told(monitor(**options), series(**{metric: values}))]


def test_a_grader_that_never_works_stops_the_run_at_its_third_step() -> None:
    assert levels([1.0] * 30) == [(1, "warn"), (3, "stop")]
    *_, (_, stop) = told(monitor(), series(unscored_rate=[1.0] * 30))
    assert stop.message == (
        "30.0% of the rollouts could not be graded, over the last 10 steps (3 so far, the others count as 0); "
        "stop_unscored = 0.2"
    )


def test_a_few_unscored_rollouts_are_warned_of_once() -> None:
    [(step, finding)] = told(monitor(), series(unscored_rate=[0.0] * 20 + [0.03] * 30))
    assert (step, finding.level) == (27, "warn")
    assert finding.message == "2.1% of the rollouts could not be graded, over the last 10 steps; max_unscored = 0.02"
    assert finding.evidence == {
        "unscored_rate": pytest.approx(0.021), "max_unscored": 0.02, "this_step": 0.03, "steps": 10,
    }  # fmt: skip


def test_one_bad_step_is_no_finding_and_a_second_bout_is_one() -> None:
    assert levels([0.0] * 10 + [0.15] + [0.0] * 20) == []
    assert levels([0.3] + [0.0] * 20 + [0.3]) == [(1, "warn"), (22, "warn")]


def test_slow_verdicts_are_p99_above_the_limit() -> None:
    [(step, finding)] = told(monitor(), series(slow_verdict_rate=[0.015] * 30))
    assert (step, finding.level) == (7, "warn")
    assert finding.message.startswith("1.0% of the verdicts were slow: p99 of the latency is too, over the last 10 ")
    assert levels([0.009] * 30, "slow_verdict_rate") == []


def test_workers_that_end() -> None:
    assert levels([0.05] * 30, "worker_ended_rate") == [(5, "warn")]


def test_a_cluster_whose_actors_die() -> None:
    [(step, finding)] = told(monitor(), series(resent_rate=[0.0] * 10 + [0.6] * 30))
    assert (step, finding.level) == (12, "warn")
    assert finding.message == (
        "12.0% of the rollouts were sent again: actors of the cluster died, over the last 10 steps; max_resent = 0.1"
    )


def test_options() -> None:
    assert levels([0.03] * 30, max_unscored=0.05) == []
    assert levels([0.03], window=1) == [(1, "warn")]
    assert levels([1.0] * 9, action="warn") == [(1, "warn"), (3, "warn")]
    assert levels([1.0] * 9, action="off") == []


def test_not_enough_data() -> None:
    assert monitor().lacks(History(series(accuracy=[1.0]).steps)) == (
        "not enough data: no step has resent_rate, rubric_failed_rate, slow_verdict_rate, unscored_rate, "
        "worker_ended_rate"
    )
    assert monitor().lacks(History(series(unscored_rate=[0.0]).steps)) == ""
    assert levels([None] * 20) == []


@given(st.lists(st.sampled_from([0.0, 0.01, 0.03, 0.5]), min_size=1, max_size=60), st.integers(0, 59))
def test_a_resumed_run_sees_the_same(rates: list[float], place: int) -> None:
    records, place = series(unscored_rate=rates), min(place, len(rates) - 1)
    expected = [f for step, f in told(monitor(), records) if step == place + 1]
    assert list(monitor().inspect_step(records.steps[place], records.before(place))) == expected
