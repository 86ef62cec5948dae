"""Runs an application on a socket until a signal, and tells a person what happens meanwhile."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
import time
from collections import Counter
from contextlib import suppress
from typing import Any

import click

from justtinker_core import PluginError
from justtinker_core.cli import exit_at_once
from justtinker_plugins.bridges.http import EXTRA, Service
from justtinker_plugins.shared.foreign import package
from justtinker_plugins.shared.secret import TOKEN, token_of
from justtinker_plugins.shared.terminal import count_of

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def token_for(host: str) -> str:
    """Return the token of the environment, '' if there is none; PluginError if others could ask without one."""
    token = token_of()
    if not token and not is_loopback(host):
        raise PluginError(
            f"--host {host}: other machines could ask, so set {TOKEN} in the environment to a secret that requests "
            "must show as 'Authorization: Bearer SECRET'; without it, only 127.0.0.1 is served"
        )
    return token


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach the host."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def url_of(host: str, port: int) -> str:
    """Return the server's URL; the addresses of IPv6 stand in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """Open the socket, or say why it cannot be opened."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, number)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(1024)  # who comes before the server is ready waits
    except OSError as error:
        raise PluginError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    return sock


def run(service: Service, sock: socket.socket, every: float) -> None:
    """Serve until the first SIGINT or SIGTERM, then finish what is in hand. A second one ends the process at once."""
    uvicorn = package("uvicorn", "justtinker serve", EXTRA)
    server = uvicorn.Server(uvicorn.Config(service.app(), log_config=None, access_log=False, lifespan="on"))
    asyncio.run(serve_until_signal(server, service, sock, every))


async def serve_until_signal(server: Any, service: Service, sock: socket.socket, every: float) -> None:
    """Serve, with signal handlers and a line every so often."""
    stopping = False

    def stop(number: signal.Signals) -> None:
        nonlocal stopping
        if stopping:
            click.echo("ended at once", err=True)
            exit_at_once(128 + number)
        stopping, server.should_exit = True, True
        in_hand = service.desk.working + service.desk.waiting
        tell(f"stopping: {count_of(in_hand, 'request')} in hand; once more to end at once")

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop, number)
    lines = asyncio.create_task(report_every(service, every))
    began = time.monotonic()
    try:
        await server._serve(sockets=[sock])  # serve() would handle signals in its own way
    finally:
        lines.cancel()
    tell(f"stopped after {time.monotonic() - began:,.0f} s: {described(service)}")


async def report_every(service: Service, seconds: float) -> None:
    """Print a line every so many seconds in which there were requests; 0 prints none."""
    before = 0
    while seconds:
        await asyncio.sleep(seconds)
        if new := service.counters.requests - before:
            before += new
            tell(f"{time.strftime('%H:%M:%S')} {new / seconds:,.1f} requests a second; {described(service)}")


def described(service: Service) -> str:
    """Describe what was served since the start."""
    counters = service.counters
    text = count_of(counters.requests, "request")
    if refused := {status: number for status, number in sorted(counters.statuses.items()) if status >= 400}:
        text += f", refused {', '.join(f'{number:,} ({status})' for status, number in refused.items())}"
    return f"{text}; responses: {listed(counters.outcomes)}"


def listed(outcomes: Counter[str]) -> str:
    """List outcomes with their numbers."""
    return ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(outcomes.items())) or "none"


def tell(line: str) -> None:
    """Print a line; a closed pipe does not end the server."""
    with suppress(OSError):
        click.echo(line)
