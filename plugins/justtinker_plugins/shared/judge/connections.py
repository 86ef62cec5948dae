"""HTTP clients for many requests at once: a pool of httpx looks at all its connections each time, so it stays small."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

SHARE = 16
"""Connections of one client. With all 256 in one, 256 answers cost three times the processor time."""


class Connections:
    """Places for requests, as many as may be under way; those first in line share a client. For one event loop."""

    def __init__(self, httpx: Any, most: int, settings: dict[str, Any]) -> None:
        self._httpx = httpx
        self._settings = settings | {"verify": httpx.create_ssl_context(trust_env=settings["trust_env"])}
        self._limits = httpx.Limits(max_connections=SHARE, max_keepalive_connections=SHARE)
        self._clients: dict[int, httpx.AsyncClient] = {}
        self._free: asyncio.LifoQueue[int] = asyncio.LifoQueue()
        for place in reversed(range(most)):
            self._free.put_nowait(place)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[httpx.AsyncClient]:
        """Wait for a place, and give its client."""
        place = await self._free.get()
        try:
            number = place // SHARE
            if number not in self._clients:
                self._clients[number] = self._httpx.AsyncClient(**self._settings, limits=self._limits)
            yield self._clients[number]
        finally:
            self._free.put_nowait(place)

    async def close(self) -> None:
        """Close all connections."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()
