from __future__ import annotations

from itertools import product
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Group, Problem, Prompt
from justtinker_core.testing import Runner, ScriptedBackend, make_problem
from justtinker_core.types import Reward
from justtinker_plugins.advantages.group_mean import GroupMean
from justtinker_plugins.advantages.leave_one_out import LeaveOneOut
from justtinker_plugins.algorithms.grpo import Grpo

REWARDS = st.lists(st.floats(-1, 1), max_size=9)


def advantages(rewards: list[float]) -> list[float]:
    given_rewards = tuple(Reward({"correct": r}, {"correct": 1.0}) for r in rewards)
    group = Group(1, 0, Problem("1", "1+1=?", "2"), Prompt(), rewards=given_rewards)
    return list(LeaveOneOut().advantages(group))


@given(REWARDS)
def test_it_is_the_reward_minus_the_mean_of_the_others(rewards: list[float]) -> None:
    n = len(rewards)
    expected = [r - (sum(rewards) - r) / (n - 1) for r in rewards] if n > 1 else [0.0] * n
    assert advantages(rewards) == pytest.approx(expected, abs=1e-9)


@given(REWARDS, st.floats(-1, 1))
def test_a_constant_changes_nothing_and_they_cancel(rewards: list[float], constant: float) -> None:
    values = advantages(rewards)
    assert sum(values) == pytest.approx(0, abs=1e-9)
    assert advantages([r + constant for r in rewards]) == pytest.approx(values, abs=1e-9)


@pytest.mark.parametrize("rewards", [[], [1.0], [0.1] * 3, [0.97] * 7])
def test_equal_rewards_teach_exactly_nothing(rewards: list[float]) -> None:
    assert advantages(rewards) == [0.0] * len(rewards)


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_the_gradient_of_the_pass_rate_is_unbiased(size: int, p: float) -> None:
    """For a policy that is right with probability p, the score of outcome r is (r - p) / (p (1 - p))."""
    expected = 0.0
    for outcomes in product((0.0, 1.0), repeat=size):
        scores = [(r - p) / (p * (1 - p)) for r in outcomes]
        terms = [a * s for a, s in zip(advantages(list(outcomes)), scores, strict=True)]
        expected += prod(p if r else 1 - p for r in outcomes) * sum(terms) / size
    assert expected == pytest.approx(1.0), "the derivative of p by p"


def test_in_a_run_it_is_the_group_mean_times_one_factor(run_with: Runner) -> None:
    def respond(prompt: str, index: int) -> str:
        return prompt[0] if index == 0 else "no"

    def trained(plugin: object) -> list[object]:
        grpo = Grpo(problems_per_step=2, rollouts_per_problem=4, train_on="all")
        problems = [make_problem(digit, digit) for digit in "12"]
        done = run_with(ScriptedBackend(respond), grpo, plugin, problems=problems, steps=1)
        return [a for group in done.groups for a in group.advantages]

    others = trained(LeaveOneOut())
    assert others == pytest.approx([1, -1 / 3, -1 / 3, -1 / 3] * 2)
    assert others == pytest.approx([4 / 3 * a for a in trained(GroupMean())])  # type: ignore[operator]
