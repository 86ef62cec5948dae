"""Requests keep to their pace on a clock that the test turns."""

from __future__ import annotations

import asyncio
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.judge.limits import MINUTE, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        await asyncio.sleep(0)


def sent(pace: Pace, clock: Clock, sizes: list[int], used: int | None = None) -> list[float]:
    """When requests of these sizes pass, all asked for at once; each then uses `used` tokens."""

    async def one(size: int) -> float:
        entry = await pace.pass_with(size)
        at = clock()
        if used is not None:
            pace.correct(entry, used)
        return at

    async def all_() -> list[float]:
        return await asyncio.gather(*map(one, sizes))

    return asyncio.run(all_())


@given(st.integers(1, 5), st.integers(10, 60), st.lists(st.integers(1, 80), max_size=30))
def test_no_minute_holds_more_than_the_limits(requests: int, tokens: int, sizes: list[int]) -> None:
    clock = Clock()
    times = sent(Pace(requests, tokens, clock, clock.sleep), clock, sizes)
    assert times == sorted(times), "first come, first served"
    for start in times:
        inside = [size for at, size in zip(times, sizes, strict=True) if start <= at < start + MINUTE]
        assert len(inside) <= requests
        assert sum(inside) <= tokens or len(inside) == 1


@given(st.lists(st.integers(1, 80), max_size=30))
def test_without_limits_nothing_waits(sizes: list[int]) -> None:
    clock = Clock()
    assert sent(Pace(0, 0, clock, clock.sleep), clock, sizes) == [0.0] * len(sizes)


def test_the_limit_is_used_up_before_anything_waits() -> None:
    clock = Clock()
    assert sent(Pace(3, 0, clock, clock.sleep), clock, [9] * 7) == [0, 0, 0, 60, 60, 60, 120]


def test_what_was_not_used_is_free_again() -> None:
    clock = Clock()
    assert sent(Pace(0, 100, clock, clock.sleep), clock, [90] * 3) == [0, 60, 120]
    clock = Clock()
    assert sent(Pace(0, 100, clock, clock.sleep), clock, [90] * 3, used=5) == [0, 0, 0]


def test_a_pause_that_a_server_asks_for_holds_all() -> None:
    clock = Clock()
    pace = Pace(0, 0, clock, clock.sleep)
    pace.hold(7.0)
    pace.hold(2.0)
    assert sent(pace, clock, [1, 1]) == [7.0, 7.0]


def test_who_gives_up_waiting_does_not_block_the_next() -> None:
    async def check() -> None:
        clock = Clock()
        asleep = asyncio.Event()

        async def for_ever(seconds: float) -> None:
            asleep.set()
            await asyncio.Event().wait()

        pace = Pace(1, 0, clock, for_ever)
        await pace.pass_with(1)
        waiting = asyncio.create_task(pace.pass_with(1))
        await asleep.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        clock.now = MINUTE
        await asyncio.wait_for(pace.pass_with(1), 5)

    asyncio.run(check())


def test_old_entries_are_forgotten() -> None:
    clock = Clock()
    pace = Pace(2, 0, clock, clock.sleep)
    assert list(accumulate([0, 0, 60, 0, 60])) == sent(pace, clock, [1] * 5)
    assert len(pace._window) <= 2
