"""A plugin that hangs is named; one that waits for the backend is not."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from justtinker_core import Group, Problem, Prompt, Rollout, Verdict, hookimpl
from justtinker_core.episodes import Policy
from justtinker_core.loop import watch
from justtinker_core.types import SampleRequest
from tests.core.conftest import Correct, Judge, RunOf, ScriptedBackend, cast, go

pytestmark = pytest.mark.timeout(60)
SLOW = 0.5


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SLOW", SLOW)


class SlowScore(Correct):
    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        time.sleep(3 * SLOW if group.step == 2 else 0)
        return super().score(group)


class SlowVerify(Judge):
    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict]:
        time.sleep(3 * SLOW)
        return super().verify(problem, rollouts)


def warnings(caplog: pytest.LogCaptureFixture, *of: str) -> list[str]:
    """Return the warnings about these plugins only: a busy machine makes others slow too."""
    texts = [text for r in caplog.records if "has been in" in (text := r.getMessage())]
    return [text for text in texts if not of or text.startswith(tuple(f"plugin {name!r}" for name in of))]


def test_a_slow_reward_is_named_once(run_of: RunOf, caplog: pytest.LogCaptureFixture) -> None:
    backend, ask, judge, _, mean, rl = cast()
    go(run_of(backend, ask, judge, SlowScore(), mean, rl, config={"run.steps": 3}))
    [text] = warnings(caplog, "slowscore")
    warning = r"plugin 'slowscore' \(under test\) has been in score for \d+ s \(step 2, problem 'p\d'\)"
    assert re.fullmatch(warning + r"; waiting \(logged once\)", text)


def test_a_slow_verifier_is_named_with_the_problem(run_of: RunOf, caplog: pytest.LogCaptureFixture) -> None:
    backend, ask, _, correct, mean, rl = cast()
    go(run_of(backend, ask, SlowVerify(), correct, mean, rl, config={"run.steps": 1}))
    [text] = warnings(caplog, "slowverify")
    assert re.search(r"'slowverify' \(under test\) has been in verify for \d+ s \(step 1, problem 'p\d'\)", text)


class SlowStart:
    @hookimpl
    def preflight(self) -> list[str]:
        time.sleep(3 * SLOW)
        return []


def test_what_is_slow_before_the_first_step(run_of: RunOf, caplog: pytest.LogCaptureFixture) -> None:
    go(run_of(*cast(), SlowStart()))
    [text] = warnings(caplog, "slowstart")
    assert re.match(
        r"plugin 'slowstart' \(under test\) has been in preflight for \d+ s \(before the first step\)", text
    )


class SlowBackend(ScriptedBackend):
    """A backend whose model, samples and gradients take long."""

    def sampler(self) -> Any:
        return SlowSampler(super().sampler())

    def forward_backward(self, *arguments: Any) -> Any:
        time.sleep(2 * SLOW)
        return super().forward_backward(*arguments)


class SlowSampler:
    def __init__(self, sampler: Any) -> None:
        self._sampler = sampler

    def sample(self, requests: Sequence[SampleRequest]) -> list[Future[Any]]:
        time.sleep(2 * SLOW)
        return list(self._sampler.sample(requests))


class Tool:
    """A tool of two turns; its own work between them takes a while."""

    seconds = 0.0

    @hookimpl
    def rollout(self, problem: Problem, prompt: Prompt, policy: Policy) -> Rollout:
        policy.generate()
        time.sleep(self.seconds)
        policy.generate()
        return policy.rollout()


class SlowTool(Tool):
    seconds = 3 * SLOW


def test_sampling_and_training_may_take_long(run_of: RunOf, caplog: pytest.LogCaptureFixture) -> None:
    for cast_ in (cast()[1:], [*cast()[1:], Tool()]):
        go(run_of(SlowBackend(), *cast_, config={"run.steps": 1}, directory=f"run{len(cast_)}"))
    assert warnings(caplog, "slowbackend", "tool") == []


def test_an_environment_that_hangs_between_two_turns(run_of: RunOf, caplog: pytest.LogCaptureFixture) -> None:
    go(run_of(*cast(), SlowTool(), config={"run.steps": 1}))
    [text] = warnings(caplog, "slowtool")
    assert "plugin 'slowtool' (under test) has been in rollout for" in text


def test_quick_calls_get_no_warning_and_no_thread_is_left(
    run_of: RunOf, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SLOW", 30.0)
    run, before = run_of(*cast()), set(threading.enumerate())
    go(run)
    assert warnings(caplog) == []
    assert run.plugins.under_way == {}
    deadline = time.monotonic() + 10
    while any(thread.name == "watch" for thread in set(threading.enumerate()) - before):
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Hang(Correct):
    """Hangs until the test is over, and presses Ctrl-C twice."""

    def __init__(self) -> None:
        super().__init__()
        self.over = threading.Event()

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        if group.index == 0:
            for _ in range(2):
                time.sleep(0.3)
                os.kill(os.getpid(), signal.SIGINT)
        self.over.wait(30)
        return super().score(group)


def test_ctrl_c_says_who_holds_the_step_up_and_does_not_wait_for_it(
    run_of: RunOf, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SLOW", 60.0)
    monkeypatch.setattr(watch, "NAMED_AFTER", 0.1)
    backend, ask, judge, _, mean, rl = cast()
    hang, begun = Hang(), time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            go(run_of(backend, ask, judge, hang, mean, rl))
        assert time.monotonic() - begun < 10
        assert backend.closed == 1
    finally:
        hang.over.set()
    [text] = warnings(caplog)
    asked = r"finishing this step, then saving; Ctrl-C again stops at once; "
    assert re.fullmatch(
        asked + r"plugin 'hang' \(under test\) has been in score for \d+ s \(step 1, problem 'p\d'\)", text
    )


def test_its_thread_ends_with_the_run(run_of: RunOf) -> None:
    go(run_of(*cast()))
    assert "watch" not in [thread.name for thread in threading.enumerate()]
