from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core.errors import PluginError, SamplingError

pytest.importorskip("tinker", reason="the tinker backend needs the tinker SDK")

from justtinker_core.testing.backends import ADAM, PROMPTS, WAIT, demonstrations, request
from justtinker_plugins.backends._tinker import waiting
from justtinker_plugins.backends._tinker.backend import TinkerBackend
from justtinker_plugins.backends._tinker.calls import Calls, explained
from justtinker_plugins.backends._tinker.waiting import LONG, PERIOD, Waiting, listen, reason_of, words_of
from tests.core.conftest import cli
from tests.plugins.tinker_fixtures import Open, wire_config
from tests.plugins.tinker_server import KEY, TinkerServer

URL = "http://127.0.0.1:8000"
SOON = 0.5
"""Seconds to give up after; nothing hangs on how long they are."""


def draw(backend: TinkerBackend, prompt: str = PROMPTS[0]) -> Any:
    return backend.sampler().sample([request(backend, prompt)])[0]


def error_of(future: Any) -> str:
    error = future.exception(WAIT)
    assert type(error) is PluginError, "it concerns every request"
    assert KEY not in str(error)
    return str(error)


# -- a server that is given up ---------------------------------------------------------------------------------------


def test_a_server_that_is_gone_is_given_up(server: TinkerServer, opened: Open) -> None:
    backend = opened(give_up_after=SOON)
    sampler = backend.sampler()
    sampler.sample([request(backend, PROMPTS[0])])[0].result(WAIT)
    server.stop()
    stepped, sampled = backend.optim_step(ADAM), sampler.sample([request(backend, PROMPTS[0])])[0]
    error = error_of(stepped)
    assert error.startswith(f"Tinker: no answer from {server.url} for "), error
    assert "last: " in error
    assert error.endswith(
        "start the server again, or mend the network, then try again ([plugins.tinker] give_up_after = 0.5)"
    )
    assert error_of(sampled) == error
    assert error_of(backend.optim_step(ADAM)) == error, "nothing is sent to it any more"


def test_nothing_waits_for_a_call_that_hangs_in_an_old_sdk() -> None:
    open_calls, released = Waiting(URL, 0.05, 0.05), threading.Event()
    calls = Calls(open_calls)
    try:
        hanging = calls.submit(released.wait, lambda reply: reply, "the gradient")
        call = wait_until(lambda: next(iter(open_calls._open), None))
        open_calls.tell(call, "forward_backward", 0, "connection refused", call.since)
        assert "no answer from" in error_of(hanging)
        later = calls.submit(lambda: 1, lambda reply: reply, "the optimizer step")
        assert not released.is_set(), "the thread that makes the calls still hangs"
        assert error_of(later) == error_of(hanging)
    finally:
        released.set()
        calls.close()


def test_a_server_that_only_fails_is_given_up(server: TinkerServer, opened: Open) -> None:
    backend = opened(give_up_after=SOON)
    backend.encode("1")
    server.answers["forward_backward"] = (500, f"no such luck with {KEY}")
    error = error_of(backend.forward_backward(demonstrations(backend), "cross_entropy", {}))
    assert error.startswith(f"Tinker: {server.url} has failed with 500 for "), error
    assert "last: no such luck with ***), waiting for the gradient: its log says why" in error


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (429, "it is overloaded, or the account's limit is reached: try again later, or ask for fewer samples"),
        (503, "it has no room: try again later"),
        (402, "the account cannot be billed; add a payment method or credit in the Tinker console, then try again"),
    ],
)
@pytest.mark.parametrize("path", ["asample", "retrieve_future"])
def test_a_server_that_is_too_busy_is_given_up(
    server: TinkerServer, opened: Open, status: int, advice: str, path: str
) -> None:
    backend = opened(give_up_busy_after=SOON)
    sampler = backend.sampler()
    sampler.sample([request(backend, PROMPTS[0])])[0].result(WAIT)
    server.answers[path] = (status, f"no such luck with {KEY}")
    error = error_of(sampler.sample([request(backend, PROMPTS[0])])[0])
    assert error.startswith(f"Tinker: {server.url} has answered only {status} for "), error
    assert f"last: no such luck with ***), waiting for samples: {advice}" in error
    assert error.endswith("([plugins.tinker] give_up_busy_after = 0.5)")


def test_a_server_that_is_gone_before_the_first_client(server: TinkerServer, opened: Open) -> None:
    backend = opened(give_up_after=SOON)
    server.stop()
    with pytest.raises(
        PluginError, match=f"no answer from {server.url} for .* waiting for a (session|training client): start"
    ):
        backend.encode("1")


def test_what_the_sdk_gives_up_by_itself_says_the_same(opened: Open) -> None:
    import httpx
    from tinker import APIConnectionError, InternalServerError

    asked = httpx.Request("POST", URL)
    open_calls = Waiting(URL, 600, 3600)
    call = open_calls.begin("the optimizer step")
    call.failed(
        "optim_step", 0, "connection refused", time.monotonic() - 306.6
    )  # rounds to 307, also on a slow machine
    text = str(explained(APIConnectionError(request=asked), PluginError, call))
    start = (
        f"Tinker: no answer from {URL} for 307 s (1 try; last: connection refused), waiting for the optimizer step: "
    )
    assert text.startswith(f"{start}start the server again, or mend the network, then try again [APIConn")
    call.failed("optim_step", 500, "out of memory", time.monotonic())
    broken = InternalServerError("no", response=httpx.Response(500, request=asked), body=None)
    text = str(explained(broken, SamplingError, call))
    assert text.startswith(f"Tinker: {URL} has failed with 500 for 307 s (2 tries; last: out of memory), waiting for ")


def test_a_run_ends_when_its_server_is_gone(
    server: TinkerServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = TinkerServer.optim_step

    def fall(world: TinkerServer, body: dict[str, Any]) -> Any:
        if world.model(body).steps == 2:
            world.stop()
        return step(world, body)

    monkeypatch.setattr(TinkerServer, "optim_step", fall)
    server.context_length = 512
    (tmp_path / "wire.toml").write_text(wire_config(server.url))
    run = tmp_path / "run"
    ended = cli("train", tmp_path / "wire.toml", "--dir", run, "--set", "plugins.wire.give_up_after=0.5")
    assert ended.exit_code == 1
    *_, error, advice, _ = ended.output.splitlines()
    assert error.startswith(f"Error: training failed at step 3: Tinker: no answer from {server.url} for "), error
    assert error.endswith("; the last good checkpoint is of step 2: tinker://session0:train:0/weights/step_000002")
    assert advice == f"failed; fix the cause, then resume with the same config: justtinker train --resume {run}"
    left = [thread.name for thread in threading.enumerate() if not thread.daemon and "tinker" in thread.name]
    assert left == [], "the process would not end"


# -- a server that was restarted -------------------------------------------------------------------------------------


def test_a_server_that_was_restarted_is_told_from_one_that_refuses(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    backend.forward_backward(demonstrations(backend), "cross_entropy", {}).result(WAIT)
    backend.optim_step(ADAM).result(WAIT)
    sampler = backend.sampler()
    before = sampler.sample([request(backend, PROMPTS[0])])[0].result(WAIT)
    path = backend.save("start").result(WAIT)
    port = server.stop()
    server.forget()
    server.start(port)
    lost = "Tinker: the server has lost this run's session, perhaps it was restarted: --resume goes on from the last"
    assert error_of(sampler.sample([request(backend, PROMPTS[0])])[0]).startswith(lost)
    assert error_of(backend.optim_step(ADAM)).startswith(lost)
    resumed = opened()
    resumed.restore(path, optimizer=True)
    assert draw(resumed).result(WAIT) == before


def test_a_request_that_was_under_way_at_the_restart(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    server.hold = {PROMPTS[0]: threading.Event()}
    sampled = draw(backend)
    wait_until(lambda: server.bodies("asample"))
    port = server.stop()
    server.forget()
    server.hold.pop(PROMPTS[0]).set()
    server.start(port)
    with pytest.raises(PluginError, match="the server has lost this run's session"):
        sampled.result(WAIT)


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("Model 'x' not found", True),
        ("model 'x' is not loaded", True),
        ("Promise expired/broken for request 7", True),
        ("max_tokens must be a positive number", False),
    ],
)
def test_servers_say_in_their_own_words_that_a_session_is_lost(text: str, lost: bool) -> None:
    open_calls = Waiting(URL, 600, 3600)
    error = explained(ValueError(text), PluginError, open_calls.begin("the gradient", in_session=True))
    assert ("lost this run's session" in str(error)) is lost
    assert "lost" not in str(explained(ValueError(text), PluginError, open_calls.begin("a training client")))


# -- lines -----------------------------------------------------------------------------------------------------------


def wait_until(there: Callable[[], Any]) -> Any:
    end = time.monotonic() + WAIT
    while not (found := there()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def said(caplog: pytest.LogCaptureFixture, *texts: str) -> Callable[[], list[str]]:
    return lambda: [line for r in caplog.records if all(text in (line := r.getMessage()) for text in texts)]


def test_waiting_for_a_server_that_comes_back_is_not_silent(
    server: TinkerServer, opened: Open, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PERIOD", 0.0)
    backend = opened(give_up_busy_after=2)  # so that it looks often
    backend.encode("1")
    port = server.stop()
    stepped = backend.optim_step(ADAM)
    line = wait_until(said(caplog, "waiting for the optimizer step for"))[0]
    assert f" s: no answer from {server.url} (" in line, line
    assert line.endswith("; giving up after 600 s of this")
    server.start(port)
    stepped.result(WAIT)
    assert len(server.bodies("optim_step")) == 1


def test_a_call_that_takes_long_is_told_too(
    server: TinkerServer, opened: Open, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "LONG", 0.1)
    backend = opened(give_up_busy_after=2)
    server.hold = {PROMPTS[0]: threading.Event()}
    sampled = draw(backend)
    wait_until(said(caplog, "waiting for samples for", " s; the server works on it"))
    server.hold[PROMPTS[0]].set()
    sampled.result(WAIT)


def test_without_the_sdks_client_lines_say_what_is_awaited_and_since_when() -> None:
    assert not listen(None)
    assert not listen(object)
    open_calls = Waiting(URL, 600, 3600, lambda: 12)
    call = open_calls.begin("samples")
    other = open_calls.begin("samples")
    assert open_calls.line(call.since + LONG - 1) == ""
    line = open_calls.line(call.since + LONG + 1)
    assert line == "step 12: waiting for samples (2 requests) for 61 s; no word from the server yet"
    assert open_calls.line(call.since + 100) == "", "the next comes when it has taken twice as long"
    assert "for 123 s" in open_calls.line(call.since + 123)
    open_calls.end(other)
    assert open_calls.lost(call.since + 10**6) == "", "nothing is known, so it waits"


def test_a_call_that_is_always_long_is_told_once() -> None:
    open_calls = Waiting(URL, 600, 3600)
    first = open_calls.begin("samples")
    first.since -= 200
    open_calls.end(first)
    second = open_calls.begin("samples")
    assert open_calls.line(second.since + 390) == ""
    assert open_calls.line(second.since + 410)


def test_a_call_that_waits_for_another_of_ours_is_not_told() -> None:
    open_calls = Waiting(URL, 600, 3600)
    open_calls.begin("the gradient").held = True
    client = open_calls.begin("a training client")
    assert "waiting for a training client for 70 s" in open_calls.line(client.since + 70)


def test_a_line_about_a_server_in_trouble_comes_every_period() -> None:
    open_calls = Waiting(URL, 600, 3600, lambda: 3)
    call = open_calls.begin("samples")
    begun = call.since
    open_calls.tell(call, "asample", 429, "slow down", begun)
    assert open_calls.line(begun + PERIOD - 1) == "", "the SDK makes up for short ones"
    assert open_calls.line(begun + PERIOD) == (
        f"step 3: waiting for samples for 30 s: {URL} answers 429 (slow down); 1 try; giving up after 3600 s of this"
    )
    open_calls.tell(call, "asample", 402, "no credit", begun + 40)
    assert open_calls.line(begun + 2 * PERIOD - 1) == ""
    line = open_calls.line(begun + 2 * PERIOD)
    assert f"{URL} answers 402 (no credit): add a payment method or credit in the Tinker console; 2 tries" in line
    open_calls.tell(call, "asample", 200, "", begun + 61)
    assert open_calls.line(begun + 4 * PERIOD).endswith("; the server works on it")


class Reply:
    headers: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, status: int, content: Any) -> None:
        self.status_code, self.content = status, json.dumps(content).encode()


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(429, {"detail": f"no more\nfor {KEY}"}), "no more for ***"),
        (Reply(500, {"error": "x" * 500}), "x" * 160 + "..."),
        (Reply(408, {"queue_state": "paused_capacity", "queue_state_reason": "no room"}), "no room"),
        (Reply(408, {"queue_state": "active"}), ""),
        (Reply(500, ["?"]), ""),
        (object(), ""),
    ],
)
def test_the_servers_words_are_repeated_in_short_and_without_the_key(
    reply: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINKER_API_KEY", KEY)
    assert words_of(reply) == words


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(111, "Connect call failed"), "connection refused"),
        (
            RuntimeError("sending failed: client error (Connect): Connection refused (os error 111)"),
            "connection refused",
        ),
        (RuntimeError("client error (SendRequest): connection closed"), "connection closed"),
        (TimeoutError(), "it took too long"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_the_reasons_of_all_transports_are_short(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason


# -- when a server is given up ---------------------------------------------------------------------------------------

EXCHANGES = st.lists(
    st.tuples(st.sampled_from([0, 200, 400, 402, 408, 429, 500, 503]), st.integers(1, 300)), max_size=20
)


@given(EXCHANGES, st.integers(0, 300))
def test_a_server_is_given_up_when_all_tries_have_failed_for_so_long(
    exchanges: list[tuple[int, int]], more: int
) -> None:
    open_calls = Waiting(URL, 600, 1800)
    call = open_calls.begin("samples")
    now, history = call.since, []
    for status, gap in exchanges:
        open_calls.tell(call, "asample", status, "", now)
        history.append((status, now))
        now += gap
    now += more
    failed: list[tuple[int, float]] = []
    for status, at in history:
        failed = [] if status in (200, 400, 408) else [*failed, (status, at)]
    silent: list[tuple[int, float]] = []
    for status, at in failed:
        silent = [] if status in (402, 429, 503) else [*silent, (status, at)]
    expected = (silent and now - silent[0][1] >= 600) or (failed and now - failed[0][1] >= 1800)
    assert bool(open_calls.lost(now)) is bool(expected)


def test_others_that_are_served_show_that_a_server_is_not_only_busy() -> None:
    open_calls = Waiting(URL, 600, 3600)
    unlucky, lucky = open_calls.begin("samples"), open_calls.begin("samples")
    open_calls.tell(unlucky, "asample", 429, "", unlucky.since - 4000)
    assert open_calls.lost(unlucky.since)
    open_calls.tell(lucky, "asample", 200, "", lucky.since)
    assert not open_calls.lost(unlucky.since)


def test_the_sdks_shared_poll_speaks_for_all_calls_of_its_kind() -> None:
    open_calls = Waiting(URL, 600, 3600)
    poller, other, step = (open_calls.begin(what) for what in ("samples", "samples", "the optimizer step"))
    open_calls.end(poller)
    open_calls.tell(poller, "retrieve_futures", 0, "connection refused", other.since)
    assert (other.tries, step.tries) == (1, 0)
    open_calls.tell(poller, "asample", 0, "connection refused", other.since)
    assert other.tries == 1
