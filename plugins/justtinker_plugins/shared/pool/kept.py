"""A pool that a plugin keeps: made when it is first needed, ended with the run, and made again if it is used again."""

from __future__ import annotations

import threading
from collections.abc import Callable

from justtinker_plugins.shared.pool.pool import Pool


class KeptPool:
    """At most one pool at a time, whichever threads ask for it."""

    def __init__(self, make: Callable[[], Pool]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._pool: Pool | None = None

    def get(self) -> Pool:
        """Return the pool; make it if there is none."""
        with self._lock:
            if self._pool is None:
                self._pool = self._make()
            return self._pool

    def close(self) -> None:
        """End its processes. Safe to call twice."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()
