"""Post what the monitors find to a webhook: a chat channel, a pager, a phone.

Each message is a JSON object ``{"text": "..."}``, which Slack, Mattermost and many others accept. It posts the warnings
and stops of every monitor, and how the run ended. Findings reach a plugin through `report_step`, with their source; a
plugin with `inspect_step` sees numbers, but not the findings of other monitors.

It never holds up the run: a thread of its own posts from a queue of at most `waiting` messages; what does not fit is
dropped and counted. A dead or slow server costs only one line in the log. The end of the run waits at most
`last_seconds` for what is still in the queue.

A webhook's address is a secret: whoever knows it can post. It comes from the environment, and only the kind of an error
is logged, since the texts of urllib may hold the address.

What can go wrong. Messages hold numbers and words of your run, so mind who reads the channel. They are not sent again,
so a message is lost if the server fails just then; the run directory keeps the full records.

    [plugins]
    enable = ["webhook", "thresholds"]

    [plugins.webhook]
    url_from = "ALERTS_WEBHOOK"     # the environment variable that holds the address

    [local_plugins]
    webhook = "webhook.py:Webhook"
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from justtinker_core import Finding, RunContext, StepStats, hookimpl, plugin

log = logging.getLogger(__name__)


@plugin
class Webhook:
    """Posts warnings, stops and the end of the run to a webhook."""

    url_from: str = "JUSTTINKER_WEBHOOK"
    """The environment variable that holds the address."""
    waiting: Annotated[int, Field(ge=1)] = 100
    """Most messages in the queue."""
    seconds: Annotated[float, Field(gt=0)] = 10.0
    """Longest time for a request."""
    last_seconds: Annotated[float, Field(ge=0)] = 5.0
    """Longest wait for the queue at the end of the run."""

    def __post_init__(self) -> None:
        self._queue: queue.Queue[str] = queue.Queue(self.waiting)
        self._dropped, self._logged, self._thread = 0, False, threading.Thread(target=self._post_all, daemon=True)

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """A complaint if there is no address; it never quotes the variable."""
        good = os.environ.get(self.url_from, "").startswith(("https://", "http://"))
        return [] if good else [f"webhook: the environment variable {self.url_from} holds no http(s) address"]

    @hookimpl
    def report_step(self, run: RunContext, stats: StepStats, findings: Sequence[Finding]) -> None:
        """Queue all findings but mere information."""
        for found in findings:
            if found.level != "info":
                self._enqueue(f"{run.config.run.name} step {stats.step}: {found.level} {found.source}: {found.message}")

    @hookimpl
    def finish_run(self, run: RunContext, status: str) -> None:
        """Queue how the run ended, then wait a little."""
        lost = f" ({self._dropped} messages dropped)" if self._dropped else ""
        self._enqueue(f"{run.config.run.name} {status} at step {run.step}{lost}")
        deadline = time.monotonic() + self.last_seconds
        while self._queue.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.01)

    def _enqueue(self, text: str) -> None:
        if not self._thread.ident:
            self._thread.start()
        try:
            self._queue.put_nowait(text)
        except queue.Full:
            self._dropped += 1

    def _post_all(self) -> None:
        while True:
            text = self._queue.get()
            try:
                body = json.dumps({"text": text}).encode()
                request = urllib.request.Request(os.environ[self.url_from], body, {"Content-Type": "application/json"})
                with urllib.request.urlopen(request, timeout=self.seconds):
                    pass
            except Exception as error:
                self._log_once(error)
            finally:
                self._queue.task_done()

    def _log_once(self, error: Exception) -> None:
        if not self._logged:
            self._logged = True
            code = f" {error.code}" if isinstance(error, urllib.error.HTTPError) else ""
            log.warning("webhook: posting failed: %s%s (logged once)", type(error).__name__, code)
