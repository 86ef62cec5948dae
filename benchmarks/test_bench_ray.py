"""A judge that computes, on one actor of a Ray cluster and on two: the same verdicts, and how much sooner.

``pytest -s benchmarks/test_bench_ray.py`` prints the times; half a minute. Skips without Ray.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from justtinker_core import Group, Scorer
from justtinker_core.testing import make_group, make_problem
from justtinker_plugins.executors.ray import Ray

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="needs pip install 'justtinker[ray]'")
JUDGE = Path(__file__).parent.parent / "tests" / "plugins" / "ray_plugins.py"
STACK = {"plugins": {"enable": ["obedient"]}, "local_plugins": {"obedient": f"{JUDGE}:Obedient"}}
GROUPS, ROUNDS = 100, 5
BURN = 400_000
"""Multiplications for an answer: about 25 ms."""


@contextmanager
def actors(scorer: Scorer, groups: list[Group], number: int) -> Iterator[Any]:
    """An executor with so many actors, all of them alive."""
    ray = Ray(actors=number)
    try:
        executor: Any = ray.grading_executor(SimpleNamespace(config=scorer.config))  # type: ignore[arg-type]
        deadline = time.monotonic() + 60
        while executor.counts.alive < number and time.monotonic() < deadline:
            list(scorer.judge_all(groups[:1], executor))
        assert executor.counts.alive == number
        yield executor
        assert executor.counts.died == 0
    finally:
        ray.finish_run()


def judged(scorer: Scorer, groups: list[Group], executor: Any) -> tuple[list[Group], float]:
    """The groups, judged, and how long that took."""
    begun = time.perf_counter()
    far = list(scorer.judge_all(groups, executor))
    return far, time.perf_counter() - begun


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_two_actors_need_little_more_than_half_the_time_of_one() -> None:
    groups = [make_group([f"burn {BURN} {i}"], problem=make_problem(f"q{i}", str(i)), index=i) for i in range(GROUPS)]
    with Scorer(STACK) as scorer:
        begun = time.perf_counter()
        local = [scorer.judge(group).verdicts for group in groups]
        here = time.perf_counter() - begun
        with actors(scorer, groups, 1) as one, actors(scorer, groups, 2) as two:
            times: dict[int, list[float]] = {1: [], 2: []}
            for _ in range(ROUNDS):  # in turn, as the machine may be busier now than then
                for number, executor in ((1, one), (2, two)):
                    far, seconds = judged(scorer, groups, executor)
                    assert [group.verdicts for group in far] == local
                    assert len({group.measures["pid"] for group in far}) == number
                    times[number].append(seconds)
    ratio = min(times[1]) / min(times[2])
    print(
        f"\n{GROUPS} groups: {here:.2f} s in a thread of this process, {min(times[1]):.2f} s on one actor, "
        f"{min(times[2]):.2f} s on two ({ratio:.2f} x)"
    )


def test_what_a_group_costs_that_is_judged_in_no_time() -> None:
    groups = [make_group([f"plain {i}"] * 8, problem=make_problem(f"q{i}", str(i)), index=i) for i in range(3000)]
    with Scorer(STACK) as scorer:
        begun = time.perf_counter()
        local = [scorer.judge(group).verdicts for group in groups]
        here = time.perf_counter() - begun
        with actors(scorer, groups, 1) as executor:
            judged(scorer, groups, executor)
            far, there = judged(scorer, groups, executor)
    assert [group.verdicts for group in far] == local
    print(
        f"\n{len(groups)} groups: {here * 1e6 / len(groups):.0f} us each here, {there * 1e6 / len(groups):.0f} on Ray"
    )
