"""A reward stack behind HTTP, for NeMo-Gym, OpenRLHF, slime and anything else: `make_app` gives an ASGI application.

``justtinker serve`` runs it. Scoring happens in a few threads; what does not fit into their queue is refused with 503
and Retry-After, so a client that retries loses nothing. Every error is a JSON object with one sentence, ``error``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from justtinker_core import PluginError, Scorer
from justtinker_core.errors import nearest
from justtinker_core.grading import GroupError
from justtinker_plugins.bridges import STANDARD
from justtinker_plugins.bridges._http.counters import Counters
from justtinker_plugins.bridges._http.desk import Desk
from justtinker_plugins.bridges._http.fields import parse
from justtinker_plugins.bridges._http.limits import MIB, Limits, RefusedError
from justtinker_plugins.bridges._http.shapes import Asked, Shape, shapes
from justtinker_plugins.bridges._stack import Config
from justtinker_plugins.shared.foreign import package

__all__ = ["EXTRA", "MIB", "Limits", "Service", "make_app", "shapes"]

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

EXTRA = "justtinker[serve]"
KINDS = {"/metrics": "text/plain; version=0.0.4; charset=utf-8"}
"""Content types that are not JSON."""
DRAINED = 4
"""A body beyond the limit is read on and forgotten, up to so many times the limit: else few clients see the answer."""


def make_app(
    config: Config = STANDARD,
    sets: Sequence[str] = (),
    plugins: Sequence[str] = (),
    *,
    limits: Limits | None = None,
    token: str = "",
    gold: str = "expected_answer",
    masked: bool = False,
) -> Starlette:
    """Return an ASGI application that scores with the config's rewards.

    `token`: what every request but ``/health`` must show as ``Authorization: Bearer``; '' asks for none. `gold`: the
    field of ``/verify`` that holds the gold answer. `masked`: ``/verify`` gives an unscored response, as NeMo-Gym does,
    the reward 0.0 with `mask_sample`, instead of null. PluginError if the config cannot score or a package is missing.
    """
    package("starlette", "the HTTP server", EXTRA)
    return Service(Scorer(config, sets, plugins), limits or Limits(), token, shapes(gold, masked)).app()


class Service:
    """The endpoints of one scorer. It closes the scorer when the application ends."""

    def __init__(self, scorer: Scorer, limits: Limits, token: str, endpoints: Sequence[Shape]) -> None:
        self.scorer, self.limits, self._token = scorer, limits, token
        self.endpoints = endpoints
        self.desk = Desk(limits.jobs, limits.queue)
        self.counters = Counters(package("prometheus_client", "the HTTP server", EXTRA), self.desk)

    @property
    def off(self) -> dict[str, str]:
        """The endpoints that this stack cannot serve -> why."""
        return {each.path: why for each in self.endpoints if (why := each.refusal(self.scorer))}

    def app(self) -> Starlette:
        """Return the ASGI application."""
        from starlette.applications import Starlette
        from starlette.exceptions import HTTPException
        from starlette.routing import Route

        routes = [
            Route(shape.path, self._endpoint(shape.path, partial(self._score, shape)), methods=["POST"])
            for shape in self.endpoints
        ]
        for path, method, answer in (
            ("/seed_session", "POST", self._seed_session),
            ("/health", "GET", self._health),
            ("/metrics", "GET", self._metrics),
        ):
            routes.append(Route(path, self._endpoint(path, answer), methods=[method]))

        async def unknown(request: Request, error: Exception) -> Response:
            assert isinstance(error, HTTPException)
            path = request.url.path
            known = [route.path for route in routes]
            methods = (error.headers or {}).get("Allow", "")
            return self._respond(
                "other", time.perf_counter(), error.status_code,
                {"error": f"{path} takes {methods}, not {request.method}" if methods
                 else f"there is no {path}{nearest(path, known)}"},
                error.headers,
            )  # fmt: skip

        app = Starlette(routes=routes, exception_handlers={HTTPException: unknown}, lifespan=self._lifespan)
        app.state.service = self
        return app

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        yield
        self.desk.close()
        self.scorer.close()

    def _endpoint(self, path: str, answer: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            from starlette.requests import ClientDisconnect

            began = time.perf_counter()
            outcomes: Counter[str] = Counter()
            headers: dict[str, str] = {}
            try:
                if path != "/health":
                    self._admit(request)
                status, content = 200, await answer(request, outcomes)
            except RefusedError as refused:
                status, content, headers = refused.status, {"error": str(refused)}, refused.headers
            except ClientDisconnect:
                status, content = 499, {"error": "the client has gone"}
            except Exception as error:
                logging.getLogger(__name__).exception("%s failed", path)
                status, content = 500, {"error": f"the server failed ({type(error).__name__}); its log says more"}
            return self._respond(path, began, status, content, headers, outcomes)

        return endpoint

    def _respond(
        self, path: str, began: float, status: int, content: Any, headers: Any = None, outcomes: Any = None
    ) -> Response:
        from starlette.responses import Response

        self.counters.add(path, status, time.perf_counter() - began, outcomes or {})
        given = dict(headers or {})
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        return Response(
            data, status, given, KINDS.get(path, "application/json") if status == 200 else "application/json"
        )

    def _admit(self, request: Request) -> None:
        shown = request.headers.get("authorization", "")
        if self._token and not secrets.compare_digest(shown.encode(), f"Bearer {self._token}".encode()):
            what = "a wrong token" if shown else "no token"
            raise RefusedError(
                401, f"expected the header 'Authorization: Bearer TOKEN', got {what}", {"WWW-Authenticate": "Bearer"}
            )

    async def _score(self, shape: Shape, request: Request, outcomes: Counter[str]) -> bytes:
        seconds = self.limits.seconds
        try:
            async with asyncio.timeout(seconds):
                data = await self._body(request)
                future = self.desk.take(partial(self._judge, shape, data))
                if future is None:
                    raise RefusedError(503, "the queue is full: try again in a second", {"Retry-After": "1"})
                content, found = await asyncio.wrap_future(future)
        except TimeoutError:
            raise RefusedError(
                504, f"not answered within {seconds:g} seconds, the server's limit; nothing of it is scored",
                {"Connection": "close"},  # its body may not have ended
            ) from None  # fmt: skip
        outcomes.update(found)
        answer: bytes = content
        return answer

    async def _body(self, request: Request) -> bytes:
        parts, size, limit = [], 0, self.limits.max_bytes
        async for part in request.stream():
            size += len(part)
            if size <= limit:
                parts.append(part)
            elif size > DRAINED * limit:
                break
        if size > limit:
            raise RefusedError(
                413, f"the body is longer than {limit:,} bytes, the server's limit: send less at a time",
                {"Connection": "close"},
            )  # fmt: skip
        return b"".join(parts)

    def _judge(self, shape: Shape, data: bytes) -> tuple[bytes, Counter[str]]:
        """Score the body of a request. Runs in a thread of the desk."""
        try:
            body = parse(data)
        except PluginError as error:
            raise RefusedError(400, str(error)) from None
        try:
            asked = shape.read(body)
            self._check_size(asked)
            if why := shape.refusal(self.scorer, asked):
                raise RefusedError(409, why)
            groups = [self.scorer.score(**each) for each in asked]
        except GroupError as error:
            logging.getLogger(__name__).warning("%s: %s", shape.path, error)
            raise RefusedError(422, f"the rewards cannot score this: {error}") from None
        except PluginError as error:
            raise RefusedError(422, str(error)) from None
        answer = json.dumps(shape.answer(body, groups, self.scorer), allow_nan=False, separators=(",", ":"))
        return answer.encode(), Counter(verdict.outcome for group in groups for verdict in group.verdicts)

    def _check_size(self, asked: Sequence[Asked]) -> None:
        texts = sum(len(each["responses"]) for each in asked)
        tokens = sum(sum(each.get("tokens") or ()) for each in asked)
        for count, most, what in (
            (texts, self.limits.max_texts, "responses"),
            (tokens, self.limits.max_tokens, "tokens"),
        ):
            if count > most:
                raise RefusedError(413, f"expected at most {most:,} {what} in a request, got {count:,}")

    async def _seed_session(self, request: Request, outcomes: Counter[str]) -> dict[str, Any]:
        return {}  # NeMo-Gym calls it before each rollout; these rewards keep no state

    async def _health(self, request: Request, outcomes: Counter[str]) -> dict[str, str]:
        return {"status": "ok"}

    async def _metrics(self, request: Request, outcomes: Counter[str]) -> bytes:
        return self.counters.exposition()
