from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import PluginError
from justtinker_plugins.shared.pool.makers import Zygote
from justtinker_plugins.shared.pool.pool import Pool, Result

HERE = Path(__file__).parent
Make = Callable[..., Pool]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills by signal and looks into /proc")


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make pools whose workers can import `pool_targets`; close them afterwards."""
    monkeypatch.syspath_prepend(HERE)
    pools: list[Pool] = []

    def make_pool(target: str = "pool_targets:do", **options: Any) -> Pool:
        pools.append(Pool(target, **({"workers": 2, "limit": 0.3, "memory": 1 << 28} | options)))
        return pools[-1]

    yield make_pool
    for pool in pools:
        pool.close()


def processes() -> dict[int, int]:
    """All living processes, as pid -> pid of the parent."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            found[int(stat.parent.name)] = int(parent)
    return found


def descendants(pid: int) -> set[int]:
    """All living descendants of a process."""
    parents = processes()
    found, size = {pid}, 0
    while len(found) > size:
        size = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found - {pid}


def zygotes() -> set[int]:
    return {pid for pid, parent in processes().items() if parent == os.getpid() and _is_zygote(pid)}


def _is_zygote(pid: int) -> bool:
    try:
        return b"import zygote" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def eventually(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(params=[True, False], ids=["forked", "spawned"])
def pool(request: pytest.FixtureRequest, make: Make) -> Pool:
    return make(fork=request.param, limit=0.2)


@pytest.mark.parametrize(
    ("call", "status", "detail"),
    [
        (("hold_the_interpreter_lock",), "cpu_limit", "used up 0.2 s of CPU time"),
        (("spin",), "cpu_limit", "used up 0.2 s of CPU time"),
        (("swallow_everything",), "cpu_limit", "used up 0.2 s of CPU time"),
        (("allocate", 1 << 30), "memory", "out of memory"),
        (("fill",), "memory", "out of memory"),
        (("fail", "five"), "error", "ValueError: five"),
        (("fail", "\ud800\x00"), "error", "ValueError: \ud800\x00"),
        (("fail_without_text",), "error", "MuteError: (its text cannot be made)"),
        (("leave", 3), "error", "SystemExit: 3"),
        (("cannot_arrive",), "error", "the result cannot be unpickled"),
        (("lambda",), "error", "local object '_lambda"),
        (("recurse",), "error", "RecursionError: maximum recursion depth exceeded"),
        (("die", 3), "died", "the worker exited with code 3"),
        (("signal", int(signal.SIGSEGV)), "died", "the worker was killed by SIGSEGV"),
        (("sleep", 3600), "wall_limit", "no answer within"),
    ],
)
def test_what_a_task_may_do(pool: Pool, call: tuple[Any, ...], status: str, detail: str) -> None:
    bad, good = pool.map([call, ("echo", 5)])
    assert (bad.status, bad.value) == (status, None)
    assert detail in bad.detail
    assert (good.status, good.value) == ("ok", 5)


def test_results_come_in_order_and_hold_any_value(pool: Pool) -> None:
    values = [0, "", None, "\ud800", b"\x00" * 1_000_000, {"a": [1, (2, 3)]}, "x" * 10_000_000, *range(500)]
    results = pool.map([("echo", value) for value in values])
    assert [r.value for r in results] == values
    assert {r.status for r in results} == {"ok"}


def test_arguments_that_cannot_be_pickled(make: Make) -> None:
    result = make().submit("echo", lambda: None).result()
    assert result.status == "error"
    assert result.detail.startswith("arguments cannot be pickled: ")


def test_a_task_slow_on_the_wall_clock_is_retried_with_more_time(make: Make) -> None:
    pool = make(limit=0.2)
    result = pool.submit("sleep", 1.4).result()
    assert (result.status, result.value) == ("ok", "slept")
    assert pool.stats["retries"] == 1


def test_nothing_is_started_or_imported_before_the_first_task(make: Make) -> None:
    before = descendants(os.getpid())
    pool = make()
    assert descendants(os.getpid()) == before
    assert pool.stats["zygotes"] == 0
    pool.submit("echo", 1).result()
    assert len(descendants(os.getpid()) - before) == 3  # the zygote and two workers
    assert "pool_targets" not in sys.modules


@pytest.mark.parametrize("fork", [True, False])
def test_workers_inherit_what_the_warm_up_left(make: Make, fork: bool) -> None:
    pool = make(workers=1, warm_up=("warm", "up"), fork=fork)
    assert pool.submit("warm", "on").result().value == ["up", "on"]
    kill(pool.submit("pid").result().value)
    assert pool.submit("warm", "again").result().value == ["up", "again"]


def test_workers_are_single_threaded_and_cannot_reach_the_terminal(
    make: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    pool = make()
    assert pool.submit("threads").result().value == 1
    assert pool.submit("shout").result().status == "ok"
    assert capfd.readouterr() == ("", "")
    worker = pool.submit("pid").result().value
    assert os.getsid(worker) != os.getsid(0)  # Ctrl-C in the terminal does not reach it


def test_bombs_do_not_hurt_their_neighbours(make: Make) -> None:
    pool = make()
    bombs = {7: ("spin",), 60: ("allocate", 1 << 30), 61: ("die", 1), 150: ("hold_the_interpreter_lock",)}
    results = pool.map([bombs.get(i, ("echo", i)) for i in range(200)])
    assert [results[i].status for i in bombs] == ["cpu_limit", "memory", "died", "cpu_limit"]
    assert all(r == Result("ok", i, "", r.seconds) for i, r in enumerate(results) if i not in bombs)


def kill_at_random(pool: Pool, victims: Callable[[], set[int]], tasks: int, every: float) -> list[Future[Result]]:
    """Run tasks of a millisecond each while victims are killed at random."""
    futures = [pool.submit("sleep", 0.001) for _ in range(tasks)]
    dice = random.Random(1)
    while not all(f.done() for f in futures):
        if living := sorted(victims()):
            kill(dice.choice(living))
        time.sleep(every)
    return futures


def test_workers_killed_at_random_lose_only_their_current_task(make: Make) -> None:
    pool = make(limit=5.0)
    pool.submit("echo", 1).result()
    (zygote,) = zygotes()
    results = [f.result() for f in kill_at_random(pool, lambda: descendants(zygote), 1500, every=0.02)]
    assert {r.status for r in results} <= {"ok", "died"}
    assert {r.detail for r in results if r.status == "died"} <= {"the worker was killed by SIGKILL"}
    assert pool.stats["restarts"] >= 5
    assert sum(r.status == "died" for r in results) <= pool.stats["retries"] <= pool.stats["restarts"]
    assert zygotes() == {zygote}


def test_zygotes_killed_at_random_lose_only_current_tasks(make: Make) -> None:
    pool = make(limit=5.0)
    results = [
        f.result() for f in kill_at_random(pool, lambda: {z for z in zygotes() if descendants(z)}, 1000, every=0.15)
    ]
    assert {r.status for r in results} <= {"ok", "died"}
    assert pool.stats["zygotes"] >= 2
    assert sum(r.status == "died" for r in results) <= pool.stats["retries"] <= pool.stats["restarts"]
    assert pool.submit("echo", 5).result().value == 5


def test_processes_killed_while_idle_are_replaced(make: Make) -> None:
    pool = make()
    for _ in range(7):
        assert pool.submit("echo", 5).result().value == 5
        for pid in descendants(os.getpid()) - zygotes():
            kill(pid)
        assert pool.submit("echo", 5).result().value == 5
        for pid in zygotes():
            kill(pid)
    assert pool.submit("echo", 5).result().value == 5


def test_a_worker_that_is_stopped_is_replaced(make: Make) -> None:
    pool = make(workers=1)
    os.kill(pool.submit("pid").result().value, signal.SIGSTOP)
    assert pool.submit("echo", "x" * 10_000_000).result().status == "ok"


def test_workers_are_replaced_after_2000_tasks(make: Make) -> None:
    pool = make(workers=1)
    results = pool.map([("pid",)] * 4100)
    assert {r.status for r in results} == {"ok"}
    assert len({r.value for r in results}) == 3
    assert pool.stats["retries"] == 0


def test_many_threads_submit(make: Make) -> None:
    pool = make("pool_targets:double")
    found: dict[int, list[Result]] = {}

    def ask(thread: int) -> None:
        found[thread] = pool.map([(1000 * thread + i,) for i in range(200)])

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {k: [r.value for r in v] for k, v in found.items()} == {
        t: [2 * (1000 * t + i) for i in range(200)] for t in range(8)
    }
    assert (pool.stats["tasks"], pool.stats["ok"]) == (1600, 1600)


def test_close_ends_all_processes_and_resolves_every_future(make: Make) -> None:
    before = descendants(os.getpid())
    pool = make(limit=30.0)
    pool.submit("echo", 1).result()
    futures = [pool.submit("spin") for _ in range(5)]
    cancelled = pool.submit("echo", 1)
    assert cancelled.cancel()
    pool.close()
    pool.close()
    assert {f.result(timeout=0) for f in futures} == {Result("died", detail="the pool was closed")}
    assert descendants(os.getpid()) == before
    with pytest.raises(RuntimeError, match="this pool is closed"):
        pool.submit("echo", 1)


def test_an_unused_pool_closes() -> None:
    Pool("no.such:thing").close()


@pytest.mark.parametrize("fork", [True, False])
@pytest.mark.parametrize(
    ("target", "trouble"),
    [
        ("no_such_module:f", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("pool_targets:no_such_function", "has no attribute 'no_such_function'"),
        ("pool_targets:do", "TypeError: _fail() missing 1 required positional argument"),
    ],
)
def test_a_target_that_cannot_be_imported(make: Make, target: str, trouble: str, fork: bool) -> None:
    pool = make(target, fork=fork, warm_up=("fail",))
    futures = [pool.submit(1) for _ in range(3)]
    wait(futures)
    for future in futures:
        with pytest.raises(PluginError) as error:
            future.result()
        assert str(error.value).startswith(f"the workers cannot import or warm up {target!r}:\n")
        assert trouble in str(error.value)
    with pytest.raises(PluginError, match="cannot import or warm up"):
        pool.submit(1)


def test_workers_that_never_start(make: Make) -> None:
    with pytest.raises(
        PluginError, match="the workers of 'pool_targets_that_exit:f' ended 5 times in a row before any of them gave"
    ):
        make("pool_targets_that_exit:f").submit().result()


def test_a_failed_start_is_retried(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    start, fails = Zygote.start, iter([True, True])

    def refused(self: Zygote) -> None:
        if next(fails, False):
            raise BlockingIOError(11, "Resource temporarily unavailable")
        start(self)

    monkeypatch.setattr(Zygote, "start", refused)
    pool = make()
    assert pool.map([("echo", 1), ("echo", 2)])[1].value == 2
    assert pool.stats["zygotes"] == 3


def test_a_start_that_always_fails_is_an_error(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Zygote) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(Zygote, "start", refused)
    pool = make()
    with pytest.raises(PluginError, match=r"any of them gave an answer \(.*temporarily unavailable\); is there enough"):
        pool.submit("echo", 1).result(20)
    with pytest.raises(PluginError, match="temporarily unavailable"):
        pool.submit("echo", 1)


PARENT = """
import json, os, sys, threading, time
from justtinker_plugins.shared.pool.pool import Pool
threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
pool = Pool("pool_targets:do", workers=2, limit=60.0)
print(json.dumps([r.value for r in pool.map([("pid",)] * 50)]), flush=True)
futures = [pool.submit("spin"), pool.submit("sleep", 3600), pool.submit("echo", 1)]
time.sleep(0.2)
if sys.argv[1] == "raise":
    raise SystemExit(3)
time.sleep(3600)
"""


@pytest.mark.parametrize("way", ["raise", "kill", "interrupt"])
def test_no_process_outlives_its_parent(way: str) -> None:
    path = os.pathsep.join([str(HERE), *filter(None, sys.path)])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, way], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert parent.stdout is not None
    assert json.loads(parent.stdout.readline())
    children = descendants(parent.pid)
    assert len(children) == 3
    if way == "kill":
        parent.kill()
    elif way == "interrupt":
        parent.send_signal(signal.SIGINT)
    assert parent.wait(20) == {"raise": 3, "kill": -signal.SIGKILL, "interrupt": -signal.SIGINT}[way]
    assert eventually(lambda: not children & set(processes()))
    parent.stdout.close()


def test_a_forked_copy_of_the_pool_refuses_to_work(make: Make) -> None:
    pool = make()
    pool.submit("echo", 1).result()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            pool.submit("echo", 1)
        except RuntimeError as error:
            os.write(write, str(error).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 1000).decode() == f"this pool belongs to process {os.getpid()}; make a new one after a fork"
    os.close(read)
    os.close(write)
    assert pool.submit("echo", 2).result().value == 2


def test_no_alarm_is_set_in_the_callers_process(make: Make) -> None:
    handler, left = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0]
    make().map([("spin",), ("echo", 1)])
    assert signal.getsignal(signal.SIGALRM) == handler
    assert signal.getitimer(signal.ITIMER_REAL)[0] <= left  # pytest-timeout may have one
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
