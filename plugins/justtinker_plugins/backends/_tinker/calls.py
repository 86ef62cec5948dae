"""The `tinker` backend's calls, made one after another in a thread of their own; nobody can cancel their answers.

SDK versions differ: newer ones return a future where older ones wait and return the result. Both work here. Retries
are left to the SDK. Every error becomes a sentence with a fix and without the key.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from justtinker_core import PluginError

T = TypeVar("T")
KEY = "TINKER_API_KEY"
FIXES = {
    400: "the server rejects the request",
    401: f"the key in {KEY} is not accepted; create one in the Tinker console and export it",
    402: "the account cannot be billed; add a payment method or credit in the Tinker console, then --resume the run",
    403: f"the key in {KEY} may not do this; use a key of the project that owns the model or the checkpoint",
    404: "the server does not have it; it may have expired or been deleted: name another, or correct the address",
    429: "the server is overloaded or the account's limit is reached, and waiting has not helped; --resume later",
}
FOR_ALL = {401, 402, 403, 404}
"""Statuses that concern every request, not only the one that got them."""
GONE = re.compile(r"(checkpoint|weights|tinker://).{0,200}(not found|does not exist|expired|deleted)", re.IGNORECASE)


class Calls:
    """Makes calls in order in one thread, and handles their answers in another.

    It does not use the SDK's own thread, where answers arrive: work or waiting there stops every transfer.
    """

    def __init__(self) -> None:
        self._orders = ThreadPoolExecutor(1, thread_name_prefix="tinker-orders")
        self._replies = ThreadPoolExecutor(1, thread_name_prefix="tinker-replies")
        self._open: dict[Future[Any], type[PluginError]] = {}
        self._lock = threading.Lock()
        self._closed = False

    def promise(self, error: type[PluginError] = PluginError) -> Future[Any]:
        """A future that cannot be cancelled: a cancelled optimizer step would make every later call wait forever.

        If this one request fails, the future raises `error`.
        """
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        with self._lock:
            if self._closed:
                raise PluginError("the tinker backend is closed")
            self._open[future] = error
        return future

    def submit(self, call: Callable[[], Any], convert: Callable[[Any], T]) -> Future[T]:
        """Queue a call; return the future of its converted answer."""
        promise = self.promise()
        self._orders.submit(self.make, call, convert, promise)
        return promise

    def make(self, call: Callable[[], Any], convert: Callable[[Any], Any], promise: Future[Any]) -> None:
        """Make a call now, without waiting for its answer."""
        try:
            self.after(call(), lambda value: self.settle(promise, lambda: convert(value)), promise)
        except BaseException as error:
            self.settle(promise, error=error)

    def after(self, answer: Any, use: Callable[[Any], None], *promises: Future[Any]) -> None:
        """Call `use` with the answer once it arrives, in the replies' thread; an error goes to all promises."""

        def arrived(future: Future[Any]) -> None:
            try:
                use(future.result())
            except BaseException as error:
                for promise in promises:
                    self.settle(promise, error=error)

        def hand_over(future: Future[Any]) -> None:
            with self._lock:
                if not self._closed:  # else close() has settled the promises
                    self._replies.submit(arrived, future)

        future_of(answer).add_done_callback(hand_over)

    def settle(
        self, promise: Future[Any], value: Callable[[], Any] = lambda: None, error: BaseException | None = None
    ) -> None:
        """Settle a promise with a value or an error, unless `close` has settled it already."""
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
            promise.set_exception(explained(error, kind))

    def wait_for(self, answer: Any) -> Any:
        """Wait for an answer. For the orders' thread: every later call needs the result."""
        future = future_of(answer)
        while not wait([future], timeout=1).done:
            if self._closed:  # else the interpreter could not exit
                raise PluginError("the tinker backend is closed")
        return future.result()

    def close(self) -> None:
        """Make no more calls; open promises raise. The server finishes what it has begun."""
        with self._lock:
            self._closed = True
            unsettled, self._open = list(self._open), {}
        for promise in unsettled:
            promise.set_exception(PluginError("the tinker backend was closed before the answer came"))
        for pool in (self._orders, self._replies):
            pool.shutdown(wait=False, cancel_futures=True)


def future_of(answer: Any) -> Future[Any]:
    """A standard future of whatever the SDK returned."""
    if callable(getattr(type(answer), "future", None)):  # first, since one of the SDK's is a deprecated Future too
        return answer.future()  # type: ignore[no-any-return]
    if isinstance(answer, Future):
        return answer
    done: Future[Any] = Future()
    done.set_result(answer)
    return done


def scrubbed(text: str) -> str:
    """The text with everything that is, or looks like, a key blanked out."""
    key = os.environ.get(KEY)
    text = text.replace(key, "***") if key else text
    return re.sub(r"tml-[\w-]{8,}|eyJ[\w-]+\.[\w-]+\.[\w-]+", "***", text)


def explained(error: BaseException, kind: type[PluginError] = PluginError) -> BaseException:
    """Turn an SDK error into a `kind` that says what to do. This project's own errors stay as they are."""
    if isinstance(error, PluginError | FileNotFoundError):
        return error
    status = status_of(error)
    original = scrubbed(f"{type(error).__name__}: {error}")
    if status in FIXES:
        return (PluginError if status in FOR_ALL else kind)(f"Tinker ({status}): {FIXES[status]} [{original}]")
    if category := getattr(error, "category", None):
        return kind(f"Tinker gave up on the request (category {getattr(category, 'value', category)}) [{original}]")
    return kind(f"Tinker: {original}")


def status_of(error: BaseException) -> int | None:
    """The HTTP status behind an error, if any. An error met while waiting for an answer is wrapped by the SDK."""
    status = getattr(error, "status_code", None)
    wrapped = getattr(error.__cause__, "status_code", None)
    return status or (wrapped if wrapped != 404 else None)  # a wrapped 404: the request is lost, not its object


def is_gone(error: BaseException) -> bool:
    """Whether an explained error says that a checkpoint no longer exists; an expired key is something else."""
    text = str(error)
    if any(f"Tinker ({status})" in text for status in FOR_ALL - {404}):
        return False
    return "Tinker (404)" in text or GONE.search(text) is not None
