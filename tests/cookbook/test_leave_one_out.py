from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core.testing import Runner, ScriptedBackend, make_problem
from justtinker_plugins.advantages.group_mean import GroupMean
from justtinker_plugins.algorithms.grpo import Grpo
from tests.cookbook.conftest import recipe

LeaveOneOut = recipe("leave_one_out:LeaveOneOut")
REWARDS = st.lists(st.floats(-1, 1), max_size=9)


@given(REWARDS)
def test_rloo_is_the_mean_of_the_others(rewards: list[float]) -> None:
    n = len(rewards)
    wanted = [r - (sum(rewards) - r) / (n - 1) for r in rewards] if n > 1 else [0.0] * n
    assert LeaveOneOut().values(rewards) == pytest.approx(wanted, abs=1e-9)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=9).filter(lambda r: statistics.pstdev(r) > 1e-3))
def test_grpo_and_dr_grpo(rewards: list[float]) -> None:
    mean, deviation = statistics.fmean(rewards), statistics.pstdev(rewards)
    assert LeaveOneOut(baseline="all").values(rewards) == pytest.approx([r - mean for r in rewards], abs=1e-9)
    standard = LeaveOneOut(baseline="all", scale="std").values(rewards)
    assert standard == pytest.approx([(r - mean) / (deviation + 1e-6) for r in rewards], rel=1e-6, abs=1e-9)


@given(REWARDS, st.floats(-1, 1))
def test_a_constant_changes_nothing_and_they_cancel(rewards: list[float], constant: float) -> None:
    values = LeaveOneOut().values(rewards)
    assert sum(values) == pytest.approx(0, abs=1e-9)
    assert LeaveOneOut().values([r + constant for r in rewards]) == pytest.approx(values, abs=1e-9)
    assert LeaveOneOut(scale="std").values([constant] * 3) == [0.0] * 3


def test_in_a_run(run_with: Runner) -> None:
    def respond(prompt: str, index: int) -> str:
        return prompt[0] if index == 0 else "no"

    def run(plugin: object) -> tuple[list[float], ScriptedBackend]:
        backend = ScriptedBackend(respond)
        grpo = Grpo(problems_per_step=2, rollouts_per_problem=4, train_on="all")
        problems = [make_problem(digit, digit) for digit in "12"]
        done = run_with(backend, grpo, plugin, problems=problems, steps=1)
        return [a for g in done.groups for a in g.advantages], backend  # type: ignore[misc]

    others, _ = run(LeaveOneOut())
    assert others == pytest.approx([1, -1 / 3, -1 / 3, -1 / 3] * 2)
    assert others == pytest.approx([4 / 3 * a for a in run(GroupMean())[0]])
    per_token, backend = run(LeaveOneOut(per_token=True))
    assert per_token[1] == pytest.approx((-1 / 9,) * 3)  # "no" and the end
    (update,) = backend.updates
    assert sum(sum(d.advantages or ()) for d in update.data) == pytest.approx(0)
