"""Send chat completions to an endpoint, again and again if that may help, within limits and budget.

The key stands in one header of the HTTP client and nowhere else; texts that come from the server are searched for it,
as some servers repeat it. Redirects are not followed: they would carry it elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from justtinker_plugins.shared.connections import Connections, client_settings, sentence_of, without_key
from justtinker_plugins.shared.foreign import package
from justtinker_plugins.shared.judge.budget import Cost, Meter, NoAnswerError, Prices, RequestError
from justtinker_plugins.shared.judge.limits import Pace
from justtinker_plugins.shared.judge.options import JudgeOptions
from justtinker_plugins.shared.judge.replies import Usage, usage_of
from justtinker_plugins.shared.secret import token_of

if TYPE_CHECKING:
    import httpx

EXTRA = "justtinker[judge]"
MOST_SECONDS = 60.0
"""The longest wait that we choose before another try."""
MOST_ASKED = 600.0
"""The longest wait that a server may ask for; who asks for more is not asked again."""
MOST_BYTES = 4 << 20
"""The longest reply."""
CONNECT_SECONDS = 20.0
"""For the connection; what cannot be sent costs nothing, so this ends before the time for the whole answer does."""
GATEWAY_TIMEOUTS = (504, 524)
"""Statuses by which a server in between says that it has waited too long: the one behind it may have gone on."""
AGAIN = (408, 409, 429)
"""Statuses below 500 after which another try may help."""
CHARACTERS_PER_TOKEN = 3
"""Low, so that an estimate of tokens is too high rather than too low."""


class BadRequestError(NoAnswerError):
    """The endpoint refused the request itself: another one may be accepted."""


class TryAgainError(RequestError):
    """A try failed in a way that may pass; `seconds` is what the server asks to wait."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint answered, as JSON, and what it has cost."""

    payload: dict[str, Any]
    cost: Cost


def key_of(options: JudgeOptions) -> str:
    """Return the key from the environment; '' if there is none. PluginError, without it, if it fits no header."""
    return token_of(options.key_variable) if options.key_variable else ""


def settings_of(options: JudgeOptions) -> dict[str, Any]:
    """Return how both clients are made."""
    return client_settings(options.base_url, key_of(options))


class Endpoint:
    """One endpoint, for one event loop. PluginError if httpx is missing or the key fits no header."""

    def __init__(self, options: JudgeOptions, meter: Meter) -> None:
        self._httpx = package("httpx", "the judge", EXTRA)
        self._options, self._meter = options, meter
        self._key = key_of(options)
        self._prices = Prices(options.usd_per_million_input or 0.0, options.usd_per_million_output or 0.0)
        self._pace = Pace(options.requests_per_minute, options.tokens_per_minute)
        connect = min(CONNECT_SECONDS, options.timeout / 2)
        settings = settings_of(options) | {"timeout": self._httpx.Timeout(options.timeout, connect=connect)}
        self._connections = Connections(self._httpx, options.in_flight, settings)

    async def close(self) -> None:
        """Close all connections."""
        await self._connections.close()

    def hide_key(self, text: str) -> str:
        """Return a text without the key, if that is a secret."""
        return without_key(text, self._key)

    async def ask(self, body: Mapping[str, Any]) -> Answer:
        """Post a request. Raises NoAnswerError, with the cost of all tries, or BudgetSpentError."""
        data, total = json.dumps(body).encode(), Cost()
        for attempt in range(1, self._options.tries + 1):
            try:
                async with self._connections.place() as client:
                    answer = await self._try(client, data)
                return Answer(answer.payload, total + answer.cost)
            except NoAnswerError as error:
                error.cost = total + error.cost
                raise
            except TryAgainError as error:
                total += error.cost
                if attempt == self._options.tries or (error.seconds or 0.0) > MOST_ASKED:
                    tries = f" ({attempt} tries)" if attempt > 1 else ""
                    failure = NoAnswerError(f"{error}{tries}")
                    failure.cost = total
                    raise failure from error
                await self._pause(attempt, error.seconds)
        raise AssertionError("tries >= 1")

    async def _pause(self, attempt: int, asked: float | None) -> None:
        if asked is not None:
            self._pace.hold(asked)  # the others would only be refused, too
        await asyncio.sleep(max(seconds_before(attempt + 1, self._options.backoff), asked or 0.0))

    async def _try(self, client: httpx.AsyncClient, data: bytes) -> Answer:
        """Post once. Money and tokens are set aside for the longest reply, then corrected.

        What was sent and neither answered in full nor refused stays the price of the longest reply: the server may
        have gone on, and send a bill.
        """
        expected = Usage(len(data) // CHARACTERS_PER_TOKEN, self._options.max_tokens)
        entry = await self._pace.pass_with(expected.input + expected.output)
        reserved = self._prices.usd(expected)
        await self._meter.reserve(reserved)
        used = expected
        try:
            payload = await self._post(client, data)
            used = usage_of(payload) or expected
        except RequestError as error:
            used = Usage(0, 0) if error.is_free else expected
            error.cost = Cost(1, self._prices.usd(used))
            raise
        finally:
            self._meter.settle(reserved, self._prices.usd(used))
            self._pace.correct(entry, used.input + used.output)
        return Answer(payload, Cost(1, self._prices.usd(used)))

    async def _post(self, client: httpx.AsyncClient, data: bytes) -> dict[str, Any]:
        url, httpx = f"{self._options.base_url}/chat/completions", self._httpx
        headers, status = {"Content-Type": "application/json"}, 0
        try:
            async with (
                asyncio.timeout(self._options.timeout),
                client.stream("POST", url, content=data, headers=headers) as response,
            ):
                status = response.status_code
                text = await read(response)
        except (httpx.TransportError, OSError) as error:
            unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            late = isinstance(error, TimeoutError | httpx.TimeoutException) and not unsent
            said = str(error) or type(error).__name__
            why = f"gave no answer within {self._options.timeout:g} s" if late else f"cannot be reached: {said}"
            failure = TryAgainError(f"{url} {why}")
            failure.is_free = unsent or is_refused(status)
            raise failure from None
        except httpx.HTTPError as error:
            raise NoAnswerError(f"{url} cannot be understood: {error}") from None
        if status == 200:
            return parsed(url, text)
        refused = refusal(url, status, self.hide_key(text), response.headers.get("Retry-After", ""))
        if status in (401, 403) and not self._key:
            refused = NoAnswerError(f"{refused} (no key was sent: {self._options.key_variable or 'a key'} is not set)")
        refused.is_free = is_refused(status)
        raise refused


def is_refused(status: int) -> bool:
    """Whether a status, 0 if there is none yet, says that the server has done nothing that it could send a bill for."""
    return status not in (0, 200, *GATEWAY_TIMEOUTS)


def seconds_before(attempt: int, backoff: float) -> float:
    """Return how long to wait before a try: twice as long each time, and not in step with others."""
    return float(min(backoff * 2 ** (attempt - 2), MOST_SECONDS)) * random.uniform(0.5, 1.5)


async def read(response: httpx.Response) -> str:
    """Read an answer of at most `MOST_BYTES`."""
    parts, size = [], 0
    async for part in response.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise NoAnswerError(f"the answer is longer than {MOST_BYTES:,} bytes")
    return b"".join(parts).decode("utf-8", "replace")


def parsed(url: str, text: str) -> dict[str, Any]:
    """Read an answer as a JSON object. It may still hold no reply."""
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        raise NoAnswerError(f"{url} answers 200 without JSON: is base_url the address of an OpenAI-like API?") from None
    if not isinstance(payload, dict):
        raise NoAnswerError(f"{url} answers 200 with JSON that is no object")
    return payload


def refusal(url: str, status: int, text: str, retry_after: str) -> NoAnswerError | TryAgainError:
    """Put an error status into words, with the server's own sentence."""
    said = sentence_of(text)
    reason = f"{url} answers {status}{said and ': '}{said}"
    if status == 429 and "insufficient_quota" in text:
        return NoAnswerError(reason)
    if status in AGAIN or status >= 500:
        return TryAgainError(reason, seconds_of(retry_after))
    return BadRequestError(reason) if status in (400, 422) else NoAnswerError(reason)


def seconds_of(retry_after: str) -> float | None:
    """Read Retry-After: seconds, or a date. None if it is neither."""
    with suppress(ValueError):
        return max(float(retry_after), 0.0)
    with suppress(ValueError, TypeError):
        return max((parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds(), 0.0)
    return None
