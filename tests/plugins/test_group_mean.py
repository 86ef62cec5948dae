from __future__ import annotations

import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Group, Problem, Prompt
from justtinker_core.types import Reward
from justtinker_plugins.advantages._center import Std
from justtinker_plugins.advantages.group_mean import GroupMean

TOTALS = st.lists(st.floats(-2, 2), min_size=1, max_size=16)


def advantages(totals: Sequence[float], *, divide_by_std: bool = False, std: Std = "population") -> list[float]:
    rewards = tuple(Reward({"correct": t / 2}, {"correct": 2.0}) for t in totals)
    group = Group(1, 0, Problem("1", "1+1=?", "2"), Prompt(), rewards=rewards)
    return list(GroupMean(divide_by_std=divide_by_std, std=std).advantages(group))


def test_reward_minus_mean() -> None:
    assert advantages([1, 0, 0, 1, 0, 0, 0, 0]) == [0.75, -0.25, -0.25, 0.75, -0.25, -0.25, -0.25, -0.25]


def test_division_by_the_standard_deviation() -> None:
    assert advantages([1, 0, 0, 0], divide_by_std=True) == pytest.approx(
        [0.75 / (0.1875**0.5 + 1e-6), *[-0.25 / (0.1875**0.5 + 1e-6)] * 3], rel=1e-12
    )


@given(st.lists(st.floats(-2, 2), min_size=2, max_size=16).filter(lambda r: statistics.pstdev(r) > 1e-3))
def test_both_standard_deviations(totals: list[float]) -> None:
    mean = statistics.fmean(totals)
    deviations: dict[Std, float] = {"population": statistics.pstdev(totals), "sample": statistics.stdev(totals)}
    for std, deviation in deviations.items():
        expected = [(total - mean) / (deviation + 1e-6) for total in totals]
        assert advantages(totals, divide_by_std=True, std=std) == pytest.approx(expected, rel=1e-6, abs=1e-9)
        assert advantages(totals, std=std) == advantages(totals), "only with divide_by_std"


def test_the_default_divides_by_the_deviation_of_the_population() -> None:
    totals = [1.0, 0.25, 0.0, 0.0]
    assert GroupMean().std == "population"
    sample = advantages(totals, divide_by_std=True, std="sample")
    assert sample == pytest.approx([a * (3 / 4) ** 0.5 for a in advantages(totals, divide_by_std=True)], rel=1e-5)


@pytest.mark.parametrize("std", ["population", "sample"])
@pytest.mark.parametrize("divide_by_std", [False, True])
@pytest.mark.parametrize("totals", [[], [1.0], [0.1] * 3, [0.97, 0.97, 0.97, 0.97, 0.97, 0.97, 0.97]])
def test_equal_rewards_teach_nothing(totals: list[float], divide_by_std: bool, std: Std) -> None:
    assert advantages(totals, divide_by_std=divide_by_std, std=std) == [0.0] * len(totals)


@given(TOTALS, st.booleans())
def test_sum_to_zero(totals: list[float], divide_by_std: bool) -> None:
    assert sum(advantages(totals, divide_by_std=divide_by_std)) == pytest.approx(0, abs=1e-9)


@given(TOTALS, st.floats(-1, 1))
def test_a_shift_changes_nothing(totals: list[float], shift: float) -> None:
    assert advantages([t + shift for t in totals]) == pytest.approx(advantages(totals), abs=1e-12)


@given(TOTALS, st.randoms(use_true_random=False), st.booleans())
def test_order_of_rollouts_is_kept(totals: list[float], rng: object, divide_by_std: bool) -> None:
    order = list(range(len(totals)))
    rng.shuffle(order)  # type: ignore[attr-defined]
    plain = advantages(totals, divide_by_std=divide_by_std)
    shuffled = advantages([totals[i] for i in order], divide_by_std=divide_by_std)
    assert shuffled == pytest.approx([plain[i] for i in order], abs=1e-9)


def with_kl(correct: Sequence[float], kl: Sequence[float]) -> Group:
    weights = {"correct": 1.0, "kl": 0.04}
    rewards = tuple(Reward({"correct": c, "kl": -k}, weights) for c, k in zip(correct, kl, strict=True))
    return Group(1, 0, Problem("1", "1+1=?", "2"), Prompt(), rewards=rewards)


def test_a_penalty_stays_as_small_as_it_is_where_all_answers_are_right() -> None:
    kl = [0.001, 0.002, 0.003, 0.002]
    small = GroupMean(divide_by_std=True).advantages(with_kl([1, 1, 1, 1], kl))
    assert small == pytest.approx([0.04 * (0.002 - k) for k in kl])
    blown_up = GroupMean(divide_by_std=True, undivided=()).advantages(with_kl([1, 1, 1, 1], kl))
    assert max(blown_up) > 1


def test_the_penalty_stands_beside_the_divided_reward() -> None:
    kl = [0.1, 0.2, 0.3, 0.2]
    both = GroupMean(divide_by_std=True, std="sample").advantages(with_kl([1, 0, 0, 0], kl))
    alone = advantages([1, 0, 0, 0], divide_by_std=True, std="sample")
    assert both == pytest.approx([a + 0.04 * (0.2 - k) for a, k in zip(alone, kl, strict=True)])
    undivided = GroupMean().advantages(with_kl([1, 0, 0, 0], kl))
    assert undivided == pytest.approx([c - 0.25 + 0.04 * (0.2 - k) for c, k in zip([1, 0, 0, 0], kl, strict=True)])
