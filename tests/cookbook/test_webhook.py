from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from justtinker_core import Finding, PluginError, hookimpl
from justtinker_core.testing import Runner
from justtinker_core.types import StepStats
from tests.cookbook.conftest import Server, recipe

Webhook = recipe("webhook:Webhook")
Serve = Callable[..., Server]


def ok(body: Any) -> tuple[int, Any]:
    return 200, b"ok"


class Watch:
    """Finds something at every step."""

    @hookimpl
    def inspect_step(self, stats: StepStats) -> Sequence[Finding]:
        return [Finding("info", "so so"), Finding("warn", f"bad {stats.metrics['accuracy']}")]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda url: monkeypatch.setenv("JUSTTINKER_WEBHOOK", url)


def wrong(prompt: str, index: int) -> str:
    return "no"


def test_warnings_of_any_monitor_and_the_end(run_with: Runner, serve: Serve, at: Callable[[str], None]) -> None:
    server = serve(ok)
    at(server.url)
    run_with(Webhook, Watch(), respond=wrong, steps=2)
    assert server.got == [
        {"text": "test step 1: warn watch: bad 0.0"},
        {"text": "test step 2: warn watch: bad 0.0"},
        {"text": "test finished at step 2"},
    ]


def test_a_slow_server_holds_up_nothing(run_with: Runner, serve: Serve, at: Callable[[str], None]) -> None:
    hang = threading.Event()
    server = serve(lambda body: (200, str(hang.wait(30)).encode()))
    at(server.url)
    plugin = Webhook(waiting=2, last_seconds=0.2)
    begun = time.monotonic()
    done = run_with(plugin, Watch(), respond=wrong, steps=8)
    assert time.monotonic() - begun < 10
    assert len(done.steps) == 8
    assert len(server.got) == 1  # the others wait, or are dropped
    hang.set()
    plugin._queue.join()  # else its thread would go on posting in later tests


def test_what_does_not_fit_is_counted() -> None:
    plugin = Webhook(waiting=1)
    plugin._thread = threading.current_thread()  # nobody posts
    for text in "abc":
        plugin._enqueue(text)
    assert (plugin._queue.get(), plugin._dropped) == ("a", 2)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda body: (404, b"no such hook"), "webhook: posting failed: HTTPError 404 (logged once)"),
        (None, "webhook: posting failed: URLError (logged once)"),
    ],
)
def test_a_dead_server_is_survived_and_its_address_is_not_logged(
    run_with: Runner,
    serve: Serve,
    at: Callable[[str], None],
    caplog: pytest.LogCaptureFixture,
    answer: Any,
    message: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(answer or ok)
    if answer is None:
        server.close()
    at(server.url)
    done = run_with(Webhook, Watch(), respond=wrong, steps=3)
    assert done.status == "finished"
    assert [r.getMessage() for r in caplog.records if "webhook" in r.getMessage()] == [message]
    written = "".join(file.read_text(errors="replace") for file in done.dir.rglob("*.*"))
    assert server.url not in caplog.text + written


def test_a_missing_address_is_a_complaint_before_the_run(run_with: Runner, at: Callable[[str], None]) -> None:
    at("ftp://secret")
    message = "webhook: the environment variable JUSTTINKER_WEBHOOK holds no http(s) address"
    with pytest.raises(PluginError) as error:
        run_with(Webhook)
    assert str(error.value) == message
