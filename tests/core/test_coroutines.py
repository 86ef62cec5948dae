"""`verify`, `measure` and `score` as coroutines: all groups wait together, and a run is otherwise as before."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_core import Group, PluginError, Problem, Prompt, Rollout, Scorer, Verdict, hookimpl
from justtinker_core.config import GradingSection
from justtinker_core.event_loop import EventLoop
from justtinker_core.graders import graders, judged_in_order
from justtinker_core.grading import GroupError, judge, judging, verify
from justtinker_core.plugins import Plugins
from justtinker_core.testing import make_rollout
from tests.core.conftest import (
    Correct,
    Judge,
    Length,
    Mean,
    Report,
    Rl,
    RunOf,
    ScriptedBackend,
    active,
    cast,
    go,
    plugins_of,
    problems,
    records,
)

pytestmark = pytest.mark.timeout(60)


class Gate:
    """Counts who waits; opens when so many wait together, or stays shut."""

    def __init__(self, opens_at: int) -> None:
        self.opens_at, self.waiting, self.most, self.cancelled = opens_at, 0, 0, 0

    async def wait(self) -> None:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            while self.most < self.opens_at:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.waiting -= 1


class Waits(Judge):
    """The scripted verifier, as a judge that waits for each rollout."""

    def __init__(self, opens_at: int = 0) -> None:
        super().__init__()
        self.gate = Gate(opens_at)

    @hookimpl
    async def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict]:  # type: ignore[override]
        await asyncio.gather(*(self.gate.wait() for _ in rollouts))
        return super().verify(problem, rollouts)


class WaitsToo(Length):
    @hookimpl
    async def measure(self, group: Group) -> dict[str, list[float | None]]:  # type: ignore[override]
        await asyncio.sleep(0.001)
        return super().measure(group)


class Pays(Correct):
    @hookimpl
    async def score(self, group: Group) -> dict[str, list[float | None]]:  # type: ignore[override]
        await asyncio.sleep(0.001)
        return super().score(group)


class Where(Correct):
    """A plain reward beside coroutines."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[str] = set()

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        self.threads.add(threading.current_thread().name)
        return super().score(group)


def group_of(number: int, rollouts: int = 2) -> Group:
    problem = Problem(f"p{number}", "?", str(number % 3))
    return Group(1, number, problem, Prompt("?"), tuple(make_rollout(str(i % 3)) for i in range(rollouts)))


# A run


def test_the_records_are_those_of_plain_functions(run_of: RunOf, tmp_path: Path) -> None:
    sets = {"train": problems(5), "held": problems(3)}
    go(run_of(*cast(), Length(), problems=sets, directory="plain"))
    waiting = [ScriptedBackend(), cast()[1], Waits(), Pays(), Mean(), Rl(), type("Length", (WaitsToo,), {})()]
    go(run_of(*waiting, problems=sets, directory="waiting"))
    for name in ("steps.jsonl", "evals.jsonl"):
        plain, waited = records(tmp_path / "plain", name), records(tmp_path / "waiting", name)
        assert str(waited).replace("pays", "correct") == str(plain).replace("pays", "correct")


def test_all_rollouts_of_a_step_wait_together(run_of: RunOf) -> None:
    """The gate opens only when 128 rollouts wait; one group less at a time, and the test would time out."""

    class Wide(Rl):
        problems, rollouts = 16, 8

    judge = Waits(opens_at=128)
    backend, ask, _, _, mean, _ = cast()
    run = run_of(backend, ask, judge, Pays(), mean, Wide(), problems=problems(16), config={"run.steps": 1})
    assert go(run) == "finished"
    assert judge.gate.most == 128


def test_plain_functions_beside_coroutines_keep_their_threads(run_of: RunOf) -> None:
    where = Where()
    backend, ask, _, _, mean, rl = cast()
    assert go(run_of(backend, ask, Waits(), where, mean, rl)) == "finished"
    assert where.threads
    assert all(name.startswith("judge") for name in where.threads)


class Interrupted(Waits):
    """Two Ctrl-C, when both groups of the step wait."""

    asked = 0

    @hookimpl
    async def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict]:  # type: ignore[override]
        self.asked += 1
        if self.asked == 2:
            while self.gate.waiting < 3:
                await asyncio.sleep(0.001)
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.sleep(0.05)
        return await super().verify(problem, rollouts)


def test_the_second_ctrl_c_ends_what_waits(run_of: RunOf) -> None:
    judge, report = Interrupted(opens_at=1_000), Report()
    backend, ask, _, correct, mean, rl = cast()
    with pytest.raises(KeyboardInterrupt):
        go(run_of(backend, ask, judge, correct, mean, rl, report))
    assert report.statuses == ["interrupted"]
    assert judge.gate.cancelled >= 3
    assert judge.gate.waiting == 0


def test_a_run_leaves_no_loop_behind_and_finish_run_may_still_use_it(run_of: RunOf) -> None:
    class Client(Waits):
        loop: Any = None
        closed = ""

        @hookimpl
        async def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict]:  # type: ignore[override]
            self.loop = asyncio.get_running_loop()
            return await super().verify(problem, rollouts)

        @hookimpl
        def finish_run(self) -> None:
            async def close() -> str:
                return "closed"

            self.closed = asyncio.run_coroutine_threadsafe(close(), self.loop).result(10)

    client, before = Client(), set(threading.enumerate())
    backend, ask, _, correct, mean, rl = cast()
    go(run_of(backend, ask, client, correct, mean, rl))
    assert client.closed == "closed"
    assert client.loop.is_closed()
    assert not {thread for thread in threading.enumerate() if thread.name == "event loop"} - before


# Answers and errors


def test_none_of_a_coroutine_is_no_answer() -> None:
    class Passes:
        asked = 0

        @hookimpl
        async def verify(self) -> None:
            self.asked += 1

    first = Passes()
    judged = judge(group_of(1), plugins_of(first, Waits(), Correct()))
    assert [v.outcome for v in judged.verdicts] == ["incorrect", "correct"]
    assert first.asked == 1
    plugins = plugins_of(Passes())
    assert verify(group_of(1).problem, group_of(1).rollouts, plugins) is None


class Raises:
    def __init__(self, error: BaseException, deep: bool = False) -> None:
        self.error, self.deep = error, deep

    @hookimpl
    async def measure(self) -> Any:
        if self.deep:
            await asyncio.gather(self.fail(), asyncio.sleep(5))
        raise self.error

    async def fail(self) -> None:
        raise self.error


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    "error", [ValueError("no"), SystemExit("no"), TimeoutError("no"), asyncio.CancelledError("no")]
)
def test_an_error_names_plugin_and_line_and_carries_the_group(error: BaseException, deep: bool) -> None:
    plugins = plugins_of(Waits(), Raises(error, deep))
    text = (
        rf"^plugin 'raises' \(under test\) failed in measure at test_coroutines.py:\d+.*: {type(error).__name__}: no$"
    )
    with pytest.raises(GroupError, match=text) as raised:
        judge(group_of(4), plugins)
    assert raised.value.group.problem.id == "p4"
    with pytest.raises(GroupError, match="failed in measure"):  # the loop has survived
        judge(group_of(5), plugins)
    plugins.close()


class Stops:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    @hookimpl
    def score(self) -> Any:
        raise self.error


@pytest.mark.parametrize("error", [StopIteration("no"), KeyError("no"), SystemExit("no")])
def test_an_error_of_a_plain_function_beside_coroutines(error: BaseException) -> None:
    kind = "RuntimeError" if isinstance(error, StopIteration) else type(error).__name__
    text = rf"^plugin 'stops' \(under test\) failed in score.*: {kind}: "
    with pytest.raises(GroupError, match=text):
        judge(group_of(4), plugins_of(Waits(), Stops(error)))


def test_the_core_refuses_an_answer_of_a_coroutine() -> None:
    class Odd:
        @hookimpl
        async def measure(self) -> Any:
            return 4

    with pytest.raises(GroupError, match=r"^plugin 'odd' \(under test\) failed in measure: TypeError: expected name"):
        judge(group_of(1), plugins_of(Waits(), Odd()))


@pytest.mark.parametrize("beside", [Judge, Waits])
def test_a_plain_function_that_returns_a_coroutine(beside: type[Any]) -> None:
    class Forgot:
        @hookimpl
        def measure(self) -> Any:
            return asyncio.sleep(0)

    with pytest.raises(GroupError, match="TypeError: it returned a coroutine; write the hook with 'async def'"):
        judge(group_of(1), plugins_of(beside(), Forgot()))


def test_a_coroutine_that_waits_for_its_own_loop_is_told() -> None:
    class Nested:
        plugins: Any = None

        @hookimpl
        async def measure(self, group: Group) -> Any:
            judge(group, self.plugins)

    nested = Nested()
    nested.plugins = plugins_of(Waits(), nested)
    with pytest.raises(GroupError, match="a coroutine cannot wait for another one without await"):
        judge(group_of(1), nested.plugins)


def test_a_caller_with_an_event_loop_of_its_own() -> None:
    """As in a notebook."""

    async def cell() -> Group:
        return judge(group_of(1), plugins_of(Waits(), Correct()))

    assert [v.outcome for v in asyncio.run(cell()).verdicts] == ["incorrect", "correct"]


# Limits


def judged(plugins: Plugins, groups: int, ahead: int = 1_000) -> list[Group]:
    async def judge_one(group: Group) -> Group:
        return await judging(group, plugins)

    with graders(plugins, judge_one) as grade:
        return list(judged_in_order(map(group_of, range(groups)), grade, ahead))


@pytest.mark.parametrize("most", [1, 3])
def test_a_plugin_limits_its_calls(most: int) -> None:
    waits = Waits(opens_at=most * 2)
    waits.concurrency = most  # type: ignore[attr-defined]
    assert len(judged(plugins_of(waits), 8)) == 8
    assert waits.gate.most == most * 2


@pytest.mark.parametrize("most", [1, 3])
def test_the_config_limits_groups(most: int) -> None:
    waits = Waits(opens_at=most * 2)
    assert len(judged(Plugins(active(waits), GradingSection(groups=most)), 8)) == 8
    assert waits.gate.most == most * 2


@pytest.mark.parametrize("most", [1, 3])
def test_the_config_limits_threads(most: int) -> None:
    class Plain(Judge):
        inside = most_inside = 0
        lock = threading.Lock()

        @hookimpl
        def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict]:
            with self.lock:
                self.inside += 1
                self.most_inside = max(self.inside, self.most_inside)
            deadline = time.monotonic() + 10
            while self.most_inside < most and time.monotonic() < deadline:
                time.sleep(0.001)
            with self.lock:
                self.inside -= 1
            return super().verify(problem, rollouts)

    plain = Plain()
    assert len(judged(Plugins(active(plain), GradingSection(threads=most)), 8)) == 8
    assert plain.most_inside == most


@given(st.lists(st.floats(0, 0.003), max_size=12), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_groups_come_back_in_order_and_few_are_under_way(delays: list[float], ahead: int) -> None:
    taken = 0

    class Slow(Judge):
        @hookimpl
        async def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict]:  # type: ignore[override]
            await asyncio.sleep(delays[int(problem.id[1:])])
            return super().verify(problem, rollouts)

    def groups() -> Any:
        nonlocal taken
        for i in range(len(delays)):
            taken += 1
            yield group_of(i)

    plugins = plugins_of(Slow())

    async def judge_one(group: Group) -> Group:
        return await judging(group, plugins)

    with graders(plugins, judge_one) as grade:
        for i, group in enumerate(judged_in_order(groups(), grade, ahead)):
            assert group.index == i
            assert taken <= i + ahead
    assert taken == len(delays)
    plugins.close()


# The scorer and executors

JUDGE = """
import asyncio
from justtinker_core import Verdict, hookimpl, plugin

@plugin
class Slow:
    @hookimpl
    async def verify(self, problem, rollouts):
        await asyncio.sleep(0.01)
        return [Verdict("correct" if r.text == problem.answer else "incorrect") for r in rollouts]
"""


@pytest.fixture
def scorer(tmp_path: Path) -> Any:
    (tmp_path / "slow.py").write_text(JUDGE)
    tables = {
        "local_plugins": {"slow": str(tmp_path / "slow.py:Slow")},
        "plugins": {"enable": ["slow", "correct", "group_mean"]},
    }
    with Scorer(tables) as scorer:
        yield scorer


def test_a_scorer_waits(scorer: Scorer) -> None:
    group = scorer.score(question="1 + 1 = ?", answer="2", responses=["2", "3"])
    assert [reward.total for reward in group.rewards] == [1.0, 0.0]
    scorer.close()
    assert scorer.plugins.loop.submit(asyncio.sleep(0, "open again")).result(10)
    scorer.plugins.close()


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor])
def test_judge_all(scorer: Scorer, executor: Any) -> None:
    found = list(scorer.judge_all(map(group_of, range(40)), executor and executor(4)))
    assert [[v.outcome for v in g.verdicts] for g in found] == [
        ["correct" if j == i % 3 else "incorrect" for j in range(2)] for i in range(40)
    ]
    assert [g.problem.id for g in found] == [f"p{i}" for i in range(40)]


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor])
def test_judge_all_passes_an_error_on(executor: Any) -> None:
    class Fails(Waits):
        @hookimpl
        async def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict]:  # type: ignore[override]
            if problem.id == "p3":
                raise ValueError("no")
            return await super().verify(problem, rollouts)

    scorer = Scorer({"plugins": {"enable": ["math_verify", "correct"]}}, active=plugins_of(Fails(), Correct()))
    found = scorer.judge_all(map(group_of, range(40)), executor and executor(4))
    assert [next(found).problem.id for _ in range(3)] == ["p0", "p1", "p2"]
    with pytest.raises(PluginError, match=r"plugin 'fails' \(under test\) failed in verify.*ValueError: no"):
        next(found)


# The loop itself


def test_a_loop_starts_again_after_its_end_if_so_told() -> None:
    loop = EventLoop(2)
    assert not loop.is_here()
    for _ in range(2):
        assert loop.run(asyncio.sleep(0, "awake")) == "awake"
        loop.close(again=True)
        loop.close(again=True)
    loop.close()
    with pytest.raises(RuntimeError, match="the run has ended: nothing is judged any more"):
        loop.run(asyncio.sleep(0))


def test_nothing_is_judged_after_a_run(run_of: RunOf) -> None:
    """An evaluation in the background may go on for a moment; it must not ask a judge that costs."""
    backend, ask, _, correct, mean, rl = cast()
    run = run_of(backend, ask, Waits(), correct, mean, rl)
    go(run)
    with pytest.raises(RuntimeError, match="the run has ended"):
        judge(group_of(1), run.plugins)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_has_a_loop_of_its_own() -> None:
    plugins = plugins_of(Waits(), Correct())
    plugins.active["waits"].instance.concurrency = 1
    judge(group_of(1), plugins)
    reads, writes = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12, about forks beside threads
        pid = os.fork()
    if pid == 0:
        try:
            os.write(writes, str([v.outcome for v in judge(group_of(1), plugins).verdicts]).encode())
        finally:
            os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as pipe:
        assert pipe.read() == "['incorrect', 'correct']"
    os.waitpid(pid, 0)
    plugins.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_closes_nothing_of_its_parent() -> None:
    loop = EventLoop(1)
    future = loop.submit(asyncio.sleep(600))
    reads, writes = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        begun = time.monotonic()
        loop.close()
        os.write(writes, b"waited" if time.monotonic() - begun > 5 else b"at once")
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as pipe:
        assert pipe.read() == "at once"
    os.waitpid(pid, 0)
    assert not future.done()
    loop.close()


def test_close_cancels_what_waits() -> None:
    loop = EventLoop(1)
    future = loop.submit(asyncio.sleep(600))
    loop.close()
    assert future.cancelled()


def test_a_task_that_exits_does_not_end_the_loop() -> None:
    async def exits() -> None:
        sys.exit(3)

    loop = EventLoop(1)
    with pytest.raises(SystemExit):
        loop.run(exits())
    assert loop.run(asyncio.sleep(0, "alive")) == "alive"
    loop.close()
