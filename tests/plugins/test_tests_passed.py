"""`tests_passed`: the share of tests that `code` measures, as a reward."""

from __future__ import annotations

from dataclasses import replace

import pytest

from justtinker_core.testing import Runner, check_reward, make_group
from justtinker_plugins.rewards.tests_passed import TestsPassed
from tests.core.conftest import cli
from tests.plugins.sandbox import needs_sandbox


def test_it_pays_what_is_measured() -> None:
    group = replace(make_group(["a", "b", "c"]), measures={"tests_passed": (1.0, 0.5, None)})
    assert TestsPassed().score(group) == {"tests_passed": [1.0, 0.5, None]}


def test_without_the_measure_it_gives_no_term() -> None:
    assert TestsPassed().score(make_group(["a", "b"])) is None


def test_a_share_of_the_tests_before_a_failure_is_warned_of(run_with: Runner, caplog: pytest.LogCaptureFixture) -> None:
    run_with(TestsPassed(), steps=1)
    said = "tests_passed: pays the tests before the first failed one; set [plugins.code] stop_early = false"
    assert said in caplog.messages


@needs_sandbox
def test_with_all_tests_run_it_warns_of_nothing() -> None:
    pytest.importorskip("torch", reason="the local backend needs torch: install the extra 'local'")
    sets = ("code.stop_early=false", "tests_passed.weight=0.5")
    result = cli("check", "code-rl", "-p", "tests_passed", *(f for s in sets for f in ("--set", f"plugins.{s}")))
    assert "Nothing stands in the way of this run." in result.output
    assert "tests_passed: pays" not in result.output


def test_the_testing_kit_finds_nothing() -> None:
    check_reward(TestsPassed)
