from __future__ import annotations

import logging
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core.types import Outcome
from justtinker_plugins.rewards.length import Length
from tests.plugins.reward_groups import scored


def test_short_and_right_is_best_and_wrong_gains_nothing() -> None:
    outcomes: list[Outcome] = ["correct", "correct", "correct", "incorrect", "incorrect"]
    assert scored(Length(), ["a"] * 5, outcomes, [10, 20, 30, 10, 30]) == [0.5, 0.0, -0.5, 0.0, -0.5]


def test_unscored_rollouts_are_left_out_of_the_range() -> None:
    outcomes: list[Outcome] = ["correct", "unscored", "correct"]
    assert scored(Length(), ["a"] * 3, outcomes, [10, 1000, 20]) == [0.5, None, -0.5]


def test_nothing_to_compare() -> None:
    assert scored(Length(), ["a", "b"], tokens=[7, 7]) == [0.0, 0.0]
    assert scored(Length(), ["a", "b"], ["unscored", "unscored"]) == [None, None]


def test_warns_when_a_run_begins(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert Length().preflight(cast(Any, None)) == []
    (record,) = caplog.records
    assert record.getMessage() == (
        "plugin 'length' rewards short answers; the recipe advises against it (exploration collapses, accuracy stalls)."
        " To penalise loops but not length, enable 'redundancy' instead"
    )


Rollouts = st.lists(st.tuples(st.integers(0, 500), st.sampled_from(["correct", "incorrect", "unscored"])), min_size=1)


@given(Rollouts, st.randoms())
def test_order_does_not_matter_and_raw_stays_in_range(rollouts: list[tuple[int, Outcome]], random: Any) -> None:
    def by_rollout(these: list[tuple[int, Outcome]]) -> list[tuple[tuple[int, Outcome], float | None]]:
        raw = scored(Length(), ["a"] * len(these), [o for _, o in these], [t for t, _ in these])
        assert all(r is None or -0.5 <= r <= 0.5 for r in raw)
        return sorted(zip(these, raw, strict=True), key=repr)

    shuffled = rollouts.copy()
    random.shuffle(shuffled)
    assert by_rollout(rollouts) == by_rollout(shuffled)
