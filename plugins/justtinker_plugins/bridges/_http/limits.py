"""What one request may ask for, what the server takes on at once, and how it refuses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a server. A request beyond them is refused with a sentence and never scored 0."""

    max_bytes: int = 16 * MIB
    """The longest body of a request."""
    max_texts: int = 1024
    """The most responses in a request."""
    seconds: float = 60.0
    """From the first byte of a request to its answer."""
    jobs: int = field(default_factory=lambda: max(4, os.cpu_count() or 1))
    """Requests that are scored at the same time, each in a thread. Verifiers may own processes besides."""
    queue: int = 256
    """Requests that wait for a thread; one more is refused."""
    max_tokens: int = 1 << 24
    """The most tokens of all responses in a request. Only their number is sent, but each takes memory here."""


class RefusedError(Exception):
    """A request that gets an error instead of an answer."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = dict(headers or {})
