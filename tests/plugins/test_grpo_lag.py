"""Sampling ahead: the option `lag` of `grpo`."""

from __future__ import annotations

import tempfile
import threading
from concurrent.futures import Future
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Finding, Group, PluginError, Policy, Problem, Prompt, Rollout, SamplingError, hookimpl
from justtinker_core.checkpoints import due_kind
from justtinker_core.config import RunConfig, parse
from justtinker_core.data import draw
from justtinker_core.testing import Done, Runner, ScriptedBackend, make_problem
from justtinker_core.testing._backend import Ready
from justtinker_plugins.algorithms._grpo.ahead import lag_complaint, last_to_start
from justtinker_plugins.algorithms.grpo import Grpo
from justtinker_plugins.rewards.kl import Kl
from tests.core.test_loop import attempt, outcome
from tests.plugins.test_kl import WithReference

OFTEN = {"run.steps": 7, "checkpoints.every": 3, "evaluation.every": 5}
"""Checkpoints after steps 3, 5 and 6."""


def ahead(lag: int, **options: Any) -> Grpo:
    return Grpo(**{"problems_per_step": 2, "rollouts_per_problem": 3, "train_on": "all", "lag": lag, **options})


def config_with(**tables: Any) -> RunConfig:
    base = {"run": {"name": "a", "model": "b", "steps": 10}, "plugins": {"enable": []}}
    return parse({**base, **tables}, Path())


class Overlapping(ScriptedBackend):
    """Answers what is sampled for a later step only when an optimizer step was submitted since, or time is up."""

    concurrent = True

    def __init__(self, hold: bool = True) -> None:
        super().__init__()
        self.hold = hold
        self.trained = threading.Condition()
        self.steps = 0
        self.waited: list[bool] = []

    def optim_step(self, adam: Any) -> Any:
        with self.trained:
            self.steps += 1
            self.trained.notify_all()
        return super().optim_step(adam)

    def deliver(self, ready: Ready) -> None:
        number = len(self.requests)

        def later() -> None:
            with self.trained:
                self.waited.append(self.trained.wait_for(lambda: self.steps >= number - 1, 20))
            ScriptedBackend.deliver(self, ready)

        if self.hold and number > 1:
            threading.Thread(target=later).start()
        else:
            super().deliver(ready)


def metrics(done: Done, name: str) -> list[float]:
    return [stats.metrics[name] for stats in done.steps]


def test_a_later_step_is_sampled_while_this_one_is_trained(run_with: Runner) -> None:
    backend = Overlapping()
    done = run_with(backend, ahead(1), steps=4)
    assert done.status == "finished"
    assert backend.waited == [True] * 3, "step n + 1 was asked for before step n was trained, and answered after"
    assert metrics(done, "sampler_age") == [0, 1, 1, 1]


@pytest.mark.parametrize("lag", [1, 2, 3])
def test_the_age_is_the_lag_but_right_after_a_checkpoint(run_with: Runner, lag: int) -> None:
    done = run_with(ahead(lag), steps=7, config={"checkpoints.every": 3})
    assert metrics(done, "sampler_age") == [min(lag, n % 3) for n in range(7)]


def test_without_lag_there_is_no_age_and_nothing_is_asked_ahead(run_with: Runner) -> None:
    backend = ScriptedBackend()
    done = run_with(backend, ahead(0), steps=3)
    assert "sampler_age" not in done.steps[0].metrics
    calls = [call.split()[0] for call in backend.calls if call.split()[0] in ("sample", "optim_step")]
    assert calls == ["sample", "optim_step"] * 3


@pytest.mark.parametrize("lag", [1, 2])
def test_both_kinds_of_backends_make_the_same_records(run_with: Runner, lag: int) -> None:
    def run(concurrent: bool) -> list[Any]:
        backend = ScriptedBackend()
        backend.concurrent = concurrent
        done = run_with(backend, ahead(lag), steps=6, config={"checkpoints.every": 4})
        return [(s.metrics, s.terms, s.tokens) for s in done.steps]

    assert run(True) == run(False)


def test_what_a_later_step_samples_is_counted_in_that_step(run_with: Runner) -> None:
    done = run_with(ahead(2), steps=5)
    for stats in done.steps:
        groups = [g for g in done.groups if g.step == stats.step]
        assert stats.tokens["sampled"] == sum(len(r.tokens) for g in groups for r in g.rollouts)
        assert stats.tokens["prefill"] == sum(len(g.prompt.tokens) for g in groups)


def test_ratios_come_from_the_samplers_own_logprobs(run_with: Runner) -> None:
    backend = ScriptedBackend()
    done = run_with(backend, ahead(1), steps=4)
    trained = iter(backend.updates)
    for step in range(1, 5):
        rollouts = [
            r for g in done.groups if g.step == step for r, a in zip(g.rollouts, g.advantages, strict=True) if a
        ]
        if not rollouts:
            continue
        wanted = sorted(r.logprobs for r in rollouts)
        data = next(trained).data
        assert sorted(d.logprobs[-len(r.logprobs) :] for d, r in zip(data, rollouts, strict=True)) == wanted  # type: ignore[index]


# A run that dies, and one that stops


@cache
def undisturbed(lag: int, concurrent: bool) -> tuple[int, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        calls = attempt(Path(folder), None, ahead(lag), OFTEN, concurrent).calls
        return len(calls), outcome(Path(folder), 7)


@pytest.mark.parametrize("concurrent", [False, True])
@pytest.mark.parametrize("lag", [1, 2])
@pytest.mark.parametrize("part", [pytest.param(i / 50, marks=[pytest.mark.slow] if i % 5 else []) for i in range(50)])
def test_a_run_killed_anywhere_ends_like_one_that_was_not(
    tmp_path: Path, lag: int, concurrent: bool, part: float
) -> None:
    calls, wanted = undisturbed(lag, concurrent)
    attempt(tmp_path, int(part * calls), ahead(lag), OFTEN, concurrent)
    attempt(tmp_path, None, ahead(lag), OFTEN, concurrent)
    assert outcome(tmp_path, 7) == wanted


class Stop:
    @hookimpl
    def inspect_step(self, stats: Any) -> list[Finding]:
        return [Finding("stop", "enough")]


class Never(Overlapping):
    """Never answers what is sampled for a later step."""

    def __init__(self) -> None:
        super().__init__(hold=False)
        self.kept: Ready = []

    def deliver(self, ready: Ready) -> None:
        if len(self.requests) > 1:
            self.kept += ready
        else:
            super().deliver(ready)


def test_a_run_that_stops_gives_up_what_it_asked_for_ahead(run_with: Runner) -> None:
    backend = Never()
    done = run_with(backend, ahead(1), Stop(), steps=4)
    assert done.status == "stopped"
    assert backend.kept, "it was asked for"
    for future, samples in backend.kept:
        future.set_result(samples)  # an answer that comes late disturbs nobody


def test_episodes_that_were_begun_ahead_are_given_up_too(run_with: Runner) -> None:
    class Turns:
        @hookimpl
        def rollout(self, problem: Problem, prompt: Prompt, policy: Policy) -> Rollout:
            policy.generate()
            policy.observe("?")
            policy.generate()
            return policy.rollout()

    class NotThose(Never):
        def deliver(self, ready: Ready) -> None:
            if chr(ready[0][1][0].tokens[0]) in later:
                self.kept += ready
            else:
                ScriptedBackend.deliver(self, ready)

    some = [make_problem(digit, "1") for digit in "1234"]
    later = {problem.question[0] for problem in draw(some, 2, 2, 42)}
    backend = NotThose()
    backend.respond = lambda prompt, index: prompt[0]  # so a sample says which problem it is of
    assert run_with(backend, ahead(1), Turns(), Stop(), steps=4, problems=some).status == "stopped"
    assert backend.kept


def test_a_run_that_stops_waits_for_no_reference(run_with: Runner) -> None:
    class Slow(WithReference):
        concurrent = True

        def reference_logprobs(self, sequences: Any, path: str | None) -> Any:
            futures = super().reference_logprobs(sequences, path)
            return futures if len(self.asked) <= 6 else [Future() for _ in futures]

    done = run_with(Slow(), ahead(1), Kl(), Stop(), steps=4, problems=[make_problem(d, "1") for d in "12"])
    assert done.status == "stopped"


def test_what_was_sampled_in_vain_is_money_spent(run_with: Runner) -> None:
    config = {"run.budget_usd": 10_000.0}
    done = run_with(ScriptedBackend(price=1.0), ahead(2), Stop(), steps=6, config=config, directory="run")
    (vain,) = done.run.files.read("unused.jsonl")
    assert vain["steps"] == [2, 3]
    assert vain["usd"] == sum(vain["tokens"].values()) > 0
    assert done.run.files.spent() == (done.steps[0].usd or 0) + vain["usd"]


def test_the_budget_counts_what_is_sampled_ahead(run_with: Runner) -> None:
    def last(lag: int, budget: float) -> tuple[int, float]:
        config = {"run.budget_usd": budget, "checkpoints.every": 20}
        done = run_with(ScriptedBackend(price=1.0), ahead(lag), steps=12, config=config)
        return len(done.steps), done.run.files.spent()

    steps, spent = last(2, 400.0)
    assert steps < 12
    assert spent <= 400


def test_what_fails_ahead_ends_the_run_at_its_step(run_with: Runner) -> None:
    class Fails(ScriptedBackend):
        concurrent = True

        def deliver(self, ready: Ready) -> None:
            if len(self.requests) == 3:
                ready[0][0].set_exception(SamplingError("lost"))
                ready = ready[1:]
            super().deliver(ready)

    backend = Fails()
    with pytest.raises(PluginError, match=r"^1 of 2 groups could not be sampled .*; the first: lost"):
        run_with(backend, ahead(1), steps=4, directory="run")
    assert len(backend.adams) == 2, "the two steps before are trained"


# Episodes on a server


def test_an_episode_on_a_server_goes_on_when_its_own_turn_is_answered(run_with: Runner) -> None:
    """One episode's second turn is answered before another's first: with a common table, none would get there."""
    second = threading.Event()

    class Turns:
        @hookimpl
        def rollout(self, problem: Problem, prompt: Prompt, policy: Policy) -> Rollout:
            policy.generate()
            policy.generate()
            return policy.rollout()

    class OneIsSlow(ScriptedBackend):
        concurrent = True

        def deliver(self, ready: Ready) -> None:
            with lock:
                turns.append(ready)
                number = len(turns)
            if number == 1:  # the very first turn waits for the second one of some other episode
                threading.Thread(target=lambda: (second.wait(20), ScriptedBackend.deliver(self, ready))).start()
                return
            ScriptedBackend.deliver(self, ready)
            if number > 4:  # there are four episodes
                second.set()

    lock, turns = threading.Lock(), list[Ready]()
    done = run_with(OneIsSlow(), Grpo(problems_per_step=2, rollouts_per_problem=2), Turns(), steps=1)
    assert done.status == "finished"
    assert second.is_set()


# What precedes what


@given(st.integers(0, 6), st.integers(0, 5), st.integers(0, 5), st.integers(1, 12))
def test_no_step_is_sampled_before_a_checkpoint_that_precedes_it(lag: int, every: int, rolling: int, step: int) -> None:
    config = config_with(run={"name": "a", "model": "b", "steps": 12}, checkpoints={"every": every, "rolling": rolling})
    last = last_to_start(step, lag, config)
    assert step <= last <= min(step + lag, 12)
    assert not any(due_kind(s, config) for s in range(step, last))
    assert last == min(step + lag, 12) or due_kind(last, config)


def test_a_lag_that_can_never_act_is_refused(run_with: Runner) -> None:
    wanted = (
        r"^\[plugins.grpo\] lag = 1 never acts: the step after a checkpoint has its weights, and there are checkpoints "
        r"by \[checkpoints\] rolling = 1; set more than 1$"
    )
    with pytest.raises(PluginError, match=wanted):
        run_with(ahead(1), steps=4, config={"checkpoints.rolling": 1})


def test_a_lag_that_is_never_reached_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    assert lag_complaint(2, config_with(checkpoints={"rolling": 2})) == ""
    assert [r.getMessage() for r in caplog.records] == [
        "[plugins.grpo] lag = 2 is never reached, 1 is: the step after a checkpoint has its weights, and there are "
        "checkpoints by [checkpoints] rolling = 2"
    ]


def test_a_lag_that_acts_is_no_matter(caplog: pytest.LogCaptureFixture) -> None:
    assert lag_complaint(1, config_with(checkpoints={"rolling": 2})) == ""
    assert lag_complaint(0, config_with(checkpoints={"rolling": 1})) == ""
    for steps in (0, 1):
        section = replace(config_with().run, steps=steps)
        assert lag_complaint(3, replace(config_with(checkpoints={"rolling": 1}), run=section)) == ""
    assert not caplog.records


def test_an_instance_of_two_runs_keeps_them_apart(run_with: Runner) -> None:
    algorithm, group = ahead(1), list[Group]()
    for directory in ("a", "b"):
        group += run_with(algorithm, steps=2, directory=directory, problems=[make_problem(directory, "1")]).groups
    assert [g.problem.question[0] for g in group] == ["a"] * 4 + ["b"] * 4
