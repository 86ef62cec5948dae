from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core.options import configure
from justtinker_core.types import History
from justtinker_plugins.monitors.degenerate_groups import DegenerateGroups
from justtinker_plugins.shared.records.history import Records
from tests.plugins.health_runs import series, told


def monitor(**options: Any) -> DegenerateGroups:
    return configure(DegenerateGroups, "plugins.degenerate_groups", options)


def trained(*counts: float | None, **more: float) -> Records:
    columns = {name: [value] * len(counts) for name, value in more.items()}
    return series(trained=counts, rollouts=[256.0] * len(counts), **columns)


def test_nothing_trained_for_three_steps_is_said_aloud_and_once() -> None:
    [(step, finding)] = told(monitor(), trained(90, 0, 0, 0, 0, 0, all_right_rate=0.75, all_wrong_rate=0.25))
    assert (step, finding.level) == (4, "warn")
    assert finding.message == (
        "nothing to learn from: trained 0 of 256 rollouts, for 3 steps, since step 2 "
        "(groups: 75% all right, 25% all wrong); no checkpoint before that is known"
    )
    assert finding.evidence == {
        "steps": 3, "since": 2, "rollouts": 256.0, "all_right_rate": 0.75, "all_wrong_rate": 0.25,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ([0, 0, 5, 0, 0], []),
        ([0] * 25, [(3, "warn"), (20, "stop")]),
        ([0, 0, 0, 9, 0, 0, 0], [(3, "warn"), (7, "warn")]),
        ([None] * 9, []),
    ],
)
def test_streaks(counts: list[float | None], said: list[tuple[int, str]]) -> None:
    assert [(step, f.level) for step, f in told(monitor(), trained(*counts))] == said


def test_a_step_without_rollouts_is_none_of_its_business() -> None:
    sft = series(trained=[0.0] * 30)
    assert told(monitor(), sft) == []
    assert monitor().lacks(History(sft.steps)) == "not enough data: no step says how many of its rollouts were trained"
    assert monitor().lacks(History(trained(1).steps)) == ""


def test_nearly_all_groups_of_one_mind_for_long() -> None:
    [(step, finding)] = told(monitor(), trained(*[4] * 30, all_right_rate=0.9, all_wrong_rate=0.07))
    assert (step, finding.level) == (10, "warn")
    assert finding.message == (
        "little to learn from: 97% of the groups are all right or all wrong, more than 95% for 10 steps "
        "(groups: 90% all right, 7% all wrong)"
    )
    assert told(monitor(), trained(*[4] * 30, all_right_rate=0.9, all_wrong_rate=0.04)) == []


@pytest.mark.parametrize(("action", "levels"), [("stop", ["warn", "stop"]), ("warn", ["warn"] * 2), ("off", [])])
def test_what_it_may_do(action: str, levels: list[str]) -> None:
    assert [f.level for _, f in told(monitor(action=action), trained(*[0] * 25))] == levels


@given(st.lists(st.sampled_from([0.0, 3.0]), min_size=1, max_size=60), st.integers(0, 59))
def test_a_resumed_run_sees_the_same(counts: list[float], place: int) -> None:
    records, place = trained(*counts), min(place, len(counts) - 1)
    expected = [f for step, f in told(monitor(), records) if step == place + 1]
    assert list(monitor().inspect_step(records.steps[place], records.before(place))) == expected
