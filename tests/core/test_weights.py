"""Weights of reward terms: `weight`, a ramp of it, and `mode`, which the core adds to every reward plugin."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError
from justtinker_core.hookspecs import attribute_of
from justtinker_core.options import dump
from justtinker_core.weights import Ramp, RewardOptions, take_reward_options
from tests.core.conftest import Correct, plugins_of


class Reward:
    default_weight = 0.3


def taken(options: dict[str, Any], cls: type[Any] = Reward) -> RewardOptions:
    return take_reward_options(attribute_of(cls, "default_weight"), "plugins.x", options)[0]


def test_defaults() -> None:
    assert taken({}).at(1) == 0.3, "the class's own default"
    assert taken({}, Correct).at(1) == 1.0
    assert taken({"weight": 2}).at(7) == 2.0


def test_the_plugins_own_options_are_left_to_it() -> None:
    options = {"weight": 0.5, "mode": "on", "limit": 3}
    _, own = take_reward_options(1.0, "plugins.x", options)
    assert own == {"limit": 3}
    assert options == {"weight": 0.5, "mode": "on", "limit": 3}, "the table is not changed"


RAMP = {"from": 0.0, "to": 0.3, "steps": 100}


def test_a_ramp_moves_in_a_straight_line_and_stays() -> None:
    weight = taken({"weight": RAMP})
    assert weight.at(0) is None, "a weight of zero is not executed"
    assert [weight.at(s) for s in (50, 100, 1000)] == pytest.approx([0.15, 0.3, 0.3])


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(1, 50), st.integers(0, 100))
def test_a_ramp_stays_between_its_ends(start: float, to: float, steps: int, step: int) -> None:
    weight = RewardOptions(weight=Ramp(start=start, to=to, steps=steps)).at(step) or 0.0
    assert min(start, to) - 1e-12 <= weight <= max(start, to) + 1e-12


@pytest.mark.parametrize("options", [{"weight": 0.5}, {"weight": RAMP}, {"mode": "observe"}, {}])
def test_a_dump_is_read_back_the_same(options: dict[str, Any]) -> None:
    table = dump(taken(options))
    assert dump(taken(table)) == table
    assert [taken(table).at(s) for s in range(120)] == [taken(options).at(s) for s in range(120)]
    assert table["weight"] == options.get("weight", 0.3)


def test_observed_weighs_nothing_and_is_computed() -> None:
    assert taken({"mode": "observe", "weight": 0.7}).at(3) == 0.0


def test_weight_zero_is_not_computed() -> None:
    assert taken({"weight": 0}).at(3) is None
    plugins = plugins_of((Correct(), taken({"weight": 0})))
    assert plugins.weights(1) == {}
    assert plugins_of((Correct(), taken({"mode": "observe"}))).weights(1) == {"correct": 0.0}


def test_a_negative_weight_is_a_weight() -> None:
    assert taken({"weight": -0.5}).at(1) == -0.5


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"mode": "of"}, "[plugins.x] mode = 'of': input should be 'on' or 'observe'"),
        ({"mode": "off"}, "[plugins.x] mode = 'off': input should be 'on' or 'observe'"),
    ],
)
def test_complaints_in_full(options: dict[str, Any], text: str) -> None:
    with pytest.raises(PluginError, match=f"^{re.escape(text)}$"):
        taken(options)


@pytest.mark.parametrize(
    ("weight", "names"),
    [({"from": 0.0, "to": 1.0}, "steps"), ({"to": 1.0, "steps": 3}, "from"),
     ({"from": 0.0, "to": 1.0, "steps": 0}, "steps"), ({"from": 0.0, "to": 1.0, "step": 3}, "step")],
)  # fmt: skip
def test_a_wrong_weight_names_the_key_that_the_config_has(weight: Any, names: str) -> None:
    with pytest.raises(PluginError, match=rf"^\[plugins\.x(\.weight)?\] [\s\S]*\b{names}\b") as error:
        taken({"weight": weight})
    assert "start" not in str(error.value)


@pytest.mark.parametrize("weight", [math.nan, math.inf, {"from": math.nan, "to": 1.0, "steps": 3}])
def test_a_weight_is_finite(weight: Any) -> None:
    with pytest.raises(PluginError, match="weight"):
        taken({"weight": weight})
