"""A pool of killable worker processes, for functions that may hang, eat memory or crash on what a policy wrote.

::

    pool = Pool("package.module:function", workers=2, limit=1.0, memory=1 << 30, warm_up=args)
    pool.submit(*args).result()   # a Result, always: no exception of the task, no hang, no task lost
    pool.map([args, args, ...])   # Results in order
    pool.close()                  # also done when the interpreter exits

The target is imported once, in a clean process of its own (the zygote, `_zygote`) that forks the workers; the caller's
process imports nothing and is never forked. Nothing is started before the first `submit`. Each worker has a private
socket; tasks are sent several at a time, answered one by one, and only the one being worked on can suffer from its
worker's end. Limits are the kernel's: a timer of CPU seconds for each task, an address space for each worker, so that
an operation that holds the interpreter lock dies too. What a `Result` says:

- ``ok``, ``error``: the function returned, raised, or returned what cannot be pickled.
- ``cpu_limit``: the task used up its CPU seconds. That is the task's fault.
- ``memory``: Python ran out of the worker's address space (the interpreter and its modules included).
- ``wall_limit``: five times the limit went by on the clock, and ten times with the pool to itself, but not in CPU
  seconds: a loaded machine, or a function that sleeps.
- ``died``: the worker ended in the middle of the task, twice; `detail` names the signal. Or the pool was closed.

The CPU limit is ``ITIMER_PROF``: SIGPROF has no Python handler, so the kernel ends the process whatever holds the
interpreter lock. ``RLIMIT_CPU`` counts whole seconds, and per process instead of per task. A wall-clock limit of two
times the CPU limit was too short: on a busy machine ordinary bombs reached it, and their retries stalled the pool (8
bombs took 31 s; at five times 13 s, and CPU time decided every one). Tasks that burn CPU are still cut at the CPU
limit. A retry runs alone, in a new process. A worker is replaced after 2,000 tasks, and after any that ran out of
memory.

Where `os.fork` is missing, workers are spawned; without CPU timers (Windows) every hang is a ``wall_limit``.
Not for secrets: a worker runs with the rights of the user.
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
PATIENCE = 5  # limits on the clock: trying again alone costs all others their time, so it has to be rare
TASKS_A_WORKER = 2000  # then it is replaced, so that slow leaks never meet the memory limit


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one task."""

    status: Status
    value: Any = None
    """What the function returned, for ok."""
    detail: str = ""
    """Error text, or what happened to the worker."""
    seconds: float = 0.0
    """On the wall clock, of the last attempt."""


@dataclass(slots=True, eq=False)
class _Task:
    payload: bytes
    future: Future[Result] = field(default_factory=Future)
    tried: bool = False


@dataclass(slots=True, eq=False)
class _Worker:
    handle: Any
    """How its maker knows it: a pid, or a Popen."""
    sock: socket.socket
    tasks: deque[_Task] = field(default_factory=deque)
    """Sent and not answered; the first is being worked on."""
    buffer: bytearray = field(default_factory=bytearray)
    started: float = 0.0
    deadline: float = float("inf")
    served: int = 0


class Pool:
    """See the module. All methods may be called from any thread."""

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
        """`target` is ``package.module:function``, `limit` in CPU seconds a task, `memory` in bytes a worker.

        `warm_up`: arguments (that fit into JSON) of one call made before the workers are forked and without a limit, so
        that they inherit what it imports and caches. `fork`: False spawns workers where forking is possible, too.
        """
        self._size = workers or min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
        self._limit = limit
        maker = Zygote if fork and hasattr(os, "fork") else Spawner
        self._maker: Zygote | Spawner = maker(target, warm_up, limit, memory)
        self._lock = threading.Lock()
        self._queue: deque[_Task] = deque()
        self._alone: deque[_Task] = deque()
        self._workers: list[_Worker] = []
        self._stats: Counter[str] = Counter(tasks=0, restarts=0, retries=0, zygotes=0)
        self._selector = selectors.DefaultSelector()
        self._wake, self._bell = socket.socketpair()
        self._asleep = self._closed = False
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._error: PluginError | None = None
        self._futile = 0

    # What callers use

    def submit(self, *args: Any) -> Future[Result]:
        """Queue one call of the target."""
        try:
            task = _Task(pickle.dumps(args, pickle.HIGHEST_PROTOCOL))
        except Exception as error:
            task = _Task(b"")
            task.future.set_result(Result("error", detail=f"arguments cannot be pickled: {error}"))
            return task.future
        with self._lock:
            self._start()
            self._queue.append(task)
        if self._asleep:
            self._ring()
        return task.future

    def map(self, items: Iterable[tuple[Any, ...]]) -> list[Result]:
        """Call the target with each item's arguments; Results in the order of the items."""
        return [future.result() for future in [self.submit(*item) for item in items]]

    @property
    def stats(self) -> Mapping[str, int]:
        """Counts so far: tasks, each status, restarts of workers, retries of tasks, zygotes started."""
        return dict(self._stats)

    def close(self) -> None:
        """End all processes. What is not done resolves as ``died``. Safe to call twice."""
        with self._lock:
            self._closed = True
        if self._thread is not None and self._pid == os.getpid():
            self._ring()
            self._thread.join()
            atexit.unregister(self.close)

    def _start(self) -> None:
        if self._closed:
            raise self._error or RuntimeError("this pool is closed")
        if self._pid != os.getpid():
            raise RuntimeError(f"this pool belongs to process {self._pid}; make a new one after a fork")
        if self._thread is None:
            self._bell.setblocking(False)
            self._wake.setblocking(False)
            self._selector.register(self._bell, selectors.EVENT_READ)
            self._thread = threading.Thread(target=self._run, name="verifier-pool", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def _ring(self) -> None:
        with contextlib.suppress(OSError):  # full: it will wake up anyway; closed: nobody sleeps
            self._wake.send(b"!")

    # What the pool's one thread does

    def _run(self) -> None:
        try:
            while not self._closed:
                try:
                    self._turn()
                except (MakerGoneError, OSError) as error:  # an OSError: no process or socket is to be had just now
                    self._reset(str(error))
        except PluginError as error:
            self._error = error
        finally:
            self._finish()

    def _turn(self) -> None:
        while len(self._workers) < self._size and (self._queue or self._alone):
            self._hire()
        self._dispatch()
        self._asleep = True
        # The time is taken before looking for answers: none that was there by the deadline is overlooked.
        now = time.monotonic()
        wait = min((w.deadline for w in self._workers), default=float("inf")) - now
        busy = not self._queue or (len(self._workers) == self._size and not self._idle())
        ready = self._selector.select(max(0.0, min(wait, 3600.0)) if busy else 0)
        self._asleep = False
        for key, _ in ready:
            if isinstance(key.data, _Worker):
                self._receive(key.data)
            elif key.fileobj is self._bell:
                with contextlib.suppress(BlockingIOError):
                    self._bell.recv(1 << 16)
            else:
                raise MakerGoneError
        for worker in [w for w in self._workers if w.deadline <= now]:
            self._bury(worker, "late")

    def _idle(self) -> list[_Worker]:
        """Who may be given something now: nobody while a task has the pool to itself."""
        if any(w.tasks and w.tasks[0].tried for w in self._workers):
            return []
        idle = [w for w in self._workers if not w.tasks]
        return idle if not self._alone or len(idle) == len(self._workers) else []

    def _dispatch(self) -> None:
        for worker in self._idle():
            if self._alone:  # in a new process: this one may be dying unnoticed
                self._bury(worker, "replaced")
                self._hire()
                return self._send(self._workers[-1], [self._alone.popleft()])
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
        with contextlib.suppress(OSError):  # a dead worker: its socket's end will be read, and the tasks given out anew
            worker.sock.sendall(b"".join(frame(task.payload) for task in batch))

    def _set_clock(self, worker: _Worker) -> None:
        worker.started = time.monotonic()
        patience = 2 * PATIENCE if worker.tasks and worker.tasks[0].tried else PATIENCE
        worker.deadline = worker.started + patience * self._limit if worker.tasks else float("inf")

    def _receive(self, worker: _Worker) -> None:
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
            self._bury(worker, "ended")
        elif spent or worker.served >= TASKS_A_WORKER:
            self._bury(worker, "replaced")

    def _resolve(self, task: _Task, result: Result) -> None:
        self._futile = 0
        self._stats["tasks"] += 1
        self._stats[result.status] += 1
        if task.future.set_running_or_notify_cancel():
            task.future.set_result(result)

    def _hire(self) -> None:
        if not self._maker.alive:
            self._stats["zygotes"] += 1
            self._maker.start()
            if self._maker.control is not None:
                self._selector.register(self._maker.control, selectors.EVENT_READ)
        worker = _Worker(*self._maker.fork())
        worker.sock.settimeout(2 * self._limit + 1)  # for a worker that is stopped while being written to
        self._workers.append(worker)
        self._selector.register(worker.sock, selectors.EVENT_READ, worker)

    def _bury(self, worker: _Worker, why: Literal["ended", "late", "replaced"]) -> None:
        code = self._maker.bury(worker.handle)  # before anything changes: if the maker is gone, `_reset` sees it all
        self._stats["restarts"] += 1
        seconds = time.monotonic() - worker.started
        task = self._dismiss(worker, blameless=why == "replaced")
        if task is None:
            return
        if code == -getattr(signal, "SIGPROF", 0):
            self._resolve(task, Result("cpu_limit", None, f"used up {self._limit:g} s of CPU time", seconds))
        elif why == "late":
            self._again(task, Result("wall_limit", None, f"no answer within {seconds:.1f} s", seconds))
        else:
            self._again(task, Result("died", None, f"the worker was ended by {_name(code)}", seconds))

    def _dismiss(self, worker: _Worker, blameless: bool = False) -> _Task | None:
        """Let go of a worker. Its tasks are queued anew, save the one in flight, which is returned."""
        self._workers.remove(worker)
        self._selector.unregister(worker.sock)
        worker.sock.close()
        task = worker.tasks.popleft() if worker.tasks and not blameless else None
        self._queue.extendleft(reversed(worker.tasks))
        return task

    def _again(self, task: _Task, result: Result) -> None:
        """Once more, with the pool to itself; the second time, that is its result."""
        if task.tried:
            self._resolve(task, result)
        else:
            self._stats["retries"] += 1
            task.tried = True
            self._alone.append(task)

    def _reset(self, reason: str) -> None:
        """Begin anew after the maker's end, with every task that is not done."""
        self._stop()
        self._futile += 1
        self._stats["restarts"] += len(self._workers)
        for worker in list(self._workers):
            if task := self._dismiss(worker):
                self._again(task, Result("died", None, "the zygote was killed"))
        if self._futile >= START_ATTEMPTS:
            raise PluginError(
                f"the workers of {self._maker.target!r} ended {self._futile} times in a row before any of them gave an "
                f"answer{reason and f' ({reason})'}; is there enough memory, and may this process start others?"
            )

    def _stop(self) -> None:
        if self._maker.control is not None:
            with contextlib.suppress(KeyError):  # it ended before it was ready
                self._selector.unregister(self._maker.control)
        self._maker.stop()

    def _finish(self) -> None:
        with self._lock:
            self._closed = True
        in_flight = [self._dismiss(worker) for worker in list(self._workers)]
        self._stop()
        for task in [*filter(None, in_flight), *self._alone, *self._queue]:
            if self._error is None:
                self._resolve(task, Result("died", detail="the pool was closed"))
            elif task.future.set_running_or_notify_cancel():
                task.future.set_exception(self._error)
        self._selector.close()
        self._bell.close()
        self._wake.close()


def _unpickled(payload: bytes) -> Result:
    try:
        return Result(*pickle.loads(payload))
    except Exception as error:
        return Result("error", detail=f"the result cannot be unpickled: {error}")


def _name(code: int) -> str:
    return signal.Signals(-code).name if -code in set(signal.Signals) else f"exit code {code}"
