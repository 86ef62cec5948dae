"""The other side of `pool`: the clean process that imports the target once and forks workers, and their main loop.

It runs in its own session without a terminal and holds no policy: limits, retries and verdicts are the pool's business.
Each frame on a socket is a 4-byte length and a pickle.

Only the zygote kills and collects workers: a pid cannot be used again before its parent waits for it, and the wait
status says what killed the worker. The zygote leads its own process group, so that one signal ends all of them, and it
ends when its parent is gone.
"""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import select
import signal
import socket
import struct
import time
import traceback
from collections.abc import Callable
from typing import Any

LENGTH = struct.Struct("!I")
REQUEST = struct.Struct("!cq")
"""A request to the zygote. ``F``, 0 and a socket: fork a worker to serve it. ``B`` and a pid: kill that worker."""


def frame(payload: bytes) -> bytes:
    """Pack a payload for sending."""
    return LENGTH.pack(len(payload)) + payload


def read_frame(stream: Any) -> bytes:
    """Read the next payload of a buffered reader. Raises EOFError at its end."""
    head = stream.read(LENGTH.size)
    if len(head) == LENGTH.size:
        (size,) = LENGTH.unpack(head)
        payload: bytes = stream.read(size)
        if len(payload) == size:
            return payload
    raise EOFError


def import_target(target: str) -> Callable[..., Any]:
    """Import the function that ``package.module:function`` names."""
    module, _, name = target.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def load_target(control: socket.socket, target: str, warm_up: list[Any] | None) -> Callable[..., Any]:
    """Import the target and warm it up; send the traceback of a failure, or an empty text."""
    try:
        function = import_target(target)
        if warm_up is not None:
            function(*warm_up)
    except BaseException:
        control.sendall(frame(pickle.dumps(traceback.format_exc(limit=-3))))
        raise
    control.sendall(frame(pickle.dumps("")))
    return function


def zygote(fd: int, target: str, warm_up: list[Any] | None, limit: float, memory: int) -> None:
    """Fork workers on request until the parent is gone, then end together with all of them."""
    parent = os.getppid()
    control = socket.socket(fileno=fd)
    try:
        function = load_target(control, target, warm_up)
        gc.freeze()  # keep imported objects in memory pages shared with the workers
        while os.getppid() == parent:  # a fork of the parent may hold a copy of the socket and so hide its end
            if not select.select([control], [], [], 1.0)[0]:
                continue
            request, fds, _, _ = socket.recv_fds(control, REQUEST.size, 1)
            if not request:
                break
            kind, pid = REQUEST.unpack(request)
            answer = _fork(control, fds[0], function, limit, memory) if kind == b"F" else _end_worker(pid)
            control.sendall(frame(pickle.dumps(answer)))
    finally:
        os.killpg(0, signal.SIGKILL)


def _fork(control: socket.socket, fd: int, function: Callable[..., Any], limit: float, memory: int) -> int:
    pid = os.fork()
    if pid:
        os.close(fd)
        return pid
    try:
        control.close()
        serve_tasks(socket.socket(fileno=fd), function, limit, memory)
    finally:
        os._exit(0)


def _end_worker(pid: int) -> int:
    """Kill a worker, dead or alive, and collect it; return its exit code or the negative number of its signal.

    Only the parent can do this safely: nobody else gets the pid before it is collected here.
    """
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def serve_tasks(sock: socket.socket, function: Callable[..., Any], limit: float, memory: int) -> None:
    """Run tasks one by one, in order, until the socket is closed."""
    _cap_memory(memory)
    with sock, sock.makefile("rb") as stream:
        while True:
            try:
                task = read_frame(stream)
            except (EOFError, OSError):
                return
            sock.sendall(frame(_run_task(function, task, limit)))


def _cap_memory(memory: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (memory if hard < 0 else min(memory, hard), hard))


def _run_task(function: Callable[..., Any], task: bytes, limit: float) -> bytes:
    """Run one task under the CPU timer: when it runs out, the kernel kills the process, whatever Python is doing."""
    start = time.perf_counter()
    _cpu_timer(limit)
    try:
        status, value, detail = "ok", function(*pickle.loads(task)), ""
        return pickle.dumps((status, value, detail, time.perf_counter() - start))
    except MemoryError:
        status, detail = "memory", "out of memory"
    except BaseException as error:
        status, detail = "error", _describe(error)
    finally:
        _cpu_timer(0)
    return pickle.dumps((status, None, detail, time.perf_counter() - start))


def _cpu_timer(seconds: float) -> None:
    if hasattr(signal, "setitimer"):  # SIGPROF has no Python handler, so its default action ends the process
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _describe(error: BaseException) -> str:
    try:
        text = str(error)[:500]
    except Exception:
        text = "(its text cannot be made)"
    return f"{type(error).__name__}: {text}"


def spawned_worker(port: int, token: str, target: str, warm_up: list[Any] | None, limit: float, memory: int) -> None:
    """Run a worker without a zygote: connect back, show the token, import the target, serve tasks."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(token.encode())
    serve_tasks(sock, load_target(sock, target, warm_up), limit, memory)
