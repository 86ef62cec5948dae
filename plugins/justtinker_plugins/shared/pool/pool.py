"""A pool of killable worker processes, for functions that may hang, eat memory or crash on what a policy wrote.

::

    pool = Pool("package.module:function", workers=2, limit=1.0, memory=1 << 30, warm_up=args)
    pool.submit(*args).result()   # always a Result: no exception of the task, no hang, no lost task
    pool.map([args, args, ...])   # Results in order
    pool.close()                  # also called when the interpreter exits

A clean process of its own, the zygote, imports the target once and forks the workers. The caller's process imports
nothing and is never forked, and nothing starts before the first `submit`. Each worker has a private socket. The pool
sends it several tasks at a time; it answers them one by one, and if it dies, only the task that it is working on can
suffer. The kernel enforces the limits, a timer of CPU seconds for each task and an address space for each worker, so
that an operation that holds the interpreter lock dies too. The statuses of a `Result`:

- ``ok``, ``error``: the function returned; it raised, or returned what cannot be pickled.
- ``cpu_limit``: the task used up its CPU seconds, by its own fault.
- ``memory``: Python ran out of the worker's address space, which also holds the interpreter and its modules.
- ``wall_limit``: the task took five times the limit of wall-clock time, and then, with the pool to itself, ten times,
  but did not use up its CPU seconds: the machine is busy, or the function sleeps.
- ``died``: the worker ended in the middle of the task, twice; `detail` names the signal. Or the pool was closed.

The CPU limit is ``ITIMER_PROF``: SIGPROF has no Python handler, so the kernel ends the process whatever holds the
interpreter lock. ``RLIMIT_CPU`` counts whole seconds, and per process instead of per task. A wall-clock limit of two
times the CPU limit was too short: on a busy machine ordinary bombs reached it, and their retries stalled the pool (8
bombs took 31 s; at five times 13 s, and CPU time decided every one). Tasks that burn CPU are still cut at the CPU
limit. A retry runs alone, in a new process. A worker is replaced after 2,000 tasks, and after any that ran out of
memory.

Without `os.fork`, workers are spawned; without CPU timers (Windows), every hang is a ``wall_limit``. The pool is no
sandbox: a worker runs with the rights of the user.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import selectors
import signal
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal

from justtinker_core import PluginError
from justtinker_plugins.shared.pool.makers import BATCH_BYTES, MakerGoneError, Spawner, Zygote
from justtinker_plugins.shared.pool.zygote import LENGTH, frame

Status = Literal["ok", "error", "cpu_limit", "wall_limit", "memory", "died"]
BATCH = 32
START_ATTEMPTS = 5
PATIENCE = 5  # limits of wall-clock time; a retry runs alone and keeps all others waiting, so it must be rare
TASKS_A_WORKER = 2000  # then the worker is replaced, so that slow leaks never reach the memory limit


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one task."""

    status: Status
    value: Any = None
    """What the function returned, if the status is ok."""
    detail: str = ""
    """The error's text, or what happened to the worker."""
    seconds: float = 0.0
    """Wall-clock time of the last attempt."""


@dataclass(slots=True, eq=False)
class _Task:
    payload: bytes
    future: Future[Result] = field(default_factory=Future)
    is_retry: bool = False


@dataclass(slots=True, eq=False)
class _Worker:
    handle: Any
    """A pid or a Popen, by which its maker knows it."""
    sock: socket.socket
    tasks: deque[_Task] = field(default_factory=deque)
    """Sent but not answered; the worker is working on the first."""
    buffer: bytearray = field(default_factory=bytearray)
    started: float = 0.0
    deadline: float = float("inf")
    served: int = 0


class Pool:
    """Described in the module's docstring. All methods may be called from any thread."""

    def __init__(
        self,
        target: str,
        *,
        workers: int | None = None,
        limit: float = 1.0,
        memory: int = 1 << 30,
        warm_up: tuple[Any, ...] | None = None,
        fork: bool = True,
    ) -> None:
        """`target` is ``package.module:function``, `limit` CPU seconds per task, `memory` bytes per worker.

        `warm_up` holds arguments, which must fit into JSON, of one call without a limit before the workers are forked:
        they inherit what it imports and caches. `fork=False` spawns the workers even where forking is possible.
        """
        self._size = workers or min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
        self._limit = limit
        maker = Zygote if fork and hasattr(os, "fork") else Spawner
        self._maker: Zygote | Spawner = maker(target, warm_up, limit, memory)
        self._lock = threading.Lock()
        self._queue: deque[_Task] = deque()
        self._retries: deque[_Task] = deque()
        self._workers: list[_Worker] = []
        self._stats: Counter[str] = Counter(tasks=0, restarts=0, retries=0, zygotes=0)
        self._selector = selectors.DefaultSelector()
        self._wake_sender, self._wake_receiver = socket.socketpair()
        self._asleep = self._closed = False
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._fatal_error: PluginError | None = None
        self._fruitless_starts = 0

    # -- for callers ---------------------------------------------------------------------------------------------

    def submit(self, *args: Any) -> Future[Result]:
        """Queue one call of the target with these arguments."""
        try:
            task = _Task(pickle.dumps(args, pickle.HIGHEST_PROTOCOL))
        except Exception as error:
            task = _Task(b"")
            task.future.set_result(Result("error", detail=f"arguments cannot be pickled: {error}"))
            return task.future
        with self._lock:
            self._start_thread()
            self._queue.append(task)
        if self._asleep:
            self._wake_thread()
        return task.future

    def map(self, items: Iterable[tuple[Any, ...]]) -> list[Result]:
        """Call the target with each item's arguments; return Results in the order of the items."""
        return [future.result() for future in [self.submit(*item) for item in items]]

    @property
    def stats(self) -> Mapping[str, int]:
        """Counts so far: tasks, each status, ended workers (restarts), retried tasks (retries), started zygotes."""
        return dict(self._stats)

    def close(self) -> None:
        """End all processes. Unfinished tasks resolve as ``died``. Safe to call twice."""
        with self._lock:
            self._closed = True
        if self._thread is not None and self._pid == os.getpid():
            self._wake_thread()
            self._thread.join()
            atexit.unregister(self.close)

    def _start_thread(self) -> None:
        if self._closed:
            raise self._fatal_error or RuntimeError("this pool is closed")
        if self._pid != os.getpid():
            raise RuntimeError(f"this pool belongs to process {self._pid}; make a new one after a fork")
        if self._thread is None:
            self._wake_receiver.setblocking(False)
            self._wake_sender.setblocking(False)
            self._selector.register(self._wake_receiver, selectors.EVENT_READ)
            self._thread = threading.Thread(target=self._serve, name="verifier-pool", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def _wake_thread(self) -> None:
        with contextlib.suppress(OSError):  # a full socket will wake the thread anyway; after a close nobody sleeps
            self._wake_sender.send(b"!")

    # -- in the pool's one thread --------------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            while not self._closed:
                try:
                    self._run_once()
                except (MakerGoneError, OSError) as error:  # OSError: no process or socket is available right now
                    self._restart_maker(str(error))
        except PluginError as error:
            self._fatal_error = error
        finally:
            self._shut_down()

    def _run_once(self) -> None:
        while len(self._workers) < self._size and (self._queue or self._retries):
            self._add_worker()
        self._dispatch()
        self._asleep = True
        # Read the clock before looking for answers, so that none that was there by the deadline is overlooked.
        now = time.monotonic()
        wait = min((w.deadline for w in self._workers), default=float("inf")) - now
        busy = not self._queue or (len(self._workers) == self._size and not self._available_workers())
        ready = self._selector.select(max(0.0, min(wait, 3600.0)) if busy else 0)
        self._asleep = False
        for key, _ in ready:
            if isinstance(key.data, _Worker):
                self._receive_results(key.data)
            elif key.fileobj is self._wake_receiver:
                with contextlib.suppress(BlockingIOError):
                    self._wake_receiver.recv(1 << 16)
            else:
                raise MakerGoneError
        for worker in [w for w in self._workers if w.deadline <= now]:
            self._end_worker(worker, "late")

    def _available_workers(self) -> list[_Worker]:
        """Workers that can take a task; none while a retried task runs alone."""
        if any(w.tasks and w.tasks[0].is_retry for w in self._workers):
            return []
        idle = [w for w in self._workers if not w.tasks]
        return idle if not self._retries or len(idle) == len(self._workers) else []

    def _dispatch(self) -> None:
        for worker in self._available_workers():
            if self._retries:  # a retry needs a new process: this one may be dying unnoticed
                self._end_worker(worker, "replaced")
                self._add_worker()
                return self._send(self._workers[-1], [self._retries.popleft()])
            share = min(BATCH, 1 + len(self._queue) // (2 * self._size))
            batch: list[_Task] = []
            room = BATCH_BYTES
            while self._queue and len(batch) < share and (not batch or len(self._queue[0].payload) < room):
                batch.append(self._queue.popleft())
                room -= len(batch[-1].payload) + LENGTH.size
            if batch:
                self._send(worker, batch)
        return None

    def _send(self, worker: _Worker, batch: list[_Task]) -> None:
        worker.tasks.extend(batch)
        self._set_clock(worker)
        with contextlib.suppress(OSError):  # a dead worker: its closed socket will be noticed, and its tasks sent again
            worker.sock.sendall(b"".join(frame(task.payload) for task in batch))

    def _set_clock(self, worker: _Worker) -> None:
        worker.started = time.monotonic()
        patience = 2 * PATIENCE if worker.tasks and worker.tasks[0].is_retry else PATIENCE
        worker.deadline = worker.started + patience * self._limit if worker.tasks else float("inf")

    def _receive_results(self, worker: _Worker) -> None:
        try:
            data = worker.sock.recv(1 << 16)
        except OSError:
            data = b""
        worker.buffer += data
        end, spent = 0, False
        while len(worker.buffer) >= end + LENGTH.size:
            (size,) = LENGTH.unpack_from(worker.buffer, end)
            if len(worker.buffer) < end + LENGTH.size + size:
                break
            payload = bytes(worker.buffer[end + LENGTH.size : end + LENGTH.size + size])
            end += LENGTH.size + size
            result = _unpickled(payload)
            spent = spent or result.status == "memory"
            self._resolve(worker.tasks.popleft(), result)
            worker.served += 1
        if end:
            del worker.buffer[:end]
            self._set_clock(worker)
        if not data:
            self._end_worker(worker, "ended")
        elif spent or worker.served >= TASKS_A_WORKER:
            self._end_worker(worker, "replaced")

    def _resolve(self, task: _Task, result: Result) -> None:
        self._fruitless_starts = 0
        self._stats["tasks"] += 1
        self._stats[result.status] += 1
        if task.future.set_running_or_notify_cancel():
            task.future.set_result(result)

    def _add_worker(self) -> None:
        if not self._maker.alive:
            self._stats["zygotes"] += 1
            self._maker.start()
            if self._maker.control is not None:
                self._selector.register(self._maker.control, selectors.EVENT_READ)
        worker = _Worker(*self._maker.new_worker())
        worker.sock.settimeout(2 * self._limit + 1)  # in case a worker is stopped while we write to it
        self._workers.append(worker)
        self._selector.register(worker.sock, selectors.EVENT_READ, worker)

    def _end_worker(self, worker: _Worker, why: Literal["ended", "late", "replaced"]) -> None:
        code = self._maker.end_worker(worker.handle)  # first: if the maker is gone, no worker may be missing
        self._stats["restarts"] += 1
        seconds = time.monotonic() - worker.started
        task = self._remove_worker(worker, requeue_all=why == "replaced")
        if task is None:
            return
        if code == -getattr(signal, "SIGPROF", 0):
            self._resolve(task, Result("cpu_limit", None, f"used up {self._limit:g} s of CPU time", seconds))
        elif why == "late":
            self._retry_or_resolve(task, Result("wall_limit", None, f"no answer within {seconds:.1f} s", seconds))
        else:
            self._retry_or_resolve(task, Result("died", None, f"the worker {_describe_exit(code)}", seconds))

    def _remove_worker(self, worker: _Worker, requeue_all: bool = False) -> _Task | None:
        """Forget a worker. Requeue its tasks, except the one that it worked on, which is returned."""
        self._workers.remove(worker)
        self._selector.unregister(worker.sock)
        worker.sock.close()
        task = worker.tasks.popleft() if worker.tasks and not requeue_all else None
        self._queue.extendleft(reversed(worker.tasks))
        return task

    def _retry_or_resolve(self, task: _Task, result: Result) -> None:
        """Schedule a task to be retried with the pool to itself; if this was the retry, resolve it with the result."""
        if task.is_retry:
            self._resolve(task, result)
        else:
            self._stats["retries"] += 1
            task.is_retry = True
            self._retries.append(task)

    def _restart_maker(self, reason: str) -> None:
        """Prepare a new start after the maker ended, keeping every unfinished task."""
        self._stop_maker()
        self._fruitless_starts += 1
        self._stats["restarts"] += len(self._workers)
        for worker in list(self._workers):
            if task := self._remove_worker(worker):
                self._retry_or_resolve(task, Result("died", None, "the zygote was killed"))
        if self._fruitless_starts >= START_ATTEMPTS:
            raise PluginError(
                f"the workers of {self._maker.target!r} ended {self._fruitless_starts} times in a row before any of "
                f"them gave an answer{reason and f' ({reason})'}; is there enough memory, and may this process start "
                "others?"
            )

    def _stop_maker(self) -> None:
        if self._maker.control is not None:
            with contextlib.suppress(KeyError):  # the maker ended before it was ready
                self._selector.unregister(self._maker.control)
        self._maker.stop()

    def _shut_down(self) -> None:
        with self._lock:
            self._closed = True
        in_flight = [self._remove_worker(worker) for worker in list(self._workers)]
        self._stop_maker()
        for task in [*filter(None, in_flight), *self._retries, *self._queue]:
            if self._fatal_error is None:
                self._resolve(task, Result("died", detail="the pool was closed"))
            elif task.future.set_running_or_notify_cancel():
                task.future.set_exception(self._fatal_error)
        self._selector.close()
        self._wake_receiver.close()
        self._wake_sender.close()


def _unpickled(payload: bytes) -> Result:
    try:
        return Result(*pickle.loads(payload))
    except Exception as error:
        return Result("error", detail=f"the result cannot be unpickled: {error}")


def _describe_exit(code: int) -> str:
    if -code in set(signal.Signals):
        return f"was killed by {signal.Signals(-code).name}"
    return f"exited with code {code}"
