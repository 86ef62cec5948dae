"""Threads that score, and a queue with an end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any


class Desk:
    """A pool of threads that says no when its queue is full.

    Its threads are daemons: one that hangs in a plugin does not keep the process from ending.
    """

    def __init__(self, jobs: int, queue: int) -> None:
        self.working = self.waiting = 0
        self._most = jobs + queue
        self._lock = threading.Lock()
        self._queue: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"score-{i}", daemon=True) for i in range(jobs)]
        for thread in self._threads:
            thread.start()

    def take(self, job: Callable[[], Any]) -> Future[Any] | None:
        """Queue a job; None if there is no place for it. A job that has not begun can be cancelled."""
        with self._lock:
            if self.working + self.waiting >= self._most:
                return None
            self.waiting += 1
        future: Future[Any] = Future()
        self._queue.put((future, job))
        return future

    def close(self) -> None:
        """Let the threads end when the queue is empty."""
        for _ in self._threads:
            self._queue.put(None)

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            future, job = item
            begun = future.set_running_or_notify_cancel()
            self._count(waiting=-1, working=int(begun))
            if not begun:
                continue
            result: Any = None
            error: Exception | None = None
            try:
                result = job()
            except Exception as raised:
                error = raised
            except BaseException as raised:  # a SystemExit would end the event loop that waits for the answer
                error = RuntimeError(repr(raised))
            self._count(working=-1)  # before the answer: whoever gets it finds the place free
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    def _count(self, waiting: int = 0, working: int = 0) -> None:
        with self._lock:
            self.waiting += waiting
            self.working += working
