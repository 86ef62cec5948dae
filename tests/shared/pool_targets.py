"""Functions that the pool's tests run in its workers."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any


def double(number: int) -> int:
    return 2 * number


def do(what: str, *args: Any) -> Any:
    return globals()[f"_{what}"](*args)


def _echo(value: Any) -> Any:
    return value


WARM: list[str] = []


def _warm(what: str) -> list[str]:
    WARM.append(what)
    return WARM


def _pid() -> int:
    return os.getpid()


def _hold_the_interpreter_lock() -> int:
    power: int = 9**9**9
    return power


def _spin() -> None:
    while True:
        pass


def _sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


def _swallow_everything() -> None:
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


def _allocate(size: int) -> int:
    return len(bytearray(size))


def _fill() -> None:
    held = []
    while True:
        held.append(bytes(10_000_000))  # never touched, so that it costs no time


def _fail(text: str) -> None:
    raise ValueError(text)


def _fail_without_text() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    raise MuteError


def _lambda() -> Any:
    return lambda: None


class LocalOnly:
    """Pickles in the worker, and fails to unpickle in the caller."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


def _cannot_arrive() -> LocalOnly:
    return LocalOnly()


def _leave(code: int) -> None:
    sys.exit(code)


def _die(code: int) -> None:
    os._exit(code)


def _signal(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(10)


def _shout() -> None:
    print("this must not be seen")
    print("nor this", file=sys.stderr)
    os.write(1, b"nor this\n")
    sys.stdin.read()


def _threads() -> int:
    return threading.active_count()


def _recurse() -> Any:
    return _recurse()
