"""The executor that the run sees. It talks to a process of its own, which talks to Ray (`broker`)."""

from __future__ import annotations

import hashlib
import os
import pickle
import queue
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from contextlib import suppress
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from justtinker_core import Group, PluginError, Reward, Scorer, Verdict
from justtinker_core.config import RunConfig
from justtinker_plugins.executors._ray.travel import pack
from justtinker_plugins.executors._ray.wire import Counts, Settings, receive, send

RESENT = "resent_rate"
"""The measure of a group: 1 if it was sent more than once, else 0."""
REACH_SECONDS = 3.0
GRACE = 30.0
"""Seconds, beyond `patience`, for Ray itself to start or to be found."""
END_SECONDS = 15.0
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run`, Ray would upload the working directory
    "RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL": "minor",
}


class RayExecutor(Executor):
    """Judges groups on actors of a Ray cluster; takes nothing but `Scorer.judge`.

    PluginError if there is no such cluster, or if it cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.address:
            reach(settings.address)
        self._futures: dict[int, tuple[Future[Group], Group]] = {}
        self._keys: dict[int, tuple[RunConfig, str]] = {}
        self._lock = threading.Lock()
        self._said: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._number = 0
        self._refusing = self._closing = False
        self._lost = ""
        self.counts = Counts()
        self.folder = Path(tempfile.mkdtemp(prefix="jt-ray-", dir=short_folder()))
        self._settings = replace(settings, folder=str(self.folder))
        self._process = self._start()
        self._reader = threading.Thread(target=self._listen, name="ray answers", daemon=True)
        self._reader.start()
        try:
            self._send(self._settings, bare=True)
            self.counts = self._wait("open", settings.patience + GRACE, "an actor of the Ray cluster")
        except BaseException:
            self.shutdown(wait=False)
            raise

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Judge a group: ``submit(scorer.judge, group)``. PluginError once no actor is left."""
        scorer = getattr(fn, "__self__", None)
        if not isinstance(scorer, Scorer) or getattr(fn, "__name__", "") != "judge" or len(args) != 1 or kwargs:
            raise PluginError(f"the executor of ray judges groups: expected Scorer.judge and a group, got {fn!r:.100}")
        self._check_open()
        future: Future[Group] = Future()
        future.set_running_or_notify_cancel()  # from now on only `shutdown` cancels it
        key, data = self._key(scorer.config), pickle.dumps(args[0], pickle.HIGHEST_PROTOCOL)
        with self._lock:
            self._check_open()  # again: whoever ends all groups ends only those that are known by then
            self._number += 1
            number = self._number
            self._futures[number] = future, args[0]
        self._send(("judge", (number, key, data)))
        return future

    def try_out(self, config: RunConfig) -> str:
        """Open the plugins of a config on an actor; return what prevents it, '' if nothing does."""
        self._send(("try", (self._key(config),)))
        said: str = self._wait("tried", self._settings.patience + GRACE, "the plugins on an actor")
        return said

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the actors, and the cluster if it is our own. With `wait`, after everything is judged. Safe to repeat."""
        with self._lock:
            self._refusing = True
        if cancel_futures:
            self._cancel_all()
        for future, _ in list(self._futures.values()) if wait else ():
            with suppress(BaseException):
                future.exception()
        with self._lock:
            self._closing = True
        with suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except BaseException as error:  # out of time, or a second Ctrl-C
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
        finally:
            self._cancel_all()
            shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """The end of what Ray said."""
        with suppress(OSError):
            return (self.folder / "broker.log").read_text(encoding="utf-8", errors="replace")[-1500:]
        return ""

    def _start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | QUIET
        if not self._settings.address:  # on loopback, and with a token: other users of the machine cannot use it
            environment |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
            environment |= {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
            environment.pop("RAY_ADDRESS", None)
        with (self.folder / "broker.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "justtinker_plugins.executors._ray.broker"], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=log, env=environment, start_new_session=True,
            )  # fmt: skip

    def _check_open(self) -> None:
        if self._lost:
            raise PluginError(f"ray: {self._lost}; what came before is kept, and the same command goes on from there")
        if self._refusing:
            raise RuntimeError("cannot schedule new futures after shutdown")

    def _send(self, message: Any, bare: bool = False) -> None:
        assert self._process.stdin is not None
        with self._lock, suppress(OSError, ValueError):  # if it has ended, `_listen` notices
            send(self._process.stdin, message)

    def _key(self, config: RunConfig) -> str:
        """Send a config with its files, once; return its key."""
        with self._lock:
            if (known := self._keys.get(id(config))) is not None:
                return known[1]
        parcel = pickle.dumps(pack(config))
        key = hashlib.sha256(parcel).hexdigest()
        self._send(("parcel", (key, parcel)))
        with self._lock:
            self._keys[id(config)] = config, key  # kept, so that no other config gets its id
        return key

    def _wait(self, what: str, seconds: float, noun: str) -> Any:
        """Wait until the other process says this; PluginError if it fails or is silent."""
        end = time.monotonic() + seconds
        while True:
            try:
                name, value = self._said.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                where = f" at {self._settings.address!r}" if self._settings.address else ""
                said = " ".join(self.log().split())[-300:]
                raise PluginError(
                    f"ray: waited {seconds:.0f} s{where} for {noun}, in vain{said and f' (Ray says: {said})'}"
                ) from None
            if name == what:
                return value
            if name in ("failed", "lost"):
                raise PluginError(f"ray: {value}")

    def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            while True:
                name, *values = receive(self._process.stdout)
                getattr(self, f"_on_{name}", lambda *v, n=name: self._said.put((n, v[0])))(*values)
        except (EOFError, OSError):
            if not self._closing:
                status, said = self._process.wait(), " ".join(self.log().split())[-500:]
                why = "the process that talks to Ray has ended, as it does where the cluster is lost"
                self._on_lost(f"{why} (exit status {status}): {said}")

    def _on_judged(self, judged: list[tuple[int, bytes, bool]], counts: Counts) -> None:
        self.counts = counts
        for number, data, resent in judged:
            future, group = self._take(number)
            if future is None:
                continue
            try:
                answer = pickle.loads(data)
            except Exception as error:  # a verdict of a class that only the actor knows
                answer = PluginError(f"what the actor says cannot be read here: {type(error).__name__}: {error}")
            if isinstance(answer, BaseException):
                future.set_exception(answer)
                continue
            verdicts, measures, rewards = answer
            measures = {**measures, RESENT: (float(resent),) * len(group.rollouts)}
            future.set_result(replace(group, verdicts=verdicts, measures=measures, rewards=rewards))

    def _on_unscored(self, number: int, reason: str, resent: bool, counts: Counts) -> None:
        self.counts = counts
        future, group = self._take(number)
        if future is not None:
            future.set_result(unscored(group, reason, resent))

    def _on_counts(self, counts: Counts) -> None:
        self.counts = counts

    def _on_lost(self, why: str) -> None:
        with self._lock:
            self._lost = why
        self.counts = copy(self.counts)
        self.counts.alive = 0
        self._said.put(("lost", why))
        self._end_all(lambda future, group: future.set_result(unscored(group, why, True)))

    def _take(self, number: int) -> tuple[Future[Group], Group] | tuple[None, Any]:
        with self._lock:
            return self._futures.pop(number, (None, None))

    def _cancel_all(self) -> None:
        self._end_all(lambda future, group: future.set_exception(CancelledError()))

    def _end_all(self, end: Callable[[Future[Group], Group], Any]) -> None:
        for number in list(self._futures):
            future, group = self._take(number)
            if future is not None:
                end(future, group)


def unscored(group: Group, reason: str, resent: bool) -> Group:
    """A group that nobody could judge."""
    number = len(group.rollouts)
    return replace(
        group,
        verdicts=(Verdict("unscored", rung="ray", reason=reason),) * number,
        measures={RESENT: (float(resent),) * number},
        rewards=(Reward({}, {}),) * number,
    )


def short_folder() -> str | None:
    """Where temporary files go, if a socket's path fits in there; else /tmp."""
    return None if len(tempfile.gettempdir()) < 30 else "/tmp"


def reach(address: str) -> None:
    """PluginError if nothing listens at an address with a port. Ray itself would wait for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()
    except (OSError, ValueError) as error:
        raise PluginError(
            f"ray: nothing answers at address = {address!r} ({error}): is the cluster running (ray status), and may "
            "this machine reach it? ray:// needs the port of the Ray client server, 10001 by default"
        ) from None
