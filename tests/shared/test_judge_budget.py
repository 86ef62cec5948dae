"""Nothing passes that would exceed a budget, however many requests are under way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import History
from justtinker_core.types import EvalStats, StepStats
from justtinker_plugins.shared.judge.budget import (
    BudgetSpentError,
    Cost,
    Meter,
    Prices,
    cost_of_history,
    cost_of_records,
)
from justtinker_plugins.shared.judge.replies import Usage


def spend(meter: Meter, costs: list[tuple[float, float]]) -> list[str]:
    """Send requests at once, each of which reserves and then costs so much; what became of each."""

    async def one(expected: float, real: float) -> str:
        try:
            await meter.reserve(expected)
        except BudgetSpentError as error:
            return str(error)
        await asyncio.sleep(0)
        meter.settle(expected, real)
        return ""

    async def all_() -> list[str]:
        return await asyncio.wait_for(asyncio.gather(*(one(*pair) for pair in costs)), 10)

    return asyncio.run(all_())


pair = st.tuples(st.integers(0, 20), st.floats(0, 1)).map(lambda p: (p[0] / 16, p[0] / 16 * p[1]))


@given(st.lists(pair, max_size=30), st.integers(0, 64).map(lambda n: n / 16))
def test_a_budget_is_never_exceeded_and_nobody_waits_for_ever(costs: list[tuple[float, float]], most: float) -> None:
    meter = Meter(most_usd=most)
    outcomes = spend(meter, costs)
    assert meter.spent.usd <= most + 1e-9
    assert meter.reserved == pytest.approx(0)
    assert meter.spent.calls == outcomes.count("")
    if sum(expected for expected, _ in costs) <= most:
        assert not any(outcomes)


@given(st.integers(1, 10), st.integers(0, 20))
def test_calls_are_counted_before_they_are_made(most: int, n: int) -> None:
    meter = Meter(most_calls=most)
    outcomes = spend(meter, [(0.0, 0.0)] * n)
    assert meter.spent.calls == min(most, n)
    assert outcomes[most:] == [f"the judge's budget is used up: budget_calls = {most}"] * max(n - most, 0)


def test_a_request_waits_for_what_others_do_not_use() -> None:
    meter = Meter(most_usd=1.0)
    used_up = (
        "the judge's budget is used up: 0.1000 USD of budget_usd = 1 are spent, and one more reply could cost more "
        "than is left"
    )
    assert spend(meter, [(1.0, 0.1)] * 3) == ["", used_up, used_up]
    assert meter.refusal == used_up
    assert spend(Meter(most_usd=1.0), [(0.5, 0.01)] * 10) == [""] * 10


def test_one_that_gives_up_lets_the_others_through() -> None:
    async def check() -> None:
        meter = Meter(most_usd=1.0)
        await meter.reserve(0.9)
        first = asyncio.create_task(meter.reserve(0.5))
        second = asyncio.create_task(meter.reserve(0.5))
        await asyncio.sleep(0)
        first.cancel()
        meter.settle(0.9, 0.0)
        await asyncio.wait_for(second, 5)
        assert first.cancelled()
        assert meter.spent.calls == 2

    asyncio.run(check())


def test_prices_are_for_a_million_tokens() -> None:
    assert Prices(2.0, 8.0).usd(Usage(1_000_000, 500_000)) == 6.0


STEP: dict[str, Any] = {"rollouts": 8.0, "judge_calls": 0.5, "judge_usd": 0.25, "rubric_calls": 1.0}


def test_what_was_spent_is_read_from_the_records() -> None:
    settings = {"problems": 10, "samples": 2}
    records = [
        {"step": 1, "metrics": STEP},
        {"step": 1, "metrics": {"judge_calls": 1.0}, "settings": settings},
        {"step": 2, "metrics": {"rollouts": 8.0}},
    ]
    assert cost_of_records(records, "judge") == Cost(24, 2.0)
    assert cost_of_records(records, "rubric") == Cost(8, 0.0)
    history = History(
        (StepStats(1, STEP), StepStats(2, {"rollouts": 8.0})), (EvalStats(1, "a", {"judge_calls": 1.0}, {}, settings),)
    )
    assert cost_of_history(history, "judge") == Cost(24, 2.0)
