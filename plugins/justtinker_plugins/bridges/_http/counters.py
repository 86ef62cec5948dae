"""What the server has done: for ``/metrics`` in Prometheus's format, and for the lines that a person reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from justtinker_core.types import OUTCOMES
from justtinker_plugins.bridges._http.desk import Desk

BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0)
"""Upper bounds of the histogram of seconds."""


class Counters:
    """Requests by endpoint and status, their seconds, and responses by outcome."""

    def __init__(self, prometheus: Any, desk: Desk) -> None:
        self.statuses: Counter[int] = Counter()
        self.outcomes: Counter[str] = Counter()
        self._prometheus = prometheus
        self._registry = registry = prometheus.CollectorRegistry()
        self._requests = prometheus.Counter(
            "justtinker_requests", "Requests answered.", ["endpoint", "status"], registry=registry
        )
        self._seconds = prometheus.Histogram(
            "justtinker_request_seconds", "Seconds to an answer.", ["endpoint"], buckets=BUCKETS, registry=registry
        )
        self._responses = prometheus.Counter(
            "justtinker_responses", "Responses judged.", ["outcome"], registry=registry
        )
        for outcome in OUTCOMES:
            self._responses.labels(outcome)
        waiting = prometheus.Gauge("justtinker_queue_depth", "Requests that wait for a thread.", registry=registry)
        waiting.set_function(lambda: desk.waiting)
        working = prometheus.Gauge("justtinker_in_flight", "Requests that are being scored.", registry=registry)
        working.set_function(lambda: desk.working)

    @property
    def requests(self) -> int:
        """How many requests have been answered."""
        return self.statuses.total()

    def add(self, endpoint: str, status: int, seconds: float, outcomes: Mapping[str, int]) -> None:
        """Count one request. Called from the event loop's thread only."""
        self.statuses[status] += 1
        self._requests.labels(endpoint, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)
        for outcome, number in outcomes.items():
            self.outcomes[outcome] += number
            self._responses.labels(outcome).inc(number)

    def exposition(self) -> bytes:
        """Return the text of ``/metrics``, in version 0.0.4 of the format."""
        text: bytes = self._prometheus.generate_latest(self._registry)
        return text
