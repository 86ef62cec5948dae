from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError
from justtinker_core.testing import Runner, make_group
from justtinker_plugins.rewards.overlong import Overlong
from tests.cookbook.conftest import recipe

SoftOverlong = recipe("soft_overlong:SoftOverlong")
punishment = recipe("soft_overlong:punishment")


def equation_13(y: int, longest: int, cache: float) -> float:
    """As in the paper."""
    if y <= longest - cache:
        return 0.0
    if y <= longest:
        return ((longest - cache) - y) / cache
    return -1.0


@given(st.integers(0, 30_000), st.integers(10, 20_480), st.floats(0.01, 1))
def test_it_is_the_papers_formula(tokens: int, limit: int, share: float) -> None:
    value = punishment(tokens, limit, share)
    assert value == pytest.approx(equation_13(tokens, limit, share * limit), abs=1e-9)
    assert -1 <= value <= 0


def test_the_papers_numbers_and_the_bundled_plugin_agree() -> None:
    group = make_group([""] * 5, tokens=[16_384, 17_408, 18_432, 20_480, 30_000])
    raw = Overlong(max_tokens=20_480, buffer=4096).score(group)["overlong"]
    assert raw == [0.0, -0.25, -0.5, -1.0, -1.0]
    assert [punishment(r.response_tokens, 20_480, 0.2) for r in group.rollouts] == raw


def test_in_a_run_it_knows_the_limit(run_with: Runner) -> None:
    lengths = [8, 9, 10, 30]
    done = run_with(
        SoftOverlong(cache=0.2), respond=lambda prompt, index: "x" * (lengths[index] - 1), steps=1,
        config={"sampling.max_tokens": 10},
    )  # fmt: skip
    assert [r.response_tokens for r in done.groups[0].rollouts] == [8, 9, 10, 10]  # the end token is one
    assert [r.terms["soft_overlong"] for r in done.groups[0].rewards] == [0.0, -0.5, -1.0, -1.0]


def test_without_a_run_it_says_so() -> None:
    with pytest.raises(PluginError, match="no run to take its limit from; enable 'overlong' with max_tokens"):
        SoftOverlong().score(make_group(["x"]))
