"""Real servers for tests: the application in a thread of this process, or the command in a process of its own."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from justtinker_plugins.bridges.http import make_app

PATIENCE = 60.0
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
GATE = '''
import threading
from pathlib import Path
from justtinker_core import Verdict, hookimpl, plugin

@plugin
class Gate:
    """Judges when it may: when its event is set, or the file is there."""

    file: str = ""

    def __post_init__(self):
        self.open = threading.Event()

    @hookimpl
    def verify(self, problem, rollouts):
        while not (self.open.wait(0.01) or (self.file and Path(self.file).exists())):
            pass
        return [Verdict("correct" if r.text == problem.answer else "incorrect") for r in rollouts]
'''


def gated(folder: Path, file: str = "") -> dict[str, Any]:
    """A stack whose verifier waits for its gate to be opened."""
    (folder / "gate.py").write_text(GATE)
    return {
        "plugins": {"enable": ["gate", "correct"], "gate": {"file": file}},
        "local_plugins": {"gate": f"{folder}/gate.py:Gate"},
    }


@contextmanager
def served(*args: Any, **options: Any) -> Iterator[tuple[str, Any]]:
    """Serve an application in a thread; gives its address, and its service."""
    app = make_app(*args, **options)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}", app.state.service
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()


@contextmanager
def command(*arguments: str, cwd: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run ``justtinker serve`` on a free port; gives its address, and the process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "justtinker_core.cli", "serve", "--port", "0", *arguments],
        cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", first)
        assert found, first + process.stdout.read()
        yield found[0], process
    finally:
        process.kill()
        process.wait(PATIENCE)


def call(url: str, body: Any = None, token: str = "", method: str | None = None) -> tuple[int, Any, dict[str, str]]:
    """Ask a server; gives status, content (from JSON, if it is) and headers. A body of bytes is sent as it is."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with DIRECT.open(request, timeout=PATIENCE) as response:
            status, text, found = response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        with error:
            status, text, found = error.code, error.read(), error.headers
    kind = found.get("Content-Type", "")
    return status, json.loads(text) if kind == "application/json" else text.decode(), dict(found)


def at_once(calls: Sequence[Callable[[], Any]]) -> tuple[list[threading.Thread], list[Any]]:
    """Start all calls, each in a thread; gives the threads, and a list that they fill in the calls' order."""
    results: list[Any] = [None] * len(calls)

    def run(place: int) -> None:
        results[place] = calls[place]()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    return threads, results


def gauge(url: str, name: str, token: str = "") -> float:
    """Read one number of ``/metrics``."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", call(f"{url}/metrics", token=token)[1], re.MULTILINE)
    assert found, name
    return float(found[1])


def wait_for(what: Callable[[], bool]) -> None:
    """Wait until it is so."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        if what():
            return
        pause.wait(0.01)
    raise AssertionError("it has not come about")
