from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_core import PluginError
from justtinker_core.options import configure
from justtinker_core.plugins import Plugins
from justtinker_core.types import History, StepStats
from justtinker_plugins.commands._cli.replay import active_monitors, default_config, replay
from justtinker_plugins.monitors.drift import Drift
from justtinker_plugins.shared.records.history import Records
from tests.plugins.health_runs import ACCURACY, LENGTH, THINKING, published, resampled, series, told


def drift(**options: Any) -> Drift:
    return configure(Drift, "plugins.drift", {"baseline": 20, **options})


def noisy(seed: int, steps: int, **changes: tuple[int, float]) -> Records:
    """A stationary run; from a step on, a metric moves by so many of its standard deviations."""
    random = np.random.default_rng(seed)
    usual = {LENGTH: (4000.0, 300.0), THINKING: (0.85, 0.03), ACCURACY: (0.7, 0.05)}
    columns = {}
    for name, (mean, deviation) in usual.items():
        values = mean + deviation * random.normal(size=steps)
        at, by = changes.get(name, (steps + 1, 0.0))
        values[at - 1 :] += by * deviation
        columns[name] = values.tolist()
    return series(**columns)


def alarms(monitor: Drift, records: Records) -> list[tuple[int, str]]:
    return [(step, f.level) for step, f in told(monitor, records) if f.level != "info"]


def test_length_alone_warns_once_and_names_the_step_it_began() -> None:
    said = told(drift(), noisy(0, 120, mean_response_tokens=(60, 3.0)))
    (first, info), (step, warning) = said
    assert (first, info.level, warning.level) == (20, "info", "warn")
    assert 60 < step <= 70
    assert 57 <= warning.evidence["began"] <= 61
    seen = warning.evidence[LENGTH]
    assert seen["mean"] > 4500 > 4200 > seen["usual"] > 3800
    assert warning.message.startswith(
        f"responses are longer: {LENGTH} {seen['mean']:.4g} on average since step {seen['began']}, was "
    )


def test_thinking_alone_warns_then_stops() -> None:
    levels = alarms(drift(), noisy(1, 120, thinking_rate=(60, -3.0)))
    assert [level for _, level in levels] == ["warn", "stop"]


def test_a_second_signal_makes_it_a_stop() -> None:
    changes = {LENGTH: (60, 2.0), ACCURACY: (70, -3.0)}
    levels = {level: step for step, level in alarms(drift(), noisy(2, 120, **changes))}
    assert 60 < levels["warn"] < levels["stop"] < 80


def test_a_collapse_that_stays_is_said_once() -> None:
    levels = alarms(drift(), noisy(4, 600, **{LENGTH: (60, 5.0), ACCURACY: (60, -5.0), THINKING: (60, -5.0)}))
    assert [level for _, level in levels] in (["stop"], ["warn", "stop"])


def test_a_second_collapse_is_said_too() -> None:
    fine, low = [0.8, 0.82] * 25, [0.5] * 10
    levels = alarms(drift(), series(accuracy=[*fine, *low, *fine, *fine, *low, *fine]))
    assert [level for _, level in levels] == ["warn", "stop"] * 2


def test_a_metric_of_ones_own_is_said_to_have_risen_or_fallen() -> None:
    records = noisy(0, 120, mean_response_tokens=(60, 3.0))
    steps = tuple(StepStats(s.step, {"spread": s.metrics[LENGTH]}) for s in records.steps)
    warning = told(drift(rising=("spread",), falling=()), Records(steps))[-1][1]
    assert warning.message.startswith("spread has risen: spread ")


def test_what_is_better_is_no_alarm() -> None:
    assert alarms(drift(), noisy(3, 120, **{LENGTH: (60, -4.0), ACCURACY: (60, 4.0), THINKING: (60, 4.0)})) == []


def test_the_last_healthy_checkpoint_is_named() -> None:
    records = noisy(0, 120, mean_response_tokens=(60, 3.0))
    records = Records(records.steps, (), (25, 50, 75, 100))
    warning = told(drift(), records)[-1][1]
    assert warning.evidence["last_healthy_checkpoint"] == 50
    assert warning.message.endswith("; the last checkpoint before that: step 50")


def test_the_baseline_is_told_with_what_is_missing() -> None:
    (_, info), *_ = told(drift(), noisy(0, 30))
    assert info.message.startswith(
        "from now on, each step is compared with this baseline: mean_response_tokens 3937 ± 260, thinking_rate 0.86"
    )
    assert info.message.endswith("; not enough data for truncated_rate, redundancy_penalty")
    assert info.evidence["not_enough_data"] == ["truncated_rate", "redundancy_penalty"]
    ((_, small),) = told(drift(), series(truncated_rate=[7e-5] * 20))
    assert small.message.startswith(
        "from now on, each step is compared with this baseline: truncated_rate 0.0001 ± 0.01; "
    )


def test_not_enough_data() -> None:
    short = noisy(0, 19)
    assert told(drift(), short) == []
    assert drift().lacks(History(short.steps)) == (
        "not enough data: a baseline takes 20 steps, and there are 19 with a metric it watches"
    )
    assert drift().lacks(History(noisy(0, 21).steps)) == ""


@pytest.mark.parametrize(("action", "levels"), [("stop", {"warn", "stop"}), ("warn", {"warn"}), ("off", set())])
def test_what_it_may_do(action: str, levels: set[str]) -> None:
    monitor = drift(action=action)
    records = noisy(1, 120, thinking_rate=(60, -6.0))
    assert {level for _, level in alarms(monitor, records)} == levels
    assert monitor.fatal == (action == "stop")


def test_own_metrics_can_be_watched() -> None:
    values = [1.0, 1.1] * 20 + [2.0] * 10
    monitor = drift(rising=["entropy"], falling=[])
    assert [level for _, level in alarms(monitor, series(entropy=values))] == ["warn", "stop"]
    assert alarms(drift(rising=[], falling=["entropy"]), series(entropy=values)) == []
    with pytest.raises(PluginError, match=r"\[plugins.drift\] rising and falling name accuracy twice"):
        drift(rising=["accuracy"])


def test_one_truncated_rollout_of_sixteen_is_no_alarm() -> None:
    rate = ([0.0] * 29 + [1 / 16]) * 4
    assert alarms(drift(), series(truncated_rate=rate, rollouts=[16.0] * 120)) == []
    assert alarms(drift(), series(truncated_rate=[*rate, *[3 / 16] * 20], rollouts=[16.0] * 140))[0][1] == "warn"


metric = st.floats(min_value=0, max_value=1e5, allow_nan=False)


@given(metric, metric, st.integers(41, 120))
def test_what_never_changes_never_alarms(length: float, rate: float, steps: int) -> None:
    records = series(mean_response_tokens=[length] * steps, accuracy=[rate] * steps, redundancy_penalty=[0.0] * steps)
    assert alarms(drift(), records) == []


runs = st.lists(
    st.tuples(*(st.one_of(st.none(), st.floats(0, 1)) for _ in range(2)), st.floats(1, 9000)), min_size=25, max_size=80
)


@settings(max_examples=50)
@given(runs, st.integers(0, 79), st.floats(1, 20))
def test_a_resumed_run_sees_the_same(rows: Sequence[Any], place: int, limit: float) -> None:
    """Step by step, from any step on with a fresh plugin, and the same step asked twice."""
    accuracy, thinking, length = zip(*rows, strict=True)
    records = series(accuracy=accuracy, thinking_rate=thinking, mean_response_tokens=length)
    monitor = drift(baseline=10, limit=limit)
    said = told(monitor, records)
    place = min(place, len(records.steps) - 1)
    stats, history = records.steps[place], records.before(place)
    fresh = drift(baseline=10, limit=limit)
    assert told(fresh, records) == said
    expected = [f for step, f in said if step == stats.step]
    assert list(monitor.inspect_step(stats, history)) == list(monitor.inspect_step(stats, history)) == expected


@given(st.permutations(["truncated_rate", LENGTH, THINKING, ACCURACY]))
def test_the_order_of_metrics_does_not_matter(order: list[str]) -> None:
    falling = [name for name in order if name in (THINKING, ACCURACY)]
    rising = [name for name in order if name not in falling]
    records = noisy(2, 100, **{LENGTH: (60, 2.0), ACCURACY: (70, -3.0)})
    assert alarms(drift(rising=rising, falling=falling), records) == alarms(drift(), records)


def test_another_history_is_not_taken_for_the_one_before() -> None:
    monitor, bad, good = drift(), noisy(1, 80, thinking_rate=(60, -6.0)), noisy(1, 80)
    assert alarms(monitor, bad)
    assert alarms(monitor, good) == []
    stats = StepStats(81, dict(good.steps[-1].metrics))
    assert list(monitor.inspect_step(stats, History(good.steps))) == []


def test_the_bar_on_the_published_collapse() -> None:
    """A warning by step 110, a stop by 125, nothing before 85; and after the stop nothing that is not news."""
    said = [(s.step, s.finding.level, s.finding.source) for s in replay(published(), default_monitors())]
    heard = [s for s in said if s[1] != "info"]
    assert min(step for step, _, _ in heard) >= 85
    assert min(step for step, level, source in heard if (level, source) == ("warn", "drift")) <= 110
    assert min(step for step, level, _ in heard if level == "stop") <= 125
    assert len([s for s in heard if s[2] == "drift"]) == 2


@pytest.mark.parametrize("changes", [{"slack": 0.6}, {"slack": 0.8}, {"limit": 7.0}, {"limit": 9.0}, {"baseline": 50}])
def test_the_bar_does_not_hang_on_one_number(changes: dict[str, Any]) -> None:
    levels = alarms(configure(Drift, "plugins.drift", changes), published())
    assert 85 <= levels[0][0] <= 119
    assert next(step for step, level in levels if level == "stop") <= 125


@cache
def default_monitors() -> Plugins:
    """Set up once a process: a monitor has no memory."""
    return Plugins(active_monitors(default_config((), ())))


def healthy_alarms(seed: int) -> list[tuple[int, str, str]]:
    """The warnings and stops of the default monitors on one healthy run."""
    said = replay(resampled(seed), default_monitors())
    return [(s.step, s.finding.level, s.finding.source) for s in said if s.finding.level != "info"]


@pytest.mark.slow
def test_healthy_runs_are_left_alone() -> None:
    """At most one false alarm in 1,000 steps is allowed, over 100 runs of 1,000 steps; it is far less."""
    with ProcessPoolExecutor() as workers:
        found = list(workers.map(healthy_alarms, range(100), chunksize=5))
    assert sum(map(len, found)) <= 15  # 0.15 in 1,000 steps
    assert sum(level == "stop" for run in found for _, level, _ in run) <= 1


@pytest.mark.slow
@pytest.mark.parametrize(("ramp", "within"), [(20, 12), (50, 18), (100, 28)])
def test_other_collapses_are_seen_too(ramp: int, within: int) -> None:
    """The median of the steps from the onset to a stop, at several onsets."""
    delays = []
    for seed in range(30):
        onset = 60 + 15 * (seed % 10)
        records = resampled(seed, 400, onset=onset, ramp=ramp, parts=(LENGTH, THINKING, ACCURACY))
        levels = alarms(configure(Drift, "plugins.drift", {}), records)
        delays.append(
            min((step - onset for step, level in levels if level == "stop" and step >= onset), default=math.inf)
        )
    assert float(np.median(delays)) <= within
    assert max(delays) < math.inf
