from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError
from justtinker_core.options import configure
from justtinker_plugins.rewards.overlong import Overlong
from tests.plugins.reward_groups import scored


def test_the_slope_of_dapo() -> None:
    plugin = Overlong(max_tokens=20, buffer=4)
    assert scored(plugin, ["a"] * 6, tokens=[0, 16, 17, 18, 20, 25]) == [0.0, 0.0, -0.25, -0.5, -1.0, -1.0]


def test_the_buffer_is_a_fifth_unless_given() -> None:
    assert scored(Overlong(max_tokens=20), ["a"] * 2, tokens=[16, 18]) == [0.0, -0.5]
    assert scored(Overlong(max_tokens=1), ["a"] * 2, tokens=[0, 1]) == [0.0, -1.0]


def test_only_what_the_policy_wrote_counts() -> None:
    assert scored(Overlong(max_tokens=20), ["a"], tokens=[16], told=100) == [0.0]


def test_every_rollout_unless_told() -> None:
    outcomes = ["correct", "incorrect", "unscored"]
    assert scored(Overlong(max_tokens=2), ["aa"] * 3, outcomes) == [-1.0, -1.0, -1.0]
    assert scored(Overlong(max_tokens=2, only_correct=True), ["aa"] * 3, outcomes) == [-1.0, None, None]


def test_it_needs_to_know_the_limit() -> None:
    with pytest.raises(PluginError, match=re.escape("[plugins.overlong] needs a value for 'max_tokens'")):
        configure(Overlong, "plugins.overlong", {"buffer": 2})
    message = "[plugins.overlong] buffer = 9 must not be greater than max_tokens = 8"
    with pytest.raises(PluginError, match=re.escape(message)):
        configure(Overlong, "plugins.overlong", {"max_tokens": 8, "buffer": 9})


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_longer_is_never_better(limit: int, a: int, b: int) -> None:
    plugin = Overlong(max_tokens=limit)
    assert -1 <= plugin.raw(max(a, b)) <= plugin.raw(min(a, b)) <= 0
