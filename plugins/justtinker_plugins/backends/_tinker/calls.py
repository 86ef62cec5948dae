"""The `tinker` backend's calls, made one after another in a thread of their own; nobody can cancel their answers.

SDK versions differ: newer ones return a future where older ones wait and return the result. Both work here. Retries
are left to the SDK; a server that does not answer for too long is given up, and every open promise raises. Every error
becomes a sentence with a fix and without the key.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from typing import Any, TypeVar

from justtinker_core import PluginError
from justtinker_plugins.backends._tinker import protocol
from justtinker_plugins.backends._tinker.waiting import BUSY_ADVICE, CALL, KEY, Waited, Waiting, scrubbed
from justtinker_plugins.backends._tinker.workers import Worker

log = logging.getLogger("justtinker")

T = TypeVar("T")
FIXES = {
    400: "the server rejects the request",
    401: f"the key in {KEY} is not accepted; create one in the Tinker console and export it",
    403: f"the key in {KEY} may not do this; use a key of the project that owns the model or the checkpoint",
    404: "the server does not have it; it may have expired or been deleted: name another, or correct the address",
    **BUSY_ADVICE,
}
RESTARTED = (
    "the server has lost this run's session, perhaps it was restarted: --resume goes on from the last checkpoint"
)
FOR_ALL = {401, 402, 403, 404}
"""Statuses that concern every request, not only the one that got them."""
GONE = re.compile(r"(checkpoint|weights|tinker://).{0,200}(not found|does not exist|expired|deleted)", re.IGNORECASE)
UNKNOWN = re.compile(
    r"(model|session|sampler|future|promise)\b.{0,120}(not found|not loaded|unknown|does not exist|expired)",
    re.IGNORECASE,
)


class Calls:
    """Makes calls in order in one thread, and handles their answers in another.

    It does not use the SDK's own thread, where answers arrive: work or waiting there stops every transfer.
    """

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._orders, self._replies = Worker("tinker-orders"), Worker("tinker-replies")
        self._open: dict[Future[Any], type[PluginError]] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._watcher: threading.Thread | None = None
        self._closed = False
        self._lost = ""
        self.heard = False
        """Whether the server has answered a call."""

    def promise(self, error: type[PluginError] = PluginError) -> Future[Any]:
        """A future that cannot be cancelled: a cancelled optimizer step would make every later call wait forever.

        If this one request fails, the future raises `error`.
        """
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        with self._lock:
            if self._closed:
                raise PluginError("the tinker backend is closed")
            if self._lost:  # nobody watches any more, and the orders' thread may hang in a call
                future.set_exception(PluginError(self._lost))
                return future
            self._open[future] = error
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="tinker-watch", daemon=True)
                self._watcher.start()
        return future

    def submit(
        self, call: Callable[[], Any], convert: Callable[[Any], T], what: str, in_session: bool = False
    ) -> Future[T]:
        """Queue a call for `what`; return the future of its converted answer.

        `in_session`: it is about a model or sampler that this run made, which a restarted server does not know.
        """
        promise = self.promise()
        self._orders.submit(self.make, call, convert, promise, what, in_session)
        return promise

    def make(
        self,
        call: Callable[[], Any],
        convert: Callable[[Any], Any],
        promise: Future[Any],
        what: str,
        in_session: bool = False,
    ) -> None:
        """Make a call now, without waiting for its answer."""
        if self._lost:
            return self.settle(promise, error=PluginError(self._lost))
        waited = self._waiting.begin(what, in_session)
        try:
            answer = future_of(self._called(call, waited))
        except BaseException as error:
            self._waiting.end(waited)
            return self.settle(promise, error=error, waited=waited)
        return self.after(answer, lambda value: self.settle(promise, lambda: convert(value)), promise, waited=waited)

    def _called(self, call: Callable[[], Any], waited: Waited) -> Any:
        context = copy_context()
        context.run(CALL.set, waited)
        return context.run(call)

    def after(
        self, answer: Any, use: Callable[[Any], None], *promises: Future[Any], waited: Waited | None = None
    ) -> None:
        """Call `use` with the answer once it arrives, in the replies' thread; an error goes to all promises."""

        def arrived(future: Future[Any]) -> None:
            try:
                use(future.result())
            except BaseException as error:
                for promise in promises:
                    self.settle(promise, error=error, waited=waited)

        def hand_over(future: Future[Any]) -> None:
            if waited:
                self._waiting.end(waited)
            self.heard = self.heard or not (future.cancelled() or future.exception())
            with self._lock:
                if not self._closed:  # else close() has settled the promises
                    self._replies.submit(arrived, future)

        future_of(answer).add_done_callback(hand_over)

    def settle(
        self,
        promise: Future[Any],
        value: Callable[[], Any] = lambda: None,
        error: BaseException | None = None,
        waited: Waited | None = None,
    ) -> None:
        """Settle a promise with a value or an error, unless it is settled already."""
        if error is None:
            try:
                result = value()
            except BaseException as raised:
                error = raised
        with self._lock:
            if promise not in self._open:
                return
            kind = self._open.pop(promise)
        if error is None:
            promise.set_result(result)
        else:
            promise.set_exception(explained(error, kind, waited))

    def ask(self, call: Callable[[], Any], what: str, in_session: bool = False) -> Any:
        """Make a call and wait for its answer. For the orders' thread: every later call needs the result."""
        outer, waited = CALL.get(), self._waiting.begin(what, in_session)
        if outer:
            outer.held = True
        try:
            future = future_of(self._called(call, waited))
            while not wait([future], timeout=1).done:
                if self._closed or self._lost:
                    raise PluginError(self._lost or "the tinker backend is closed")
            return future.result()
        except Exception as error:
            raise explained(error, waited=waited) from None
        finally:
            self._waiting.end(waited)
            if outer:
                outer.held, outer.since = False, time.monotonic()

    def _watch(self) -> None:
        pace = min(1.0, self._waiting.after / 4, self._waiting.busy_after / 4)
        while not self._over.wait(pace):
            now = time.monotonic()
            if line := self._waiting.line(now):
                log.warning("%s", line)
            if lost := self._waiting.lost(now):
                return self._settle_all(f"Tinker: {lost}", lost=True)
        return None

    def _settle_all(self, text: str, lost: bool = False) -> None:
        with self._lock:
            self._lost, self._closed = (text if lost else self._lost), self._closed or not lost
            unsettled, self._open = list(self._open), {}
        for promise in unsettled:
            promise.set_exception(PluginError(text))

    def close(self) -> None:
        """Make no more calls; open promises raise. The server finishes what it has begun."""
        self._over.set()
        self._settle_all("the tinker backend was closed before the answer came")
        for worker in (self._orders, self._replies):
            worker.close()

    @property
    def lost(self) -> bool:
        """Whether the server has been given up: every further call raises."""
        return bool(self._lost)


def future_of(answer: Any) -> Future[Any]:
    """A standard future of whatever the SDK returned."""
    if callable(getattr(type(answer), "future", None)):  # first, since one of the SDK's is a deprecated Future too
        return answer.future()  # type: ignore[no-any-return]
    if isinstance(answer, Future):
        return answer
    done: Future[Any] = Future()
    done.set_result(answer)
    return done


def explained(
    error: BaseException, kind: type[PluginError] = PluginError, waited: Waited | None = None
) -> BaseException:
    """Turn an SDK error into a `kind` that says what to do. This project's own errors stay as they are."""
    if isinstance(error, PluginError | FileNotFoundError):
        return error
    status = status_of(error)
    original = scrubbed(f"{type(error).__name__}: {error}")
    if why := protocol.explain(original):
        return PluginError(f"Tinker: {why} [{original}]")
    if waited and waited.in_session and is_lost(error):
        return (PluginError if status in FOR_ALL else kind)(f"Tinker: {RESTARTED} [{original}]")
    if status in FIXES:
        return (PluginError if status in FOR_ALL else kind)(f"Tinker ({status}): {FIXES[status]} [{original}]")
    if waited and not waited.heard and (is_unanswered(error) or (status or 0) >= 500):
        return kind(f"Tinker: {waited.of.verdict(waited, time.monotonic())} [{original}]")
    if category := getattr(error, "category", None):
        return kind(f"Tinker gave up on the request (category {getattr(category, 'value', category)}) [{original}]")
    return kind(f"Tinker: {original}")


def statuses(error: BaseException) -> tuple[int | None, int | None]:
    """The HTTP status of an error, and of what it wraps: the SDK wraps those met while waiting for an answer."""
    return getattr(error, "status_code", None), getattr(error.__cause__, "status_code", None)


def status_of(error: BaseException) -> int | None:
    """The HTTP status behind an error, if any."""
    status, wrapped = statuses(error)
    return status or (wrapped if wrapped != 404 else None)  # a wrapped 404: the request is lost, not its object


def is_gone(error: BaseException) -> bool:
    """Whether an explained error says that a checkpoint no longer exists; an expired key is something else."""
    text = str(error)
    if any(f"Tinker ({status})" in text for status in FOR_ALL - {404}):
        return False
    return "Tinker (404)" in text or GONE.search(text) is not None


def is_lost(error: BaseException) -> bool:
    """Whether an SDK error says that the server does not know the model, sampler or request that it is asked for."""
    known = {401, 402, 403, 429, 503}.isdisjoint(statuses(error))
    return known and (bool({404, 410} & set(statuses(error))) or UNKNOWN.search(str(error)) is not None)


def is_unanswered(error: BaseException) -> bool:
    """Whether an SDK error says that there was no answer at all."""
    kinds = {kind.__name__ for each in (error, error.__cause__) for kind in type(each).__mro__}
    return "APIConnectionError" in kinds
