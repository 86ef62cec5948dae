"""`tests_passed`: the share of tests that `code` measures, as a reward."""

from __future__ import annotations

from dataclasses import replace

from justtinker_core.testing import check_reward, make_group
from justtinker_plugins.rewards.tests_passed import TestsPassed


def test_it_pays_what_is_measured() -> None:
    group = replace(make_group(["a", "b", "c"]), measures={"tests_passed": (1.0, 0.5, None)})
    assert TestsPassed().score(group) == {"tests_passed": [1.0, 0.5, None]}


def test_without_the_measure_it_gives_no_term() -> None:
    assert TestsPassed().score(make_group(["a", "b"])) is None


def test_the_testing_kit_finds_nothing() -> None:
    check_reward(TestsPassed)
