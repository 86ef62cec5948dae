from __future__ import annotations

import re

import pytest

from justtinker_core import PluginError
from justtinker_core.options import configure
from justtinker_core.testing import make_group
from justtinker_plugins.rewards.correct import Correct
from tests.plugins.reward_groups import scored


def test_right_is_one_wrong_is_nought_unscored_is_nothing() -> None:
    group = make_group(["a", "b", "c"], ["correct", "incorrect", "unscored"])
    assert Correct().score(group) == {"correct": [1.0, 0.0, None]}
    assert Correct.default_weight == 1.0


def test_values_are_options() -> None:
    plugin = configure(Correct, "plugins.correct", {"right": 0.5, "wrong": -1})
    assert scored(plugin, ["a", "b", "c"], ["incorrect", "correct", "unscored"]) == [-1.0, 0.5, None]


def test_wrong_must_pay_less() -> None:
    with pytest.raises(PluginError, match=re.escape("[plugins.correct] right = 0.0 must be greater than wrong = 0.0")):
        configure(Correct, "plugins.correct", {"right": 0})


def test_raw_rewards_stay_in_range() -> None:
    with pytest.raises(PluginError, match=re.escape("[plugins.correct] right = 2: input should be less than or equal")):
        configure(Correct, "plugins.correct", {"right": 2})
