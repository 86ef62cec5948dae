"""Where the workers of a `Pool` come from: forked by a zygote, or spawned where nothing can fork.

Both have one interface, used by the pool's one thread: `start`, `fork`, `bury`, `stop`, and `control`, a socket whose
end means that the maker is gone. They know nothing of tasks.
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

START_SECONDS = 120.0  # for the import of the target, on a machine that is busy
BATCH_BYTES = 1 << 16  # a batch must fit into the socket's buffer, or both ends could wait to write


class MakerGoneError(Exception):
    """Nothing more can be had from this maker: `stop` it and begin anew."""


def _popen(function: str, *args: Any, **options: Any) -> subprocess.Popen[bytes]:
    """A process that runs a function of `_zygote`: with the caller's import path, without its terminal."""
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
    if trouble := pickle.loads(read_frame(stream)):
        raise PluginError(f"the workers cannot import or warm up {target!r}:\n{trouble}")


class Zygote:
    """Makes workers by asking a clean process to fork; a few milliseconds each."""

    def __init__(self, target: str, *rest: Any) -> None:
        self.target, self._rest = target, rest
        self.control: socket.socket | None = None
        self._stream: Any = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether `fork` may be called without `start`."""
        return self._process is not None

    def start(self) -> None:
        """Start the process and wait until it has imported the target; PluginError if it cannot."""
        self.control, theirs = socket.socketpair()
        self._stream = self.control.makefile("rb")
        with theirs:
            self._process = _popen("zygote", theirs.fileno(), self.target, *self._rest, pass_fds=[theirs.fileno()])
        try:
            _wait_for_import(self.control, self._stream, self.target)
        except (OSError, EOFError) as error:
            raise MakerGoneError from error
        self.control.settimeout(10)

    def fork(self) -> tuple[int, socket.socket]:
        """A new worker: its pid and our end of its socket."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * BATCH_BYTES)
        with theirs:
            return self._ask(b"F", 0, [theirs.fileno()]), ours

    def bury(self, handle: int) -> int:
        """Kill a worker, dead or alive; minus the signal that ended it, or its exit code."""
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
        """Kill the zygote and all of its workers: they are one process group, whose number is ours until `wait`."""
        if self._process is not None and self.control is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._stream.close()
            self.control.close()
        self._process = self.control = None


class Spawner:
    """Makes workers where nothing can fork: a fresh interpreter each, which connects back and imports for itself."""

    control: socket.socket | None = None
    alive = True

    def __init__(self, target: str, *rest: Any) -> None:
        self.target, self._rest = target, rest
        self._processes: set[subprocess.Popen[bytes]] = set()

    def start(self) -> None:
        """There is nothing to start."""

    def fork(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        """A new worker that has imported the target, and our end of its socket."""
        token = secrets.token_hex(16)
        try:
            with socket.create_server(("127.0.0.1", 0)) as server:
                server.settimeout(START_SECONDS)
                process = _popen("spawned", server.getsockname()[1], token, self.target, *self._rest)
                self._processes.add(process)
                sock, _ = server.accept()
            with sock.makefile("rb") as stream:
                if stream.read(len(token)) != token.encode():
                    raise EOFError
                _wait_for_import(sock, stream, self.target)
        except (OSError, EOFError) as error:
            raise MakerGoneError from error
        return process, sock

    def bury(self, handle: subprocess.Popen[bytes]) -> int:
        """As a zygote's."""
        handle.kill()
        self._processes.discard(handle)
        return handle.wait()

    def stop(self) -> None:
        """Kill all workers."""
        for process in list(self._processes):
            self.bury(process)
