"""What an algorithm that works ahead stands on: groups as they are judged, and a sampler that it renews itself."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest

from justtinker_core import Batch, Group, PluginError, RunContext, SamplingError, hookimpl
from justtinker_core.loop import opened
from justtinker_core.testing._backend import Ready
from tests.core.conftest import Rl, RunOf, ScriptedBackend, cast, go, problems


class Late(ScriptedBackend):
    """Answers the second request of a batch only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: Ready = []

    def deliver(self, ready: Ready) -> None:
        self.waiting = ready[1:]
        super().deliver(ready[:1])

    def answer(self) -> None:
        super().deliver(self.waiting)


def test_a_group_is_given_out_while_others_are_still_being_sampled(run_of: RunOf) -> None:
    backend, (_, *others) = Late(), cast()
    with opened(run_of(backend, *others)) as run:
        groups = run.stream_rollouts(1, run.train_problems[:2], 3)
        assert len(backend.requests) == 1, "the requests are sent at once, not when the first group is asked for"
        first = next(groups)
        assert (first.index, len(first.rewards)) == (0, 3)
        backend.answer()
        assert [group.index for group in groups] == [1]


def test_both_ways_give_the_same_groups(run_of: RunOf) -> None:
    with opened(run_of(*cast(), directory="a")) as run:
        streamed = list(run.stream_rollouts(1, run.train_problems, 3))
    with opened(run_of(*cast(), directory="b")) as run:
        collected = run.rollouts(1, run.train_problems, 3)
    assert tuple(sorted(streamed, key=lambda group: group.index)) == collected


def test_indices_go_on_within_a_step_even_if_both_streams_are_open(run_of: RunOf) -> None:
    with opened(run_of(*cast())) as run:
        first, second = (run.stream_rollouts(1, run.train_problems[:2], 2) for _ in range(2))
        assert {g.index for g in first} == {0, 1}
        assert {g.index for g in second} == {2, 3}


def test_indices_go_on_within_a_step_that_an_algorithm_comes_back_to(run_of: RunOf) -> None:
    with opened(run_of(*cast())) as run:
        for step in (1, 2):
            run.rollouts(step, run.train_problems[:2], 2)
        assert [g.index for g in run.rollouts(1, run.train_problems[:2], 2)] == [2, 3]
        assert [g.index for g in run.rollouts(2, run.train_problems[:1], 2)] == [2]


def test_credit_without_an_advantages_plugin_says_what_is_missing(run_of: RunOf) -> None:
    class Free(Rl):
        needs = ("build_prompt", "verify", "score")

    backend, ask, judge, correct, _, _ = cast()
    with pytest.raises(PluginError, match=r"^no active plugin implements advantages: enable one, and name the hook in"):
        go(run_of(backend, ask, judge, correct, Free()))


def test_a_group_that_cannot_be_sampled_is_counted_when_the_stream_ends(run_of: RunOf) -> None:
    class Loses(ScriptedBackend):
        def deliver(self, ready: Ready) -> None:
            future: Future[Any] = ready[0][0]
            future.set_exception(SamplingError("lost"))
            super().deliver(ready[1:])

    _, *others = cast()
    with opened(run_of(Loses(), *others, config={"sampling.max_failed": 0.5})) as run:
        assert [g.index for g in run.stream_rollouts(1, run.train_problems[:2], 2)] == [1]
        assert run.failed[1] == 1


class Ahead(Rl):
    """Samples every other step from the weights of the step before."""

    def __init__(self) -> None:
        super().__init__()
        self.samplers: list[Any] = []

    @hookimpl
    def collect_batch(self, step: int, run: RunContext) -> Batch:
        if step % 2:
            run.renew_sampler()
        self.samplers.append(run.sampler)
        return replace(super().collect_batch(step, run), new_sampler=False)  # type: ignore[arg-type]


def test_an_update_leaves_the_sampler_alone_if_the_algorithm_asks_for_that(run_of: RunOf) -> None:
    backend, ask, judge, correct, mean, _ = cast()
    ahead = Ahead()
    go(run_of(backend, ask, judge, correct, mean, ahead, config={"run.steps": 4}))
    first, second, third, fourth = ahead.samplers
    assert first is second
    assert third is fourth
    assert first is not third
    assert backend.trace.calls.count("sampler") == 2, "once a renewal, none by the updates"


def test_an_evaluation_uses_the_weights_as_they_are_whatever_the_algorithm_samples_from(run_of: RunOf) -> None:
    class Keeps(ScriptedBackend):
        def sampler(self) -> Any:
            sampler = super().sampler()
            weights.append(self.weights)
            return sampler

    weights: list[float] = []
    backend, (_, ask, judge, correct, mean, _) = Keeps(), cast()
    sets = {"train": problems(4), "held": problems(2)}
    config = {"run.steps": 2, "evaluation.every": 1, "evaluation.at_start": False}
    run = run_of(backend, ask, judge, correct, mean, Ahead(), problems=sets, config=config)
    go(run)
    assert len(set(weights)) == 3, "the start's, for training; those after step 1 and after step 2, for evaluations"
    assert weights[-1] == backend.weights


def test_groups_are_yielded_once_each(run_of: RunOf) -> None:
    with opened(run_of(*cast())) as run:
        groups: list[Group] = list(run.stream_rollouts(1, run.train_problems, 2))
    assert sorted(g.index for g in groups) == list(range(5))
