"""Posts JSON to a server, again and again if that may help, and says in words why there is no answer."""

from __future__ import annotations

import http.client
import ipaddress
import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from justtinker_plugins.verifiers._http_verifier.memory import Memory

MOST_SECONDS = 30.0
"""The longest wait before another try."""
MOST_BYTES = 64 << 20
"""The longest answer."""
PROBE_SECONDS = 10.0
"""How long `Client.complaint` waits for an answer."""


GONE = (401, 403, 404)
"""Statuses of a server that judges nothing for us."""
UP = (400, 422, 429, 500, 503, 504)
"""Statuses of a server that is there, and cannot judge an example, or not now."""
BUSY = 429
TIMED_OUT = 504
"""Asked again, a response that takes too long to judge would hold up the server once more."""
ADVICE = {401: "set its token in the environment (token_variable names it)", 409: "it cannot serve its own rewards so"}


class NoAnswerError(Exception):
    """The server gave no answer. The text says why."""


class AnswerError(Exception):
    """The server gave an answer that holds no verdict. The text says what is wrong with it."""


class TryAgainError(Exception):
    """A try failed in a way that may pass; `seconds` is what the server asks to wait."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it would carry the token to another server."""

    def redirect_request(self, *_: Any) -> None:
        """Make the redirect an error."""


@dataclass(frozen=True, slots=True)
class Client:
    """One server's address, and how patient to be with it. Its token is in no text that it makes."""

    url: str
    token: str = field(repr=False)
    timeout: float
    tries: int
    backoff: float
    memory: Memory = field(default_factory=Memory)
    """Shared by the clients of one plugin: what one of them finds out, the others need not."""

    def ask(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Post a JSON object and return the answer. Raises NoAnswerError or AnswerError."""
        if reason := self.memory.refused():
            raise NoAnswerError(reason)
        data, attempt, waited = json.dumps(body).encode(), 0, 0.0
        while True:
            attempt += 1
            try:
                answer = self._post(data, self.timeout)
            except TryAgainError as error:
                if attempt >= self.tries or self.memory.gone:
                    reason = f"{error} ({attempt} tries)" if attempt > 1 else str(error)
                    self.memory.failed(reason, gone=error.seconds is None and status_of(error) != BUSY)
                    raise NoAnswerError(reason) from error
                seconds = self._pause(attempt, error.seconds)
                waited += seconds
                self.memory.waits(waited, str(error))
                time.sleep(seconds)
            except NoAnswerError as error:
                if status_of(error) in GONE:
                    self.memory.failed(str(error), gone=True)
                raise
            else:
                self.memory.answered(self.url)
                return parsed(answer)

    def _pause(self, attempt: int, asked: float | None) -> float:
        usual = self.backoff * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)
        return min(usual if asked is None else asked, MOST_SECONDS)

    def complaint(self, example: Mapping[str, Any]) -> str:
        """Say what is wrong with the server, as far as one try shows; '' if nothing is.

        It need not be able to judge the example: it may have problems of another sort, or be busy. What is wrong is
        remembered for a short while, in which `ask` asks nothing.
        """
        reason = advice = ""
        try:
            self._post(json.dumps(example).encode(), min(self.timeout, PROBE_SECONDS))
        except (NoAnswerError, TryAgainError) as error:
            if (status := status_of(error)) not in UP:
                reason, advice = str(error), ADVICE.get(status, "is the server running, and the url right?")
        self.memory.complained(reason)
        return reason and f"{reason}; {advice}"

    def _post(self, data: bytes, seconds: float) -> bytes:
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self.token}"} if self.token else {}
        )
        request = urllib.request.Request(self.url, data, headers)
        deadline = time.monotonic() + seconds
        try:
            with opener(self.url).open(request, timeout=seconds) as response:
                return read(response, deadline)
        except urllib.error.HTTPError as error:
            with error:
                raise refusal(self.url, error) from error
        except TimeoutError as error:
            raise NoAnswerError(f"{self.url} gave no answer within {seconds:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            if isinstance(cause, TimeoutError):
                raise NoAnswerError(f"{self.url} gave no answer within {seconds:g} s") from error
            raise TryAgainError(f"{self.url} cannot be reached: {cause or type(cause).__name__}") from error


def status_of(error: Exception) -> int:
    """Return the status that an error was made of; 0 if there was no answer."""
    return error.__cause__.code if isinstance(error.__cause__, urllib.error.HTTPError) else 0


def opener(url: str) -> urllib.request.OpenerDirector:
    """Return what opens URLs: without redirects, and without a proxy to this machine itself."""
    host = urlsplit(url).hostname or ""
    local = host == "localhost"
    with suppress(ValueError):
        local = ipaddress.ip_address(host).is_loopback
    return urllib.request.build_opener(NoRedirects, *([urllib.request.ProxyHandler({})] if local else []))


def read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """Read an answer that must not trickle in for longer than the deadline."""
    parts, size = [], 0
    while part := response.read1(1 << 16):
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise NoAnswerError(f"the answer is longer than {MOST_BYTES:,} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError
    if response.length:  # as Content-Length promised
        raise http.client.IncompleteRead(b"".join(parts), response.length)
    return b"".join(parts)


def refusal(url: str, error: urllib.error.HTTPError) -> NoAnswerError | TryAgainError:
    """Put an error status into words, with the server's own sentence."""
    text = ""
    with suppress(OSError, http.client.HTTPException):
        text = error.read(2000).decode("utf-8", "replace").strip()
    with suppress(ValueError, TypeError, KeyError):
        text = str(json.loads(text)["error"])
    reason = f"{url} answers {error.code}{text and ': '}{text:.300}"
    if error.code == TIMED_OUT or (error.code != BUSY and error.code < 500):
        return NoAnswerError(reason)
    seconds = None
    with suppress(ValueError):  # it may also be a date
        seconds = max(float(error.headers.get("Retry-After", "")), 0.0)
    return TryAgainError(reason, seconds)


def parsed(data: bytes) -> dict[str, Any]:
    """Read the answer as a JSON object; AnswerError if it is none."""
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise AnswerError(f"the server's answer is no JSON ({error})") from None
    if not isinstance(answer, dict):
        raise AnswerError(f"the server's answer: expected a JSON object, got {data[:40]!r}")
    return answer
