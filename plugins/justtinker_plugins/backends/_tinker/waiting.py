"""Watch what a server has yet to answer: say what is awaited, and tell when the server is to be given up.

The SDK retries in silence, some requests without end. `listen` has its HTTP client tell of every exchange; in a version
without that client, lines say only what is awaited and since when.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any

log = logging.getLogger("justtinker")

KEY = "TINKER_API_KEY"
PERIOD = 30.0
"""Seconds until the first line about a server that does not do its work, and between two lines."""
LONG = 60.0
"""Seconds until the first line about a call that a server works on; the next comes when it has taken twice as long."""
BUSY = (402, 429, 503)
"""Statuses of a server that may answer later: the account cannot be billed, too many requests, no capacity."""
APART = ("session_heartbeat", "telemetry", "dynamic_config")
"""Last parts of paths that belong to no call."""
SHARED = "retrieve_futures"
"""The last part of a path by which one task of the SDK asks for the answers to several calls."""
MOST = 160
"""Characters of a server's words that are repeated."""


@dataclass(eq=False)
class Waited:
    """A call that has not been answered yet, and how the server has dealt with it. Times are of time.monotonic."""

    of: Waiting
    what: str
    since: float
    in_session: bool = False
    """It is about a model or sampler that this run made on the server."""
    held: bool = False
    """It waits for another call of ours."""
    tries: int = 0
    """Tries in a row that came to nothing."""
    status: int = 0
    """The status of the last of them; 0: no answer at all."""
    said: str = ""
    """What the server said last, or why it could not be asked."""
    heard: bool = False
    """The server has answered something, and no try has failed since."""
    failing: float | None = None
    """Since when every try has failed."""
    silent: float | None = None
    """Since when every try has failed in another way than by a status in BUSY."""
    path: str = ""

    def failed(self, path: str, status: int, said: str, begun: float) -> None:
        """Note a try, begun then, that came to nothing."""
        self.tries, self.status, self.said, self.path, self.heard = self.tries + 1, status, said, path, False
        self.failing = begun if self.failing is None else self.failing
        self.silent = None if status in BUSY else begun if self.silent is None else self.silent

    def answered(self, said: str) -> None:
        """Note an answer, be it that the work goes on."""
        self.tries, self.status, self.said, self.heard, self.failing, self.silent = 0, 0, said, True, None, None


CALL: ContextVar[Waited | None] = ContextVar("call", default=None)
"""The call that this thread makes. The SDK's tasks inherit it, so that each exchange finds its call."""


class Waiting:
    """The open calls to a server at `url`. Any thread may use it. `step` gives the run's step; 0 before the first."""

    def __init__(
        self, url: str, give_up_after: float, give_up_busy_after: float, step: Callable[[], int] = lambda: 0
    ) -> None:
        self.url, self.after, self.busy_after, self._step = url, give_up_after, give_up_busy_after, step
        self._lock = threading.Lock()
        self._open: list[Waited] = []
        self._good: dict[str, float] = {}
        self._progress: dict[str, float] = {}
        self._usual: dict[str, float] = {}
        self._told = self._next = 0.0

    def begin(self, what: str, in_session: bool = False) -> Waited:
        """Note that a call for `what` begins."""
        waited = Waited(self, what, time.monotonic(), in_session)
        with self._lock:
            self._open.append(waited)
        return waited

    def end(self, waited: Waited) -> None:
        """Note that a call has been answered, or given up."""
        now = time.monotonic()
        with self._lock:
            if waited in self._open:
                self._open.remove(waited)
                took = now - self._base(waited)
                self._usual[waited.what] = max(took, self._usual.get(waited.what, 0.0))
                self._progress[waited.what], self._next = now, 0.0

    def tell(self, waited: Waited, path: str, status: int, said: str, begun: float) -> None:
        """Note an exchange: a status, or 0 if there was no answer."""
        fine = status == 408 or (0 < status < 500 and status not in BUSY)  # the SDK ends on any other 4xx by itself
        with self._lock:
            if fine:
                self._good[path] = time.monotonic()
            for each in self._open:
                if each is waited or (path == SHARED and each.what == waited.what):
                    each.answered(said) if fine else each.failed(path, status, said, begun)

    def line(self, now: float) -> str:
        """A line about the call that has waited longest, if it is time for one; else ''."""
        with self._lock:
            calls = [call for call in self._open if not call.held]
            troubled = [call for call in calls if now - (now if call.failing is None else call.failing) >= PERIOD]
            if troubled and now - self._told >= PERIOD:
                self._told = now
                return self._trouble(min(troubled, key=lambda call: call.failing or now), now)
            if troubled or not calls:
                return ""
            longest = min(calls, key=self._base)
            took = now - self._base(longest)
            if took < max(LONG, self._next, 2 * self._usual.get(longest.what, 0.0)):
                return ""
            self._next = 2 * took
            word = "the server works on it" if longest.heard else "no word from the server yet"
            return f"{self._waiting(longest, took)}; {(longest.said and f'the server says: {longest.said}') or word}"

    def lost(self, now: float) -> str:
        """Why the server is to be given up; '' if it is not."""
        with self._lock:
            for call in self._open:
                if call.silent is not None and now - call.silent >= self.after:
                    return self.verdict(call, now, "give_up_after", self.after)
                since = call.failing
                if since is not None and now - max(since, self._good.get(call.path, since)) >= self.busy_after:
                    return self.verdict(call, now, "give_up_busy_after", self.busy_after)
        return ""

    def verdict(self, call: Waited, now: float, option: str = "", limit: float = 0.0) -> str:
        """Say for how long a call has failed, and what to do about it."""
        lasted = f"for {now - (call.since if call.failing is None else call.failing):.0f} s"
        inside = "; ".join(filter(None, [tries(call) if call.tries else "", call.said and f"last: {call.said}"]))
        inside = f" ({inside})" if inside else ""
        if call.status in BUSY:
            found, advice = f"{self.url} has answered only {call.status} {lasted}{inside}", BUSY_ADVICE[call.status]
        elif call.status:
            found = f"{self.url} has failed with {call.status} {lasted}{inside}"
            advice = "its log says why; when it works again, --resume the run"
        else:
            found = f"no answer from {self.url} {lasted}{inside}"
            advice = "start the server again, or mend the network, then --resume the run"
        if not self._step():  # there is no run to resume yet
            advice = advice.replace("--resume the run", "try again")
        gave_up = f" ([plugins.tinker] {option} = {limit:g})" if option else ""
        return f"{found}, waiting for {call.what}: {advice}{gave_up}"

    def _base(self, call: Waited) -> float:
        return max(call.since, self._progress.get(call.what, call.since))

    def _waiting(self, call: Waited, took: float) -> str:
        alike = sum(other.what == call.what for other in self._open)
        step, several = self._step(), f" ({alike} requests)" if alike > 1 else ""
        return f"{f'step {step}: ' if step else ''}waiting for {call.what}{several} for {took:.0f} s"

    def _trouble(self, call: Waited, now: float) -> str:
        if call.status:
            found = f"{self.url} answers {call.status}" + (f" ({call.said})" if call.said else "")
        else:
            found = f"no answer from {self.url} ({call.said})"
        if call.status == 402:
            found += ": add a payment method or credit in the Tinker console"
        limit = self.busy_after if call.silent is None else self.after
        return f"{self._waiting(call, now - call.since)}: {found}; {tries(call)}; giving up after {limit:g} s of this"


def tries(call: Waited) -> str:
    """How many tries in a row came to nothing."""
    return f"{call.tries} {'try' if call.tries == 1 else 'tries'}"


BUSY_ADVICE = {
    402: "the account cannot be billed; add a payment method or credit in the Tinker console, then --resume the run",
    429: "it is overloaded, or the account's limit is reached: --resume the run later, or ask for fewer samples a step",
    503: "it has no room: --resume the run later, or ask for fewer samples a step",
}


def listen(sdk_client: Any) -> bool:
    """Have the SDK's HTTP client, a class, tell of its exchanges. Returns whether it can."""
    send = getattr(sdk_client, "send", None)
    if send is None or getattr(send, "tells", False):
        return send is not None

    @wraps(send)
    async def telling(client: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        call, begun = CALL.get(), time.monotonic()
        path = request.url.path.rpartition("/")[2]
        if call is None or path in APART:
            return await send(client, request, *args, **kwargs)
        try:
            response = await send(client, request, *args, **kwargs)
        except Exception as error:
            call.of.tell(call, path, 0, reason_of(error), begun)
            raise
        call.of.tell(call, path, response.status_code, words_of(response), begun)
        return response

    telling.tells = True  # type: ignore[attr-defined]
    sdk_client.send = telling
    return True


def sdk() -> Any:
    """Import the SDK; its client tells of its exchanges from now on."""
    import tinker
    import tinker._base_client as base

    if not listen(getattr(base, "AsyncHttpxClientWrapper", None)):
        warn_deaf()
    return tinker


@cache
def warn_deaf() -> None:
    """Warn, once, of a version of the SDK that does not tell how its requests fare."""
    log.warning("this version of the tinker SDK does not tell of its tries: a server that is gone is never given up")


def reason_of(error: BaseException) -> str:
    """Why there was no answer, in few words."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, OSError) and at.errno and at.errno > 0:
            return os.strerror(at.errno).lower()
        at = at.__cause__ or at.__context__
    if "Timeout" in type(error).__name__:
        return "it took too long"
    if found := re.search(r"\(os error (\d+)\)", str(error)):
        return os.strerror(int(found[1])).lower()
    return cut(str(error).rpartition(": ")[2] or type(error).__name__)  # the newest transport's causes come last


def words_of(response: Any) -> str:
    """What a server says in a short answer: why it refuses a request, or lets it wait."""
    try:
        if response.status_code == 200 and int(response.headers.get("content-length") or MOST**2) > 10 * MOST:
            return ""
        body = json.loads(response.content)
    except Exception:  # streamed, or no JSON
        return ""
    if not isinstance(body, dict):
        return ""
    if response.status_code in (200, 408):
        paused = str(body.get("queue_state") or "").startswith("paused")
        return cut(str(body.get("queue_state_reason") or body["queue_state"])) if paused else ""
    return cut(next((str(body[key]) for key in ("detail", "error", "message") if body.get(key)), ""))


def cut(text: str) -> str:
    """A server's words on one line, without keys, and not too many of them."""
    text = " ".join(scrubbed(text).split())
    return text if len(text) <= MOST else f"{text[:MOST]}..."


def scrubbed(text: str) -> str:
    """The text with everything that is, or looks like, a key blanked out."""
    key = os.environ.get(KEY)
    text = text.replace(key, "***") if key else text
    return re.sub(r"tml-[\w-]{8,}|eyJ[\w-]+\.[\w-]+\.[\w-]+", "***", text)
