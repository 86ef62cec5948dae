"""Asking an endpoint that is slow, busy, broken, cuts off and lies: what comes back, what it costs, what is hidden."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import re
import socket
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import JSONResponse, PlainTextResponse

from justtinker_core import PluginError
from justtinker_plugins.shared.judge import endpoint
from justtinker_plugins.shared.judge.asking import Asker, Question, Verdict
from justtinker_plugins.shared.judge.budget import Cost, Meter
from justtinker_plugins.shared.judge.data import Template
from justtinker_plugins.shared.judge.options import JudgeOptions
from justtinker_plugins.shared.judge.replies import object_schema
from tests.judge_server import JudgeServer, completion, cut_off, failing, judge_server

SCHEMA = object_schema({"reason": {"type": "string"}, "same": {"type": "boolean"}})
TEMPLATE = Template("Compare.", "{{reference}} {{response}}")
KEY = "sk-very-secret"
PRICES = {"usd_per_million_input": 10.0, "usd_per_million_output": 100.0}  # 0.002 USD for 100 and 10 tokens


def question(response: str = "4", reference: str = "4") -> Question:
    return Question(TEMPLATE, {"reference": reference, "response": response}, SCHEMA)


def options_for(server: JudgeServer, **options: Any) -> JudgeOptions:
    return JudgeOptions(**{"model": "judge-1", "base_url": server.url, "backoff": 0.001, "cache": False, **options})


def ask(options: JudgeOptions, questions: Sequence[Question], meter: Meter | None = None) -> list[Verdict]:
    """Ask all at once."""

    async def asking() -> list[Verdict]:
        asker = Asker(options, meter or Meter(options.budget_usd, options.budget_calls))
        try:
            return await asyncio.gather(*(asker.ask(each) for each in questions))
        finally:
            await asker.close()

    return asyncio.run(asking())


def test_a_question_is_sent_as_openai_takes_it() -> None:
    with judge_server() as server:
        (verdict,) = ask(options_for(server, **PRICES), [question()])
    assert verdict.found == {"reason": "the same", "same": True}
    assert verdict.cost == Cost(1, 0.002)
    (body,) = server.asked
    assert {name: body[name] for name in ("model", "temperature", "max_tokens")} == {
        "model": "judge-1", "temperature": 0.0, "max_tokens": 512,
    }  # fmt: skip
    assert body["response_format"] == {
        "type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": SCHEMA},
    }  # fmt: skip
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert "authorization" not in server.headers[0]


@pytest.mark.parametrize(
    "fault",
    [failing(429), failing(500), failing(503), failing(408), failing(429, Retry_After="0.01")],
    ids=["429", "500", "503", "408", "Retry-After"],
)
def test_what_may_pass_is_tried_again(fault: Any) -> None:
    with judge_server(faults=[fault, fault]) as server:
        (verdict,) = ask(options_for(server, **PRICES), [question()])
    assert verdict.found == {"reason": "the same", "same": True}
    assert verdict.cost == Cost(3, 0.002), "refused tries count as calls, and cost nothing"
    assert len(server.asked) == 3
    codes = {body["messages"][1]["content"].split(">")[0] for body in server.asked}
    assert len(codes) == 1, "a try sends the same request again"


LONGEST = 512 * 100 / 1e6


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        (cut_off, 2),
        (PlainTextResponse("<html>"), 1),
        (PlainTextResponse("x" * 1001), 1),
        (failing(504), 2),
        ("hold", 2),
    ],
    ids=["cut off", "no JSON", "without end", "a gateway's time-out", "too slow"],
)
def test_what_was_sent_and_not_refused_may_be_billed(fault: Any, sent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "MOST_BYTES", 1000)
    meter = Meter(most_usd=1.0)
    with judge_server(faults=[] if fault == "hold" else [fault] * 2) as server:
        if fault == "hold":
            server.hold.clear()
        options = options_for(server, tries=2, timeout=0.3 if fault == "hold" else 30.0, **PRICES)
        (verdict,) = ask(options, [question()], meter)
    assert verdict.found is None
    assert verdict.cost.calls == sent
    assert sent * LONGEST < verdict.cost.usd < sent * LONGEST * 1.2
    assert meter.spent == verdict.cost
    assert meter.reserved == pytest.approx(0)


def test_requests_that_time_out_use_up_the_budget() -> None:
    with judge_server() as server:
        server.hold.clear()
        options = options_for(server, tries=9, timeout=0.1, budget_usd=2.5 * LONGEST, **PRICES)
        (verdict,) = ask(options, [question()])
    assert verdict.reason.startswith("the judge's budget is used up: 0.1")
    assert verdict.cost.calls == 2


@pytest.mark.parametrize(
    ("fault", "reason", "sent"),
    [
        (failing(503, "busy"), "/chat/completions answers 503: busy (3 tries)", 3),
        (failing(429, "slow down"), "/chat/completions answers 429: slow down (3 tries)", 3),
        (failing(429, "insufficient_quota"), "/chat/completions answers 429: insufficient_quota", 1),
        (failing(429, Retry_After="9999"), "/chat/completions answers 429: no", 1),
        (failing(403, "go away"), "/chat/completions answers 403: go away", 1),
        (failing(404, "no such model"), "/chat/completions answers 404: no such model", 1),
        (cut_off, "/chat/completions cannot be reached: peer closed connection", 3),
    ],
)
def test_what_does_not_pass_is_no_verdict(fault: Any, reason: str, sent: int) -> None:
    with judge_server(faults=[fault] * 3) as server:
        (verdict,) = ask(options_for(server, tries=3), [question()])
    assert verdict.found is None
    assert reason in verdict.reason
    assert verdict.cost.calls == len(server.asked) == sent


def test_replies_that_lie_are_no_verdict_and_are_paid() -> None:
    replies = [completion("Yes!"), completion({"same": "maybe"}), completion(None, refusal="I won't"), {"odd": 1}, [1]]
    reasons = [
        "the reply is no JSON object",
        "the reply does not fit: expected reason, same in the reply, got same",
        "the judge refused: I won't",
        "the reply has no message in it",
        "answers 200 with JSON that is no object",
    ]
    for reply, reason in zip(replies, reasons, strict=True):
        with judge_server(faults=[JSONResponse(reply)]) as server:
            (verdict,) = ask(options_for(server, **PRICES), [question()])
        assert verdict.found is None
        assert reason in verdict.reason
        assert verdict.cost.calls == len(server.asked) == 1
        assert verdict.cost.usd > 0
    with judge_server(faults=[PlainTextResponse("<html>")]) as server:
        (verdict,) = ask(options_for(server), [question()])
    assert "answers 200 without JSON: is base_url the address of an OpenAI-like API?" in verdict.reason


def test_usage_that_is_not_told_counts_as_the_most_it_can_be() -> None:
    reply = completion({"reason": "", "same": True})
    del reply["usage"]
    with judge_server(faults=[JSONResponse(reply)]) as server:
        (verdict,) = ask(options_for(server, **PRICES), [question()])
    assert verdict.cost.usd > 512 * 100 / 1e6


def test_a_refusal_that_is_cut_off_costs_nothing() -> None:
    refused = b"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nx"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer_once, args=(listener, refused), daemon=True).start()
        options = JudgeOptions(model="m", base_url=f"http://127.0.0.1:{listener.getsockname()[1]}/v1", tries=1)
        (verdict,) = ask(dataclasses.replace(options, cache=False, **PRICES), [question()])
    assert "cannot be reached: peer closed connection" in verdict.reason
    assert verdict.cost == Cost(1, 0.0)


def answer_once(listener: socket.socket, reply: bytes) -> None:
    """Read a whole request and send this; to close a connection that holds unread data would reset it."""
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as request:
        headers = b"".join(iter(request.readline, b"\r\n")).lower()
        request.read(int(headers.partition(b"content-length: ")[2].split()[0]))
        connection.sendall(reply)


def test_a_server_that_takes_no_connection_costs_nothing() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:  # they fill its queue
            each.setblocking(False)
            with suppress(BlockingIOError):
                each.connect(listener.getsockname())
        options = JudgeOptions(model="m", base_url=f"http://127.0.0.1:{listener.getsockname()[1]}/v1", tries=1)
        (verdict,) = ask(dataclasses.replace(options, cache=False, timeout=1.0, **PRICES), [question()])
        for each in waiting:
            each.close()
    assert verdict.reason.endswith("/chat/completions cannot be reached: ConnectTimeout")
    assert verdict.cost == Cost(1, 0.0)


def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    options = JudgeOptions(model="m", base_url=f"http://127.0.0.1:{port}/v1", tries=2, backoff=0.0, cache=False)
    (verdict,) = ask(dataclasses.replace(options, **PRICES), [question()])
    assert verdict.cost == Cost(2, 0.0), "nothing was sent"
    assert verdict.reason == (
        f"http://127.0.0.1:{port}/v1/chat/completions cannot be reached: All connection attempts failed (2 tries)"
    )


def test_a_server_that_is_too_slow() -> None:
    with judge_server() as server:
        server.hold.clear()
        (verdict,) = ask(options_for(server, timeout=0.05, tries=2), [question()])
    assert "/chat/completions gave no answer within 0.05 s (2 tries)" in verdict.reason


def test_a_server_that_refuses_the_schema_is_asked_in_words(caplog: pytest.LogCaptureFixture) -> None:
    refuses = lambda body: failing(400, "response_format: unsupported") if "response_format" in body else None  # noqa: E731
    with judge_server(refuses=refuses) as server:
        verdicts = ask(options_for(server), [question(), question("5")])
        assert [verdict.found and verdict.found["same"] for verdict in verdicts] == [True, False]
        assert sum(verdict.cost.calls for verdict in verdicts) == len(server.asked) == 4
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert warnings[0].startswith("the judge takes no response_format and is asked for JSON in words: http://")


def test_a_server_that_wants_the_new_name_of_max_tokens_gets_it() -> None:
    said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    with judge_server(refuses=lambda body: failing(400, said) if "max_tokens" in body else None) as server:
        (verdict,) = ask(options_for(server), [question()])
    assert verdict.found is not None
    assert server.asked[1]["max_completion_tokens"] == 512
    assert "response_format" in server.asked[1]


def test_a_request_that_is_wrong_for_good() -> None:
    said = "temperature: only 1 is supported"
    with judge_server(refuses=lambda body: failing(400, said)) as server:
        (verdict,) = ask(options_for(server), [question()])
    assert verdict.reason.endswith(f"answers 400: {said}")
    assert verdict.cost.calls == len(server.asked) == 2


def test_all_are_under_way_at_once_or_as_many_as_may_be() -> None:
    with judge_server(gather=40) as server:
        verdicts = ask(options_for(server), [question(str(n)) for n in range(40)])
    assert all(verdict.found for verdict in verdicts)
    assert server.most_under_way == 40
    with judge_server(gather=5) as server:
        ask(options_for(server, in_flight=5), [question(str(n)) for n in range(40)])
    assert server.most_under_way == 5


def test_the_same_question_is_asked_once() -> None:
    with judge_server() as server:
        verdicts = ask(options_for(server, **PRICES), [question()] * 8)
        assert len(server.asked) == 1
    assert [verdict.cost.calls for verdict in verdicts] == [1, *[0] * 7], "who came first pays"
    assert all(verdict.found for verdict in verdicts)


def test_the_same_question_that_fails_fails_for_all() -> None:
    with judge_server(faults=[failing(403)]) as server:
        verdicts = ask(options_for(server), [question()] * 3)
        assert len(server.asked) == 1
    assert [verdict.found for verdict in verdicts] == [None] * 3
    assert not any(verdict.cached for verdict in verdicts)


def test_one_that_gives_up_leaves_the_question_to_the_others() -> None:
    async def check(server: JudgeServer) -> None:
        asker = Asker(options_for(server), Meter())
        server.hold.clear()
        first, second = (asyncio.create_task(asker.ask(question())) for _ in range(2))
        while not server.asked:
            await asyncio.sleep(0.005)
        first.cancel()
        await asyncio.sleep(0)
        server.hold.set()
        assert (await asyncio.wait_for(second, 10)).found
        assert first.cancelled()
        await asker.close()

    with judge_server() as server:
        asyncio.run(check(server))
        assert len(server.asked) == 1


def test_what_is_cancelled_is_taken_back_and_may_be_asked_again() -> None:
    async def check(server: JudgeServer) -> None:
        meter = Meter(most_usd=1.0)
        asker = Asker(options_for(server, budget_usd=1.0, **PRICES), meter)
        server.hold.clear()
        task = asyncio.create_task(asker.ask(question()))
        while not server.under_way:
            await asyncio.sleep(0.005)
        task.cancel()
        again = asyncio.create_task(asker.ask(question()))
        while not server.dropped:
            await asyncio.sleep(0.005)
        assert meter.spent.usd > 0, "the server may send a bill for it"
        server.hold.set()
        assert (await asyncio.wait_for(again, 10)).found
        assert meter.reserved == pytest.approx(0)
        assert not asker._running
        await asker.close()

    with judge_server() as server:
        asyncio.run(check(server))
        assert server.under_way == 0


def test_a_budget_of_calls_is_kept_to_the_call() -> None:
    with judge_server() as server:
        verdicts = ask(options_for(server, budget_calls=5), [question(str(n)) for n in range(20)])
        assert len(server.asked) == 5
    assert sum(verdict.found is not None for verdict in verdicts) == 5
    assert {v.reason for v in verdicts if not v.found} == {"the judge's budget is used up: budget_calls = 5"}
    with judge_server(faults=[failing(500)] * 9) as server:
        (verdict,) = ask(options_for(server, budget_calls=3, tries=9), [question()])
        assert verdict.cost.calls == len(server.asked) == 3, "tries count"


def test_a_budget_of_money_is_never_exceeded() -> None:
    with judge_server() as server:
        meter = Meter(most_usd=0.2)
        verdicts = ask(options_for(server, budget_usd=0.2, **PRICES), [question(str(n)) for n in range(100)], meter)
    assert 0.08 < meter.spent.usd <= 0.2
    assert meter.spent.calls == len(server.asked) == sum(v.found is not None for v in verdicts)


def test_the_cache_is_asked_first_and_keeps_no_failure(tmp_path: Path) -> None:
    cache = tmp_path / "judge.sqlite"
    with judge_server(faults=[failing(403), lambda: failing(403)]) as server:
        options = options_for(server, cache=cache, **PRICES)
        assert ask(options, [question()])[0].found is None
        server.faults.clear()
        assert ask(options, [question()])[0].cost == Cost(1, 0.002)
        (again,) = ask(options, [question()])
        assert (again.cached, again.cost, again.found) == (True, Cost(), {"reason": "the same", "same": True})
        assert len(server.asked) == 2
        for change in ({"model": "judge-2"}, {"temperature": 0.5}, {"max_tokens": 99}, {"structured": False}):
            assert not ask(options_for(server, cache=cache, **change), [question()])[0].cached, change
        assert not ask(options, [question(reference="4.0")])[0].cached
    assert KEY not in cache.read_bytes().decode("latin-1")


def test_a_cache_that_breaks_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = tmp_path / "judge.sqlite"
    with judge_server() as server:
        options = options_for(server, cache=cache)
        with sqlite3.connect(cache) as file:
            file.execute("CREATE TABLE replies (other TEXT)")
        verdicts = ask(options, [question(), question("5")])
        assert len(server.asked) == 2
    assert all(verdict.found for verdict in verdicts)
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said == [f"the cache of replies {cache} failed: no such column: reply; the judge goes on without it"]


def test_requests_a_minute_are_kept_to(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(server: JudgeServer) -> None:
        asker = Asker(options_for(server, requests_per_minute=3), Meter())
        tasks = [asyncio.create_task(asker.ask(question(str(n)))) for n in range(8)]
        while sum(task.done() for task in tasks) < 3:
            await asyncio.sleep(0.005)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asyncio.wait(tasks, return_when=asyncio.ALL_COMPLETED)), 0.2)
        assert len(server.asked) == 3
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asker.close()

    with judge_server() as server:
        asyncio.run(check(server))


def test_the_key_goes_into_the_header_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", KEY)
    hidden = "".join(f"\\u{ord(char):04x}" for char in KEY)  # as a server may write it in JSON
    echo = lambda body: f'{{"reason": "Bearer {hidden}", "same": true}}'  # noqa: E731
    with judge_server(echo, key=KEY, faults=[None, PlainTextResponse(f'{{"error": "bad {hidden}"}}', 403)]) as server:
        options = options_for(server, key_variable="MY_KEY", cache=tmp_path / "c.sqlite")
        good, bad = ask(options, [question()]), ask(options, [question("5")])
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"
        assert good[0].found == {"reason": "Bearer [key]", "same": True}
        assert bad[0].reason.endswith("answers 403: bad [key]")
        assert KEY not in repr((options, good, bad))
        monkeypatch.setenv("MY_KEY", "wrong-key")
        (refused,) = ask(options, [question("6")])
        assert refused.reason.endswith("answers 401: wrong key: Bearer [key]")
    assert caplog.records
    assert KEY not in caplog.text
    assert KEY.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_a_key_that_is_no_secret_garbles_no_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", "e")
    with judge_server(key="e") as server:
        assert ask(options_for(server), [question()])[0].found == {"reason": "the same", "same": True}


def test_a_redirect_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", KEY)
    with (
        judge_server() as other,
        judge_server(faults=[failing(307, Location=f"{other.url}/chat/completions")]) as server,
    ):
        (verdict,) = ask(options_for(server), [question()])
        assert verdict.found is None
        assert "answers 307" in verdict.reason
        assert not other.asked


def test_a_key_that_fits_no_header_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", "sk-\N{SNOWMAN}")
    with judge_server() as server, pytest.raises(PluginError) as error:
        ask(options_for(server), [question()])
    assert str(error.value) == "JUDGE_API_KEY: expected visible ASCII characters only"


def test_this_machine_is_asked_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with judge_server() as server:
        assert ask(options_for(server), [question()])[0].found


def test_retry_after_is_seconds_or_a_date() -> None:
    assert endpoint.seconds_of("1.5") == 1.5
    assert endpoint.seconds_of("-3") == 0.0
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < (endpoint.seconds_of(later) or 0) <= 100
    assert endpoint.seconds_of("soon") is endpoint.seconds_of("") is None


def test_retry_after_holds_the_others_too(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[float] = []
    monkeypatch.setattr("justtinker_plugins.shared.judge.limits.Pace.hold", lambda pace, seconds: held.append(seconds))
    with judge_server(faults=[failing(429, Retry_After="0.25")]) as server:
        assert ask(options_for(server), [question()])[0].found
    assert held == [0.25]


@given(st.integers(2, 60), st.floats(0.01, 10))
def test_waits_double_up_to_a_minute_and_are_not_in_step(attempt: int, backoff: float) -> None:
    usual = min(backoff * 2 ** (attempt - 2), 60.0)
    waits = {endpoint.seconds_before(attempt, backoff) for _ in range(5)}
    assert all(0.5 * usual <= seconds <= 1.5 * usual for seconds in waits)
    assert len(waits) > 1


def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "MOST_BYTES", 100)
    with judge_server(lambda body: "x" * 1000) as server:
        (verdict,) = ask(options_for(server), [question()])
    assert verdict.reason == "the answer is longer than 100 bytes"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"base_url": "https://me:secret@host/v1"}, "base_url: expected no password and no query in it"),
        ({"base_url": "https://host/v1?key=secret"}, "base_url: expected no password and no query in it"),
        ({"base_url": "host:8000/v1"}, "base_url = 'host:8000/v1': expected http://HOST:PORT/v1 or https://HOST/v1"),
        ({"key_variable": "sk-secret"}, "key_variable: expected the name of an environment variable, such as JUDGE_"),
        ({"budget_usd": 3.0}, "budget_usd = 3 needs prices: set usd_per_million_input and usd_per_million_output"),
        ({"usd_per_million_input": 3.0}, "set both usd_per_million_input and usd_per_million_output, or none of them"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)) as error:
        JudgeOptions(**{"model": "m", **options})
    assert "secret" not in error.value.errors()[0]["msg"]  # type: ignore[attr-defined]
