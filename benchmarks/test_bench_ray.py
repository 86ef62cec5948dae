"""A judge that computes, on one actor of a Ray cluster and on two: the same verdicts, and how much sooner.

``pytest -s benchmarks/test_bench_ray.py`` prints the times; half a minute. Skips without Ray.
"""

from __future__ import annotations

import os
import time
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
GROUPS, ROUNDS = 200, 3
BURN = 400_000
"""Multiplications for an answer: about 25 ms."""


def judged(scorer: Scorer, groups: list[Group], actors: int) -> tuple[list[Group], float]:
    """The groups, judged by so many actors, and the best time of some rounds."""
    ray, context = Ray(actors=actors), SimpleNamespace(config=scorer.config)
    try:
        executor: Any = ray.grading_executor(context)  # type: ignore[arg-type]
        deadline = time.monotonic() + 30
        while executor.counts.alive < actors and time.monotonic() < deadline:
            list(scorer.judge_all(groups[:1], executor))
        assert executor.counts.alive == actors
        times = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            far = list(scorer.judge_all(groups, executor))
            times.append(time.perf_counter() - begun)
        assert executor.counts.died == 0
        return far, min(times)
    finally:
        ray.finish_run()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_two_actors_need_little_more_than_half_the_time_of_one() -> None:
    groups = [make_group([f"burn {BURN} {i}"], problem=make_problem(f"q{i}", str(i)), index=i) for i in range(GROUPS)]
    with Scorer(STACK) as scorer:
        begun = time.perf_counter()
        local = [scorer.judge(group).verdicts for group in groups]
        here = time.perf_counter() - begun
        one, time_of_one = judged(scorer, groups, 1)
        two, time_of_two = judged(scorer, groups, 2)
    assert [group.verdicts for group in one] == [group.verdicts for group in two] == local
    print(
        f"\n{GROUPS} groups: {here:.2f} s in a thread of this process, {time_of_one:.2f} s on one actor, "
        f"{time_of_two:.2f} s on two ({time_of_one / time_of_two:.2f} x)"
    )
    assert time_of_one / time_of_two > 1.4


def test_what_a_group_costs_that_is_judged_in_no_time() -> None:
    groups = [make_group([f"plain {i}"] * 8, problem=make_problem(f"q{i}", str(i)), index=i) for i in range(3000)]
    with Scorer(STACK) as scorer:
        begun = time.perf_counter()
        local = [scorer.judge(group).verdicts for group in groups]
        here = time.perf_counter() - begun
        far, there = judged(scorer, groups, 1)
    assert [group.verdicts for group in far] == local
    print(
        f"\n{len(groups)} groups: {here * 1e6 / len(groups):.0f} us each here, {there * 1e6 / len(groups):.0f} on Ray"
    )
