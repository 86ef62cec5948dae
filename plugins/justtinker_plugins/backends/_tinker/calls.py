"""The `tinker` backend's calls: one after another in a thread of their own, with answers that nobody can cancel.

SDKs differ in what a method returns: newer ones a future where older ones wait and return the thing itself. Both are
taken. Nothing is retried here: that is the SDK's business. Every error comes out as a sentence with a fix and
without the key.
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
    400: "the server refuses the request",
    401: f"the key in {KEY} is not accepted; make one in the Tinker console and export it",
    402: "the account cannot be billed; add a means of payment or credit in the Tinker console, then --resume the run",
    403: f"the key in {KEY} may not do this; use a key of the project that owns the model or the checkpoint",
    404: "the server does not have it; it may have expired or been deleted: name another, or mend the address",
    429: "the server is overloaded or the account's limit is reached, and waiting has not helped; --resume later",
}
FOR_ALL = {401, 402, 403, 404}
"""What concerns every request, not only the one that was refused."""
GONE = re.compile(r"(checkpoint|weights|tinker://).{0,200}(not found|does not exist|expired|deleted)", re.IGNORECASE)


class Calls:
    """Makes calls in their order in one thread, and hands their answers on in another one.

    Not in the SDK's own thread, where its answers arrive: whoever works or waits there stops every transfer.
    """

    def __init__(self) -> None:
        self._orders = ThreadPoolExecutor(1, thread_name_prefix="tinker-orders")
        self._replies = ThreadPoolExecutor(1, thread_name_prefix="tinker-replies")
        self._open: dict[Future[Any], type[PluginError]] = {}
        self._lock = threading.Lock()
        self._closed = False

    def promise(self, error: type[PluginError] = PluginError) -> Future[Any]:
        """A future that cannot be cancelled: a cancelled optimizer step would make every later call wait for ever.

        What goes wrong with this one request is raised as that `error`.
        """
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        with self._lock:
            if self._closed:
                raise PluginError("the tinker backend is closed")
            self._open[future] = error
        return future

    def submit(self, call: Callable[[], Any], change: Callable[[Any], T]) -> Future[T]:
        """Queue a call; the future of its changed answer."""
        promise = self.promise()
        self._orders.submit(self.make, call, change, promise)
        return promise

    def make(self, call: Callable[[], Any], change: Callable[[Any], Any], promise: Future[Any]) -> None:
        """Make a call here and now, without waiting for its answer."""
        try:
            answer = call()
        except BaseException as error:
            self.settle(promise, error=error)
        else:
            self.after(answer, lambda value: self.settle(promise, lambda: change(value)), promise)

    def after(self, answer: Any, go_on: Callable[[Any], None], *promises: Future[Any]) -> None:
        """Go on with an answer once it is there, in the replies' thread; its error goes to all promises."""

        def arrived(future: Future[Any]) -> None:
            try:
                go_on(future.result())
            except BaseException as error:
                for promise in promises:
                    self.settle(promise, error=error)

        def hand_over(future: Future[Any]) -> None:
            with self._lock:
                if not self._closed:  # then close() settles the promises
                    self._replies.submit(arrived, future)

        future_of(answer).add_done_callback(hand_over)

    def settle(
        self, promise: Future[Any], value: Callable[[], Any] = lambda: None, error: BaseException | None = None
    ) -> None:
        """Keep a promise, with a value or an error; one that `close` has settled stays as it is."""
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

    def waited(self, answer: Any) -> Any:
        """The thing itself, once it is there; for the orders' thread, where everything that comes after needs it."""
        future = future_of(answer)
        while not wait([future], timeout=1).done:
            if self._closed:  # or the interpreter could not end
                raise PluginError("the tinker backend is closed")
        return future.result()

    def close(self) -> None:
        """Make no more calls; promises that are still open raise. What the server has begun, it finishes."""
        with self._lock:
            self._closed = True
            left, self._open = list(self._open), {}
        for promise in left:
            promise.set_exception(PluginError("the tinker backend was closed before the answer came"))
        for pool in (self._orders, self._replies):
            pool.shutdown(wait=False, cancel_futures=True)


def future_of(answer: Any) -> Future[Any]:
    """A standard future of whatever the SDK returned."""
    if callable(getattr(type(answer), "future", None)):  # first: one of the SDK's is a deprecated Future too
        return answer.future()  # type: ignore[no-any-return]
    if isinstance(answer, Future):
        return answer
    done: Future[Any] = Future()
    done.set_result(answer)
    return done


def scrubbed(text: str) -> str:
    """The text without anything that is, or looks like, a key."""
    key = os.environ.get(KEY)
    text = text.replace(key, "***") if key else text
    return re.sub(r"tml-[\w-]{8,}|eyJ[\w-]+\.[\w-]+\.[\w-]+", "***", text)


def explained(error: BaseException, kind: type[PluginError] = PluginError) -> BaseException:
    """An error of the SDK as a `kind` that says what to do. Errors of this project stay what they are."""
    if isinstance(error, PluginError | FileNotFoundError):
        return error
    status = status_of(error)
    said = scrubbed(f"{type(error).__name__}: {error}")
    if status in FIXES:
        return (PluginError if status in FOR_ALL else kind)(f"Tinker ({status}): {FIXES[status]} [{said}]")
    if category := getattr(error, "category", None):
        return kind(f"Tinker gave the request up (category {getattr(category, 'value', category)}) [{said}]")
    return kind(f"Tinker: {said}")


def status_of(error: BaseException) -> int | None:
    """The HTTP status behind an error, if there is one. While an answer is waited for, the SDK wraps what was said."""
    status = getattr(error, "status_code", None)
    waited = getattr(error.__cause__, "status_code", None)
    return status or (waited if waited != 404 else None)  # then the request is lost, not what it asked for


def is_gone(error: BaseException) -> bool:
    """Whether an explained error says that a checkpoint is not there any more; an expired key is something else."""
    said = str(error)
    if any(f"Tinker ({status})" in said for status in FOR_ALL - {404}):
        return False
    return "Tinker (404)" in said or GONE.search(said) is not None
