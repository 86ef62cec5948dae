"""The event loop on which the coroutines of a run's plugins wait together, in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds that `close` gives cancelled coroutines to end."""


class EventLoop:
    """An asyncio event loop. It starts when it is first used, in a forked process too, and ends with `close`.

    `threads`: how many plain functions run at once for coroutines that wait for them.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._closed = False
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._limits: dict[str, asyncio.Semaphore] = {}

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine. Cancelling the future cancels the coroutine. RuntimeError if the loop is closed."""
        if self._pid != os.getpid():  # a fork has no threads of its parent
            self._forget()
        with self._lock:
            if self._closed:
                work.close()
                raise RuntimeError("the run has ended: nothing is judged any more")
            loop = self._loop or self._start()
            return asyncio.run_coroutine_threadsafe(work, loop)

    def limit(self, name: str, most: int) -> asyncio.Semaphore:
        """The semaphore of this name, for coroutines on this loop."""
        return self._limits.setdefault(name, asyncio.Semaphore(most))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end and return its result. Ctrl-C cancels it. RuntimeError on the loop itself."""
        if self.is_here():
            work.close()
            raise RuntimeError("a coroutine cannot wait for another one without await: call this from a plain function")
        future = self.submit(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def is_here(self) -> bool:
        """Return whether the caller runs on this loop."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def is_cancelling(self) -> bool:
        """Return whether somebody has cancelled the coroutine that calls this."""
        task = asyncio.current_task() if self.is_here() else None
        return task is not None and task.cancelling() > 0

    async def in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a plain function in one of the threads, and await its result."""

        def call() -> tuple[Any, BaseException | None]:
            try:
                return function(*arguments), None
            except BaseException as error:  # asyncio would lose a StopIteration and wait for ever
                return None, error

        assert self._loop is not None
        answer, error = await self._loop.run_in_executor(self._pool, call)
        if error is not None:
            raise error
        return answer

    def close(self, again: bool = False) -> None:
        """Cancel what still waits, and end the thread. Safe to call twice. `again`: the loop may be used again."""
        if self._pid != os.getpid():
            self._forget()
        with self._lock:
            loop, thread, pool = self._loop, self._thread, self._pool
            self._loop = self._thread = self._pool = None
            self._limits, self._closed = {}, not again
        if loop is None or thread is None or pool is None:
            return
        pool.shutdown(wait=False, cancel_futures=True)
        with suppress(Exception):
            asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(2 * PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)

    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.new_event_loop()
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="judge")
        self._thread = threading.Thread(target=_run, args=(self._loop,), name="event loop", daemon=True)
        self._thread.start()
        return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until it is stopped, even if a task calls sys.exit(), which would end it."""
    while True:
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt):
            continue
        break
    loop.close()


async def _cancel_all() -> None:
    """Cancel all tasks but this one, and give them time to end."""
    if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=PATIENCE)
