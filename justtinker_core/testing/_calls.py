"""Calls that may hang, fail or run at the same time."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from typing import Any

from justtinker_core.errors import PluginError


class HungError(BaseException):
    """The plugin did not return. Not an Exception, so that no plugin catches it as one of its own."""


class Call(threading.Thread):
    """A call in a thread of its own, as the loop makes it. The thread is a daemon: if it hangs, the tests still end."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call: Callable[[], Any] = call
        self._future: Future[Any] = Future()
        self.start()

    def run(self) -> None:
        """Make the call."""
        try:
            self._future.set_result(self._call())
        except BaseException as error:
            self._future.set_exception(error)

    def result(self, patience: float) -> Any:
        """Return what the call returned, or raise what it raised; HungError if it takes too long."""
        if not wait([self._future], patience).done:
            raise HungError("an ordinary group")
        return self._future.result()


def call_in_thread(call: Callable[[], Any], patience: float) -> Any:
    """Call in a thread of its own. Raises HungError if it takes too long."""
    return Call(call).result(patience)


def call_with_alarm(call: Callable[[], Any], patience: float) -> Any:
    """Call in this thread, where a signal can end even what lets no other thread run, such as a regular expression.

    Without such a signal, or outside the main thread, call in a thread of its own.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        return call_in_thread(call, patience)

    def ring(number: int, frame: Any) -> None:
        raise HungError("an ordinary group")

    handler, begun = signal.signal(signal.SIGALRM, ring), time.monotonic()
    left, interval = signal.setitimer(signal.ITIMER_REAL, patience)
    try:
        return call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:  # another alarm, such as pytest-timeout's
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - begun), 1e-3), interval)


def call_at_once(calls: Sequence[Callable[[], Sequence[Any]]], patience: float) -> list[Any]:
    """Make calls at the same time, switching threads as often as possible; return all items that they return."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        return [answer for call in list(map(Call, calls)) for answer in call.result(patience)]
    finally:
        sys.setswitchinterval(interval)


def attempt(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or the PluginError that it raises."""
    try:
        return call()
    except PluginError as error:
        return error
