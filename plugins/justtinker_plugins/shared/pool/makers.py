"""The makers of a `Pool`'s workers: a zygote that forks them or, where nothing can fork, a spawner.

Both have one interface, which the pool's one thread uses: `start`, `new_worker`, `end_worker`, `stop`, and `control`, a
socket that ends if the maker is gone. They know nothing of tasks.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import secrets
import signal
import socket
import subprocess
import sys
from typing import Any

from justtinker_core import PluginError
from justtinker_plugins.shared.pool.zygote import REQUEST, read_frame

START_SECONDS = 120.0  # time to import the target on a busy machine
BATCH_BYTES = 1 << 16  # a batch must fit into the socket's buffer, or both ends could block while writing


class MakerGoneError(Exception):
    """The maker's process is gone: `stop` it and start again."""


def _start_process(function: str, *args: Any, **options: Any) -> subprocess.Popen[bytes]:
    """Run a function of `zygote` in a new process, with the caller's import path and without its terminal."""
    code = (
        "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
        f"from justtinker_plugins.shared.pool.zygote import {function}; {function}(*json.loads(sys.argv[2]))"
    )
    path = [os.path.abspath(entry) for entry in sys.path]
    null = subprocess.DEVNULL
    return subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(path), json.dumps(args)],
        stdin=null,
        stdout=null,
        stderr=null,
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        **options,
    )


def _wait_for_import(sock: socket.socket, stream: Any, target: str) -> None:
    sock.settimeout(START_SECONDS)
    if traceback := pickle.loads(read_frame(stream)):
        raise PluginError(f"the workers cannot import or warm up {target!r}:\n{traceback}")


class Zygote:
    """Makes workers by asking a clean process to fork, which takes a few milliseconds each."""

    def __init__(self, target: str, *rest: Any) -> None:
        self.target, self._rest = target, rest
        self.control: socket.socket | None = None
        self._stream: Any = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether `new_worker` works without another `start`."""
        return self._process is not None

    def start(self) -> None:
        """Start the process and wait until it has imported the target. Raises PluginError if it cannot."""
        self.control, theirs = socket.socketpair()
        self._stream = self.control.makefile("rb")
        with theirs:
            fd = theirs.fileno()
            self._process = _start_process("zygote", fd, self.target, *self._rest, pass_fds=[fd])
        try:
            _wait_for_import(self.control, self._stream, self.target)
        except (OSError, EOFError) as error:
            raise MakerGoneError from error
        self.control.settimeout(10)

    def new_worker(self) -> tuple[int, socket.socket]:
        """Fork a worker; return its pid and our end of its socket."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * BATCH_BYTES)
        with theirs:
            return self._ask(b"F", 0, [theirs.fileno()]), ours

    def end_worker(self, handle: int) -> int:
        """Kill a worker, dead or alive; return its exit code, or the negative number of the signal that ended it."""
        return self._ask(b"B", handle, [])

    def _ask(self, kind: bytes, pid: int, fds: list[int]) -> int:
        assert self.control is not None
        try:
            socket.send_fds(self.control, [REQUEST.pack(kind, pid)], fds)
            answer: int = pickle.loads(read_frame(self._stream))
        except (OSError, EOFError) as error:
            raise MakerGoneError from error
        return answer

    def stop(self) -> None:
        """Kill the zygote and all of its workers, which are one process group; its number is ours until `wait`."""
        if self._process is not None and self.control is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._stream.close()
            self.control.close()
        self._process = self.control = None


class Spawner:
    """Makes workers where nothing can fork: each is a fresh interpreter that connects back and imports the target."""

    control: socket.socket | None = None
    alive = True

    def __init__(self, target: str, *rest: Any) -> None:
        self.target, self._rest = target, rest
        self._processes: set[subprocess.Popen[bytes]] = set()

    def start(self) -> None:
        """Do nothing: there is nothing to start."""

    def new_worker(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        """Spawn a worker and wait until it has imported the target; return its process and our end of its socket."""
        token = secrets.token_hex(16)
        try:
            with socket.create_server(("127.0.0.1", 0)) as server:
                server.settimeout(START_SECONDS)
                process = _start_process("spawned_worker", server.getsockname()[1], token, self.target, *self._rest)
                self._processes.add(process)
                sock, _ = server.accept()
            with sock.makefile("rb") as stream:
                if stream.read(len(token)) != token.encode():
                    raise EOFError
                _wait_for_import(sock, stream, self.target)
        except (OSError, EOFError) as error:
            raise MakerGoneError from error
        return process, sock

    def end_worker(self, handle: subprocess.Popen[bytes]) -> int:
        """Kill a worker; return its exit code, as `Zygote.end_worker` does."""
        handle.kill()
        self._processes.discard(handle)
        return handle.wait()

    def stop(self) -> None:
        """Kill all workers."""
        for process in list(self._processes):
            self.end_worker(process)
