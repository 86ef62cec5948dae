"""The event loop on which the coroutines of a run's plugins wait together, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds that `close` gives cancelled coroutines to end."""


class EventLoop:
    """An asyncio event loop. It starts when it is first used, and ends with `close`; then it can be used again.

    `threads`: how many plain functions run at once for coroutines that wait for them.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine. Cancelling the future cancels the coroutine."""
        with self._lock:
            loop = self._loop or self._start()
        return asyncio.run_coroutine_threadsafe(work, loop)

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

    def close(self) -> None:
        """Cancel what still waits, and end the thread. Safe to call twice."""
        with self._lock:
            loop, thread, pool = self._loop, self._thread, self._pool
            self._loop = self._thread = self._pool = None
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
