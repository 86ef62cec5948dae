"""A thread that runs jobs in order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any


class Worker:
    """Runs jobs in order in a daemon thread: one that hangs in the SDK must not keep the process alive."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, job: Callable[..., None], *arguments: Any) -> None:
        """Queue a job, which must not raise. After `close`, it is dropped."""
        self._jobs.put(lambda: job(*arguments))
        with self._lock:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Run no further job. A job under way goes on; nobody waits for it."""
        with self._lock:
            self._closed = True
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None and not self._closed:
            job()
            del job  # it holds what it was given
