from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core.testing import Runner, check_reward, make_group, make_rollout
from tests.cookbook.conftest import recipe

CosineLength = recipe("cosine_length:CosineLength")


def scored(plugin: object, outcomes: list[str], tokens: list[int]) -> list[float | None]:
    group = make_group(["x"] * len(tokens), outcomes, tokens=tokens)
    return plugin.score(group)["cosine_length"]  # type: ignore[attr-defined, no-any-return]


def test_the_battery() -> None:
    check_reward(CosineLength(max_tokens=1000))


def test_trls_example_and_the_ends() -> None:
    """get_cosine_scaled_reward(max_len=100) gives [0.75, -0.75] for 50 tokens, says its docstring."""
    plugin = CosineLength(max_tokens=100)
    assert scored(plugin, ["correct", "incorrect"], [50, 50]) == pytest.approx([0.75, -0.75])
    assert scored(plugin, ["correct", "incorrect"] * 2, [0, 0, 100, 100]) == pytest.approx([1.0, -1.0, 0.5, -0.5])
    assert scored(plugin, ["correct"], [25]) == pytest.approx([0.5 + 0.5 * (1 + math.sqrt(2) / 2) / 2])
    assert scored(plugin, ["correct", "incorrect"], [101, 10_000]) == pytest.approx([0.5, -0.5])  # no second period


def test_the_papers_formula_scaled() -> None:
    """CosFn(t, T, min, max) = min + (max - min)(1 + cos(t pi / T)) / 2, correct from 2 to 1, wrong from -10 to 0."""
    plugin = CosineLength(max_tokens=4, correct=(0.2, 0.1), wrong=(-1.0, 0.0))
    for t in range(5):
        right, wrong = scored(plugin, ["correct", "incorrect"], [t, t])
        assert right == pytest.approx((1 + 0.5 * (2 - 1) * (1 + math.cos(t * math.pi / 4))) / 10)
        assert wrong == pytest.approx((0 + 0.5 * (-10 - 0) * (1 + math.cos(t * math.pi / 4))) / 10)


@given(st.integers(1, 5000), st.integers(0, 5000), st.integers(0, 5000))
def test_shorter_is_better_only_when_right(limit: int, a: int, b: int) -> None:
    plugin, (a, b) = CosineLength(max_tokens=limit), sorted((a, b))
    short, long, short_wrong, long_wrong = scored(plugin, ["correct"] * 2 + ["incorrect"] * 2, [a, b, a, b])
    assert 1 >= short >= long >= 0.5  # type: ignore[operator]
    assert -1 <= short_wrong <= long_wrong <= -0.5 + 1e-9  # type: ignore[operator]


def test_cut_off_and_unscored() -> None:
    plugin = CosineLength(max_tokens=10, exceeded=-0.9)
    assert plugin.raw(make_rollout("x" * 10, truncated=True), "correct") == -0.9
    assert plugin.raw(make_rollout("x", truncated=True), "unscored") is None


def test_in_a_run(run_with: Runner) -> None:
    def respond(prompt: str, index: int) -> str:
        return "x" * (11 * index) + f"\\boxed{{{prompt[0]}}}"

    done = run_with(CosineLength(max_tokens=40), respond=respond, steps=1, config={"sampling.max_tokens": 40})
    group = next(g for g in done.groups if g.verdicts[0].outcome == "correct")
    totals = [reward.total for reward in group.rewards]
    assert totals == sorted(totals, reverse=True)
    assert totals[3] == -1  # cut off
