from dataclasses import replace

import pytest
from justtinker_core import Reward
from justtinker_core.testing import make_group

from plugin import MyPlugin


def advantages(*totals):
    group = make_group([str(number) for number, _ in enumerate(totals)])
    rewards = tuple(Reward({"r": total}, {"r": 1.0}) for total in totals)
    return MyPlugin().advantages(replace(group, rewards=rewards))


def test_each_rollout_is_compared_with_the_others():
    assert advantages(1.0, 0.0, 0.0) == pytest.approx([1.0, -0.5, -0.5])
    assert advantages(0.3, 0.3, 0.3) == [0.0, 0.0, 0.0]
    assert advantages(1.0) == [0.0]


def test_in_a_run(run_with):
    done = run_with(MyPlugin(), respond=lambda prompt, index: str(index))
    assert done.status == "finished"
    assert all(abs(sum(group.advantages)) < 1e-9 for group in done.groups)
