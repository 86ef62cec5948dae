"""How fast requests may follow each other: so many requests and tokens in any minute, and pauses a server asks for.

The window slides: whatever minute one looks at, no more than the limit falls into it. That is stricter than what most
servers do, so they have nothing to refuse.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

MINUTE = 60.0


@dataclass(slots=True)
class Entry:
    """A request within the window, and the tokens that it takes up."""

    at: float
    tokens: int
    counts: bool = True
    """False: it has left the window."""


@dataclass
class Pace:
    """Lets requests pass at the pace that is allowed; 0 is no limit. `clock` and `sleep` are for tests."""

    requests: int = 0
    tokens: int = 0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _window: deque[Entry] = field(default_factory=deque)
    _used: int = 0
    _held_until: float = 0.0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def hold(self, seconds: float) -> None:
        """Let nothing pass for so long: a server has asked for it."""
        self._held_until = max(self._held_until, self.clock() + seconds)

    async def pass_with(self, tokens: int) -> Entry:
        """Wait until a request of so many tokens may be sent; first come, first served.

        One request never waits for more than an empty window, whatever its size.
        """
        async with self._turn:
            while (wait := self._wait(tokens)) > 0:
                await self.sleep(wait)
            entry = Entry(self.clock(), tokens, counts=bool(self.requests or self.tokens))
            if entry.counts:
                self._window.append(entry)
                self._used += tokens
            return entry

    def correct(self, entry: Entry, tokens: int) -> None:
        """Put what a request has really used in place of what was expected."""
        if entry.counts:
            self._used += tokens - entry.tokens
            entry.tokens = tokens

    def _wait(self, tokens: int) -> float:
        """Seconds until the next thing that may let it pass; 0 if it may now."""
        now = self.clock()
        if now < self._held_until:
            return self._held_until - now
        while self._window and self._window[0].at <= now - MINUTE:
            gone = self._window.popleft()
            gone.counts = False
            self._used -= gone.tokens
        full = self.requests and len(self._window) >= self.requests
        heavy = self.tokens and self._used + tokens > self.tokens
        return self._window[0].at + MINUTE - now if self._window and (full or heavy) else 0.0
