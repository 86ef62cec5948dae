"""A web server in a thread, on this machine, for tests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

PATIENCE = 30.0


@contextmanager
def http_server(routes: Sequence[Route]) -> Iterator[str]:
    """Serve these routes, and give the address."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as sock:
        config = uvicorn.Config(Starlette(routes=routes), log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()
