"""Replies on the disk, in SQLite, for all processes of this machine. Only verdicts that could be read are kept.

The key is a digest of everything that goes into a request, so no question or response is stored; the reply is, with the
judge's reason. Use a file on a local disk: SQLite's locks are not safe on every network file system.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from justtinker_core import PluginError
from justtinker_plugins.shared.folders import cache_folder

T = TypeVar("T")
PATIENCE = 30.0
"""Seconds to wait while another process writes."""


def usual_place() -> Path:
    """Return the file in the user's cache folder."""
    return cache_folder() / "judge.sqlite"


def key_of(parts: Mapping[str, Any]) -> str:
    """Digest everything that goes into a request."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def write_ahead(file: sqlite3.Connection) -> None:
    """Let processes read while another one writes. SQLite does not wait here if they all make the file at once."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            file.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
        time.sleep(0.02)


class CacheError(Exception):
    """The file cannot be used any more. The text says why."""


class Cache:
    """A file of replies by key. PluginError if the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # one thread: what waits for another process does not hold up the event loop
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="judge cache")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, PATIENCE, isolation_level=None, check_same_thread=False)
            write_ahead(self._file)
            self._file.execute("PRAGMA synchronous = NORMAL")
            self._file.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL)")
        except (OSError, sqlite3.Error) as error:
            raise PluginError(
                f"the cache of replies {path} cannot be used ({error}): name another file with cache, delete it, or "
                "set cache = false"
            ) from None

    async def get(self, key: str) -> dict[str, Any] | None:
        """Return a reply; None if there is none."""
        row = await self._call(lambda: self._file.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone())
        found: dict[str, Any] | None = json.loads(row[0]) if row else None
        return found

    async def put(self, key: str, reply: Mapping[str, Any]) -> None:
        """Keep a reply; the first one stays."""
        text = json.dumps(reply)
        await self._call(lambda: self._file.execute("INSERT OR IGNORE INTO replies VALUES (?, ?)", (key, text)))

    def close(self) -> None:
        """Close the file, after what is under way."""
        self._thread.submit(self._file.close)
        self._thread.shutdown(wait=False)

    async def _call(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise CacheError(f"the cache of replies {self.path} failed: {error}") from None
