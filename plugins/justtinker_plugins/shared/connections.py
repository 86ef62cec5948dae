"""Many HTTP requests at once: their clients, and what a server says about an error.

A pool of httpx looks at all its connections each time, so it stays small.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx

SHARE = 16
"""Connections of one client. With all 256 in one, 256 answers cost three times the processor time."""
LEAST_SECRET = 8
"""Characters of a key that is worth hiding."""


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


def sentence_of(text: str) -> str:
    """Return what a server says about an error: OpenAI's way, vLLM's, FastAPI's, or the text itself."""
    with suppress(ValueError, RecursionError):
        found = json.loads(text)
        for key in ("error", "message", "detail"):
            if isinstance(found, dict) and key in found:
                found = found[key]
        text = found if isinstance(found, str) else json.dumps(found)
    return " ".join(text.split())[:300]


def is_on_this_machine(url: str) -> bool:
    """Return whether an address is of this machine itself."""
    host = urlsplit(url).hostname or ""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def client_settings(url: str, key: str) -> dict[str, Any]:
    """Return how an httpx client is made: with which key, and by no proxy if it asks this machine."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return {"headers": headers, "trust_env": not is_on_this_machine(url), "follow_redirects": False}


def without_key(text: str, key: str) -> str:
    """Return a text without the key. A key as short as "EMPTY", for a server that wants any, is no secret."""
    return text.replace(key, "[key]") if len(key) >= LEAST_SECRET else text


def check_address(name: str, url: str, path: str, place: str) -> None:
    """Raise ValueError for an address that is none, or that holds a secret. The text does not repeat it then.

    `name` is the option's, `path` what such addresses end with, and `place` is where a key belongs.
    """
    try:
        parts = urlsplit(url)
        port = parts.port  # raises for one that is no number
    except ValueError:
        raise ValueError(f"{name}: expected http://HOST:PORT{path}, got an address that cannot be read") from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{name}: expected no password and no query in it; put the key into {place}")
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError(f"{name} = {url!r}: expected http://HOST:PORT{path} or https://HOST{path}")
