from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.commands._score.tally import Tally, count_pairs, kendall_tau_b

REWARDS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.3, 0.3 + 1e-12, 1.0]), st.sampled_from([0.0, 0.5, 0.7])), min_size=1
)


def record(*pairs: tuple[float | None, float | None], line: int = 1) -> dict[str, Any]:
    """Make a group whose rollouts have these rewards under two stacks; None: unscored. Advantages equal rewards."""

    def side(rewards: list[float | None]) -> dict[str, Any]:
        rows = [
            {
                "verdict": {"outcome": "unscored" if r is None else "correct"},
                "terms": {"t": r},
                "reward": r or 0.0,
                "advantage": r,
            }
            for r in rewards
        ]
        return {"kept": True, "weights": {"t": 1.0}, "rollouts": rows}

    sides = [list(column) for column in zip(*pairs, strict=True)]
    return {
        "file": "f",
        "line": line,
        "recorded": [None] * len(pairs),
        "config": side(sides[0]),
        "against": side(sides[1]),
    }


def tallied(*records: dict[str, Any], most: int = 5) -> Tally:
    tally = Tally(most)
    for each in records:
        tally.add(each)
    return tally


@given(REWARDS)
def test_pairs_are_counted_as_by_two_loops(pairs: list[tuple[float, float]]) -> None:
    a, b = np.array(pairs).T
    wanted = {"same": 0, "inverted": 0, "tied": 0}
    for i in range(len(pairs)):
        for j in range(i):
            x, y = (0 if math.isclose(v[i], v[j], abs_tol=1e-9) else np.sign(v[i] - v[j]) for v in (a, b))
            kind = "same" if x * y > 0 else "inverted" if x * y < 0 else "tied" if x != y else ""
            wanted |= {kind: wanted[kind] + 1} if kind else {}
    found = count_pairs(a, b)
    assert {kind: found[kind] for kind in wanted} == wanted


@given(REWARDS)
def test_tau_ranges_from_opposite_to_equal_order(pairs: list[tuple[float, float]]) -> None:
    a, b = np.array(pairs).T
    found = kendall_tau_b(count_pairs(a, b))
    assert (found is None) == (np.ptp(a) < 1e-9 or np.ptp(b) < 1e-9)
    if found is not None:
        assert -1 <= round(found, 12) <= 1
        assert kendall_tau_b(count_pairs(a, a)) == 1
        assert kendall_tau_b(count_pairs(a, -b)) == -found


def test_tau_of_a_textbook_case() -> None:
    a, b = np.array([12.0, 2, 1, 12, 2]), np.array([1.0, 4, 7, 1, 0])  # SciPy's documentation
    assert kendall_tau_b(count_pairs(a, b)) == pytest.approx(-0.47140452079103173)


def test_a_group_with_one_inverted_pair() -> None:
    found = tallied(record((1.0, 0.2), (0.5, 0.6), (0.0, 0.1)), record((1.0, 2.0), (0.5, 0.6))).summary()["difference"]
    assert (found["inverted_groups"], found["reranked_groups"]) == (1, 1)
    assert found["kendall_tau"] == pytest.approx((1 / 3 + 1) / 2)


def test_ties_made_and_broken() -> None:
    found = tallied(record((1.0, 1.0), (0.0, 1.0)), record((1.0, 1.0), (1.0, 1.0))).summary()["difference"]
    assert (found["inverted_groups"], found["reranked_groups"], found["kendall_tau"]) == (0, 1, None)


def test_signs_of_advantages() -> None:
    rows = [(0.5, -0.5), (0.5, 0.0), (-0.5, 0.0), (0.0, 1e-12), (0.3, 0.4)]
    found = tallied(record(*rows)).summary()["difference"]
    assert (found["sign_flips"], found["sign_changes"], found["rewards"]) == (1, 3, 4)


def test_samples_that_only_one_stack_graded_are_not_compared() -> None:
    found = tallied(record((1.0, None), (None, None), (0.0, 0.0), (0.5, 0.5))).summary()
    assert found["difference"]["left_out_by_one"] == 1
    assert found["difference"]["sign_changes"] == found["difference"]["reranked_groups"] == 0
    assert (found["config"]["unscored_rate"], found["against"]["unscored_rate"]) == (0.25, 0.5)
    assert found["config"]["reward"] == 0.5
    term = found["config"]["terms"]["t"]
    assert (term["weighted"], term["applies"]) == (0.5, 1.0), "as in steps.jsonl: terms add up to the reward"


def test_the_most_changed_are_kept() -> None:
    records = [record((0.0, i / 10), (0.0, 0.0), line=i) for i in range(8)]
    changes = sorted(tallied(*records, most=3).changes, reverse=True)
    assert [change.location for change in changes] == [("f", 7, 0), ("f", 6, 0), ("f", 5, 0)]
    assert tallied(*records, most=0).changes == []


def test_recorded_rewards_are_compared() -> None:
    first = record((1.0, 1.0), (0.5, 0.5)) | {"recorded": [1.0, 0.4]}
    assert tallied(first, record((1.0, 1.0))).summary()["recorded"] == {"rewards": 2, "equal": 1}
