"""What the threads that ask a server know together: whether it answers. Says so when that changes."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field

log = logging.getLogger("justtinker")

REFUSED_SECONDS = 30.0
"""For so long after a complaint nobody asks the server: `check` tries many golds, and each would wait in vain."""
WARNED_SECONDS = 60.0
"""The least time from one warning of an outage to the next: a server that fails now and then would fill the log."""
LONG_SECONDS = 10.0
"""A longer wait is logged."""


@dataclass
class Memory:
    """What is known of one server."""

    gone: bool = False
    """Nothing is there that answers, so one try must do."""
    _complaint: tuple[str, float] = ("", 0.0)
    _failing: bool = False
    _warned: bool = False
    _waiting: bool = False
    _last: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def refused(self) -> str:
        """Return what `complained` was told a short while ago, or ''."""
        complaint, at = self._complaint
        return complaint if complaint and time.monotonic() - at < REFUSED_SECONDS else ""

    def complained(self, complaint: str) -> None:
        """Remember why the server is of no use, and when that was seen; forget it for ''."""
        self._complaint = complaint, time.monotonic()

    def failed(self, reason: str, gone: bool) -> None:
        """A request has no answer after all tries. Warn if that is new."""
        with self._lock:
            self.gone = gone
            if self._failing:
                return
            self._failing, now = True, time.monotonic()
            if self._last is None or now - self._last >= WARNED_SECONDS:
                self._warned, self._last = True, now
                log.warning("http_verifier: %s; responses are unscored until it answers", reason)

    def answered(self, url: str) -> None:
        """The server answers. Say so if it did not."""
        with self._lock:
            if self._warned:
                log.warning("http_verifier: %s answers again", url)
            self.gone = self._failing = self._warned = self._waiting = False

    def waits(self, seconds: float, reason: str) -> None:
        """A request will have waited so long for its next try. Say so once until the server answers."""
        with self._lock:
            if seconds > LONG_SECONDS and not self._waiting:
                self._waiting = True
                log.warning("http_verifier: %s; it has to wait %.0f s for another try", reason, seconds)
