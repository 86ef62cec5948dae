"""What the cookbook's tests share: a recipe through the door of local plugins, and a real HTTP server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from justtinker_core.discovery import load_file

FOLDER = Path(__file__).parents[2] / "docs" / "plugins" / "cookbook"


def recipe(reference: str) -> Any:
    """The class or function that ``name:Thing`` is in the cookbook."""
    name, _, thing = reference.partition(":")
    return load_file(f"{FOLDER / name}.py:{thing}")


class Listener(ThreadingHTTPServer):
    """Many may connect at once; the default is a queue of 5."""

    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing if a client does not wait."""


class Server:
    """An HTTP server on this machine that keeps what it is sent; `answer` says what it replies."""

    def __init__(self, answer: Callable[[Any], tuple[int, Any]]) -> None:
        self.got: list[Any] = []
        self.headers: list[dict[str, str]] = []
        server, self.answer = self, answer

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.headers.append(dict(self.headers))
                server.got.append(body)
                status, reply = server.answer(body)
                content = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/path"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """``serve(answer)``: a server; answer(body) -> (status, what to reply)."""
    monkeypatch.setenv("no_proxy", "*")
    servers: list[Server] = []

    def start(answer: Callable[[Any], tuple[int, Any]]) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
