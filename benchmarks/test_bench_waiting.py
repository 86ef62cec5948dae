"""Judges that wait: the same judge as a plain function on four threads, and as a coroutine, in the same run.

Real are the run's path from samples to judged groups and its records; the judge's server is a sleep.
``pytest -s benchmarks/test_bench_waiting.py`` prints the times; half a minute, nearly all of it waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from justtinker_core import Group, Problem, Rollout, Verdict, hookimpl
from justtinker_core.testing import Runner
from justtinker_plugins.algorithms.grpo import Grpo

ROLLOUTS = 8


def verdict_of(problem: Problem, rollout: Rollout) -> Verdict:
    """The judge's opinion, after it has been waited for."""
    return Verdict("correct" if rollout.text == problem.answer else "incorrect", answer=rollout.text)


class Plain:
    """Asks for one rollout after the other."""

    seconds = 0.25

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict]:
        verdicts = []
        for rollout in rollouts:
            time.sleep(self.seconds)
            verdicts.append(verdict_of(problem, rollout))
        return verdicts


class Waiting(Plain):
    """Asks for all at once."""

    async def one(self, problem: Problem, rollout: Rollout) -> Verdict:
        await asyncio.sleep(self.seconds)
        return verdict_of(problem, rollout)

    @hookimpl
    async def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict]:  # type: ignore[override]
        return list(await asyncio.gather(*(self.one(problem, rollout) for rollout in rollouts)))


def collected(run_with: Runner, judge: Any, groups: int) -> tuple[Sequence[Group], float]:
    """The groups of one step, and the seconds that the step takes to collect."""
    problems = [Problem(f"p{i}", f"{i} + 1", str(i % ROLLOUTS)) for i in range(groups)]
    algorithm = Grpo(problems_per_step=groups, rollouts_per_problem=ROLLOUTS)
    done = run_with(judge, algorithm, steps=1, problems=problems, respond=lambda prompt, i: str(i))
    (step,) = done.steps
    return done.groups, step.seconds["collect"]


def test_a_judge_that_waits(run_with: Runner) -> None:
    plain, before = collected(run_with, Plain(), 16)
    waited, after = collected(run_with, Waiting(), 16)
    assert [g.verdicts for g in plain] == [g.verdicts for g in waited]
    print(
        f"\n128 answers at 0.25 s: threads {before:.2f} s, coroutines {after:.2f} s: {before / after:.1f} times as fast"
    )
    slow = Waiting()
    slow.seconds = 2.0
    groups, seconds = collected(run_with, slow, 32)
    assert sum(len(group.verdicts) for group in groups) == 256
    print(f"256 answers at 2 s: coroutines {seconds:.2f} s")
