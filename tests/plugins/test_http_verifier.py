"""The verifier that asks a server, on the real one of ``justtinker serve``, and on one that has every fault."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import PluginError, Problem, Rollout, Scorer, Verdict
from justtinker_core.options import configure
from justtinker_core.testing import check_verifier
from justtinker_plugins.verifiers._http_verifier import asking, memory
from justtinker_plugins.verifiers.http_verifier import HttpVerifier
from tests.bridges.serving import served
from tests.core.conftest import Written, cli
from tests.plugins.test_conformance import SUMS

EXACT = {"plugins": {"enable": ["exact", "correct"]}}
NO_RUN: Any = None
RIGHT = Rollout((), (), (), "\\boxed{4}")
SUM = Problem("1", "2+2?", "4")
Reply = tuple[int, dict[str, str], bytes]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(EXACT) as (address, _):
        yield f"{address}/verify"


class Faulty(http.server.BaseHTTPRequestHandler):
    """Answers with its server's replies, one after the other, the last one again and again."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.asked.append((self.headers.get("Authorization"), json.loads(body)))
        reply = server.replies[min(len(server.asked), len(server.replies)) - 1]
        if reply is None:  # it hangs until the test is over
            server.over.wait(60)
            return
        status, headers, content = reply
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), "Connection": "close", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def faulty(*replies: Reply | None) -> Iterator[tuple[str, list[Any]]]:
    """A server with these replies; gives its address and the list of what it was asked."""
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Faulty)
    server.replies, server.asked, server.over = replies, [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/verify", server.asked
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def answer(**fields: Any) -> Reply:
    return 200, {}, json.dumps(fields).encode()


def verdict(url: str, problem: Problem = SUM, **options: Any) -> Verdict:
    plugin = configure(HttpVerifier, "plugins.http_verifier", {"url": url, "backoff": 0.0, **options})
    (found,) = plugin.verify(problem, [RIGHT]) or ()
    plugin.finish_run()
    return found


@pytest.mark.slow
def test_it_passes_the_battery_for_verifiers(url: str) -> None:
    check_verifier(HttpVerifier(url=url), [*SUMS, ("an even one", "\\boxed{an  even one.}", "correct")])


@pytest.mark.slow
def test_it_passes_the_battery_with_the_standard_rewards_behind_it() -> None:
    with served() as (address, _):
        check_verifier(HttpVerifier(url=f"{address}/verify"), [*SUMS, ("1/2", "\\boxed{0.5}", "correct")])


def test_it_says_what_the_servers_own_scorer_says(url: str) -> None:
    responses = ["\\boxed{4}", "\\boxed{ 4. }", "\\boxed{5}", "4", "<think>\\boxed{4}", "\ud800\\boxed{4}"]
    asked: dict[str, Any] = {
        "question": "2+2?",
        "answer": "4",
        "responses": responses,
        "truncated": [False] * 5 + [True],
    }
    stack = {"plugins": {"enable": ["http_verifier", "correct"], "http_verifier": {"url": url}}}
    with Scorer(stack) as over_http, Scorer(EXACT) as scorer:
        found, expected = over_http.score(**asked), scorer.score(**asked)
    assert [(v.outcome, v.answer) for v in found.verdicts] == [(v.outcome, v.answer) for v in expected.verdicts]
    assert [reward.total for reward in found.rewards] == [reward.total for reward in expected.rewards]


def test_check_takes_it(url: str, written: Written) -> None:
    config = written("a", "ScriptedBackend", "Ask", "Correct", "Mean", "Rl")
    own = ["-p", "http_verifier", "--set", f"plugins.http_verifier.url={url}"]
    result = cli("check", config, *own)
    assert result.exit_code == 0, result.output
    assert "Nothing stands in the way of this run." in result.output
    result = cli("check", config, *own[:3], own[3].replace("/verify", "/verfy"))
    assert result.exit_code == 1
    assert "answers 404: there is no /verfy; did you mean '/verify'?" in result.output


@pytest.mark.slow
def test_audit_finds_in_it_what_it_finds_in_the_servers_own_verifier(tmp_path: Path) -> None:
    rows = [("How much is 12+30?", "42"), ("What is a quarter as a decimal?", "0.25")]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in rows))
    found = []
    with served({"plugins": {"enable": ["numeric", "correct"]}}) as (address, _):
        for verifier, options in (
            ("numeric", ""),
            ("http_verifier", f'[plugins.http_verifier]\nurl = "{address}/verify"'),
        ):
            config = tmp_path / f"{verifier}.toml"
            config.write_text(
                f'[run]\nname = "a"\nmodel = "none"\nsteps = 1\n[data.train]\nuse = "files"\n'
                f'path = "{tmp_path}/data.jsonl"\n[plugins]\nenable = ["{verifier}", "correct"]\n{options}\n'
            )
            result = cli(
                "audit",
                config,
                "--no-built-in",
                "--max-in-full",
                "1",
                "--max-refused",
                "1",
                "--json",
                tmp_path / "found.json",
            )
            assert result.exit_code == 0, result.output
            found.append(json.loads((tmp_path / "found.json").read_text())["batteries"])
    assert found[0] == found[1]
    assert len(found[0]) > 5


@pytest.mark.parametrize(
    ("reply", "outcome", "reason"),
    [
        (answer(reward=1.0), "correct", ""),
        (answer(reward=0.5), "incorrect", "reward 0.5 is below 1"),
        (answer(reward=0, reason="no"), "incorrect", "no"),
        (answer(reward=0.9, outcome="correct"), "correct", ""),
        (answer(reward=None), "unscored", "the server gave no reward"),
        (answer(reward=None, outcome="unscored", reason="no gold"), "unscored", "no gold"),
        (
            answer(reward=0.0, mask_sample=True, failure_reason="judge away"),
            "unscored",
            "the server could not tell: jud",
        ),
        (
            answer(reward=0.0, _ng_failure_class="judge_failed"),
            "unscored",
            "the server could not tell: no reason given",
        ),
        (answer(rewrd=1), "unscored", "the server's answer has no 'reward'"),
        (answer(reward=True), "unscored", "the server's reward: expected a number, got True"),
        (answer(reward=float("nan")), "unscored", "the server's reward: expected a number, got nan"),
        ((200, {}, b'{"reward": 1.'), "unscored", "the server's answer is no JSON (Expecting"),
        ((200, {}, b"[1]"), "unscored", "the server's answer: expected a JSON object, got b'[1]'"),
        ((422, {}, b'{"error": "no gold field"}'), "unscored", "{url} answers 422: no gold field"),
        ((500, {}, b"oh no"), "unscored", "{url} answers 500: oh no (5 tries)"),
        ((307, {"Location": "http://127.0.0.1:9/verify"}, b""), "unscored", "{url} answers 307"),
        (
            (200, {"Content-Length": "50"}, b'{"reward": 1.0'),
            "unscored",
            "{url} cannot be reached: IncompleteRead(14 b",
        ),
    ],
)
def test_what_an_answer_means(reply: Reply, outcome: str, reason: str) -> None:
    with faulty(reply) as (address, _):
        found = verdict(address)
    assert found.outcome == outcome
    assert found.reason.startswith(reason.replace("{url}", address))
    assert bool(found.reason) == bool(reason)


def test_a_threshold_below_one_takes_partial_credit() -> None:
    with faulty(answer(reward=0.5)) as (address, _):
        assert verdict(address, threshold=0.5).outcome == "correct"


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_may_pass_is_tried_again_when_the_server_says(status: int) -> None:
    busy = status, {"Retry-After": "0"}, b"busy"
    with faulty(busy, busy, answer(reward=1)) as (address, asked):
        assert verdict(address, backoff=1000.0).outcome == "correct"
    assert len(asked) == 3


@pytest.mark.parametrize("status", [400, 409, 504])
def test_what_will_not_pass_is_not_tried_again(status: int) -> None:
    with faulty((status, {}, b"no")) as (address, asked):
        assert verdict(address).outcome == "unscored"
    assert len(asked) == 1


def test_a_server_that_hangs_is_left_after_the_timeout() -> None:
    with faulty(None) as (address, asked):
        assert verdict(address, timeout=0.2) == Verdict(
            "unscored", rung="http", reason=f"{address} gave no answer within 0.2 s"
        )
    assert len(asked) == 1


def test_a_server_that_is_down_leaves_rollouts_unscored_and_stops_a_run_before_it_begins() -> None:
    address = down()
    found = verdict(address, tries=2)
    assert found.outcome == "unscored"
    assert found.reason == f"{address} cannot be reached: [Errno 111] Connection refused (2 tries)"
    assert HttpVerifier(url=address).preflight(NO_RUN) == [
        f"http_verifier: {address} cannot be reached: [Errno 111] Connection refused; is the server running, and the "
        "url right?"
    ]


def down() -> str:
    """The address of a server that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}/verify"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelname == "WARNING"]


def test_check_does_not_try_each_gold_on_a_server_that_is_down(
    written: Written, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_sleep(seconds: float) -> None:
        raise AssertionError(f"slept {seconds} s")

    monkeypatch.setattr(asking.time, "sleep", no_sleep)
    address = down()
    config = written("a", "ScriptedBackend", "Ask", "Correct", "Mean", "Rl")
    result = cli("check", config, "-p", "http_verifier", "--set", f"plugins.http_verifier.url={address}")
    said = " ".join(result.output.split())
    assert result.exit_code == 1
    assert f"{address} cannot be reached: [Errno 111] Connection refused; is the server running" in said
    assert "correct the golds" not in said
    assert f"golds tried: {address} cannot be reached: [Errno 111] Connection refused" in said


def test_a_complaint_is_remembered_for_a_short_while(monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty((404, {}, b"no"), answer(reward=1)) as (address, asked):
        plugin = HttpVerifier(url=address)
        assert plugin.preflight(NO_RUN)
        (found,) = plugin.verify(SUM, [RIGHT]) or ()
        assert (found.outcome, found.reason, len(asked)) == ("unscored", f"{address} answers 404: no", 1)
        monkeypatch.setattr(memory, "REFUSED_SECONDS", 0.0)
        (found,) = plugin.verify(SUM, [RIGHT]) or ()
        plugin.finish_run()
    assert (found.outcome, len(asked)) == ("correct", 2)


def test_a_server_that_dies_is_tried_once_a_request_until_it_answers_again(caplog: pytest.LogCaptureFixture) -> None:
    bad, good = (502, {}, b"bye"), answer(reward=1)
    with faulty(*[bad] * 3, *[bad] * 2, good, bad, good) as (address, asked):
        plugin = HttpVerifier(url=address, tries=3, backoff=0.0, concurrency=1)
        found = plugin.verify(SUM, [RIGHT] * 3) or ()
        assert [each.reason for each in found] == [f"{address} answers 502: bye{n}" for n in (" (3 tries)", "", "")]
        assert len(asked) == 5
        again = plugin.verify(SUM, [RIGHT] * 2) or ()
        plugin.finish_run()
    assert [each.outcome for each in again] == ["correct", "correct"]
    assert len(asked) == 8  # as patient as before
    assert warnings(caplog) == [
        f"http_verifier: {address} answers 502: bye (3 tries); responses are unscored until it answers",
        f"http_verifier: {address} answers again",
    ]


def test_a_server_that_is_busy_is_asked_as_often_as_before() -> None:
    busy = 503, {"Retry-After": "0"}, b"busy"
    with faulty(*[busy] * 5, answer(reward=1)) as (address, asked):
        plugin = HttpVerifier(url=address, tries=3, concurrency=1)
        found = plugin.verify(SUM, [RIGHT] * 2) or ()
        plugin.finish_run()
    assert [each.outcome for each in found] == ["unscored", "correct"]
    assert len(asked) == 6


def test_a_long_wait_is_logged_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    waits: list[float] = []
    monkeypatch.setattr(asking.time, "sleep", waits.append)
    busy = 503, {"Retry-After": "20"}, b"busy"
    with faulty(busy, busy, answer(reward=1)) as (address, _):
        assert verdict(address).outcome == "correct"
    assert waits == [20.0, 20.0]
    assert warnings(caplog) == [f"http_verifier: {address} answers 503: busy; it has to wait 20 s for another try"]


def test_outages_that_follow_each_other_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    known = memory.Memory()
    for _ in range(3):
        known.failed("it fails", gone=True)
        known.failed("it fails", gone=True)
        known.answered("it")
    assert warnings(caplog) == [
        "http_verifier: it fails; responses are unscored until it answers",
        "http_verifier: it answers again",
    ]


def test_the_preflight_finds_what_would_spoil_a_run(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert HttpVerifier(url=url).preflight(NO_RUN) == []
    wrong = url.replace("/verify", "/verfy")
    assert HttpVerifier(url=wrong).preflight(NO_RUN) == [
        f"http_verifier: {wrong} answers 404: there is no /verfy; did you mean '/verify'?; is the server running, and "
        "the url right?"
    ]
    with served({"plugins": {"enable": ["exact", "correct", "length"]}}) as (grouped, _):
        (complaint,) = HttpVerifier(url=f"{grouped}/verify").preflight(NO_RUN)
    assert "answers 409: /verify sees one response at a time, but 'length' compares" in complaint
    with served(EXACT, token="s3cret") as (guarded, _):
        plugin = HttpVerifier(url=f"{guarded}/verify", token_variable="THEIRS")
        (complaint,) = plugin.preflight(NO_RUN)
        assert complaint.endswith("got no token; set its token in the environment (token_variable names it)")
        monkeypatch.setenv("THEIRS", "s3cret")
        assert plugin.preflight(NO_RUN) == []
        assert verdict(plugin.url, token_variable="THEIRS").outcome == "correct"
    for busy in ((422, {}, b"what is this"), (503, {}, b"")):
        with faulty(busy) as (address, _):  # type: ignore[arg-type]
            assert HttpVerifier(url=address).preflight(NO_RUN) == []


def test_the_token_is_in_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUSTTINKER_SERVE_TOKEN", "s3cret")
    with faulty((401, {}, b"no")) as (address, asked):
        plugin = HttpVerifier(url=address)
        texts = [verdict(address).reason, *plugin.preflight(NO_RUN), repr(plugin), repr(plugin._client())]
    assert {shown for shown, _ in asked} == {"Bearer s3cret"}
    assert not any("s3cret" in text for text in texts)


@pytest.mark.parametrize("token", ["s3cret\nmore", "s3cret\x7f", "s3cret\u00e9"])
def test_a_token_that_fits_no_header_is_not_shown(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("THEIRS", token)
    plugin = HttpVerifier(url="http://127.0.0.1:1/verify", token_variable="THEIRS")
    said = "THEIRS: expected visible ASCII characters only"
    assert plugin.preflight(NO_RUN) == [f"http_verifier: {said}"]
    with pytest.raises(PluginError) as error:
        plugin.verify(SUM, [RIGHT])
    assert str(error.value) == said


def test_the_request_is_nemo_gyms() -> None:
    problem = Problem("1", "2+2?", "4", meta={"verifier_metadata": {"level": 1}, "other": 2})
    with faulty(answer(reward=1)) as (address, asked):
        verdict(address, problem, gold="ground_truth", columns=["verifier_metadata", "missing"])
    ((_, body),) = asked
    assert body["responses_create_params"] == {"input": [{"role": "user", "content": "2+2?"}]}
    assert body["response"]["output"][0]["content"] == [
        {"type": "output_text", "text": "\\boxed{4}", "annotations": []}
    ]
    needed = {"id", "created_at", "model", "object", "output", "parallel_tool_calls", "tool_choice", "tools"}
    assert set(body["response"]) == needed  # of a response of the Responses API
    assert {name: body[name] for name in body if name not in ("responses_create_params", "response")} == {
        "question": "2+2?", "kind": "math", "ground_truth": "4", "verifier_metadata": {"level": 1},
    }  # fmt: skip


def test_rollouts_are_asked_about_at_the_same_time_and_come_back_in_order(url: str) -> None:
    texts: Sequence[str] = [f"\\boxed{{{i}}}" for i in range(40)]
    plugin = HttpVerifier(url=url, concurrency=3)
    found = plugin.verify(SUM, [Rollout((), (), (), text) for text in texts])
    plugin.finish_run()
    assert found is not None
    assert [v.answer for v in found] == [str(i) for i in range(40)]
    assert [v.outcome for v in found].count("correct") == 1


def test_problems_that_it_does_not_send() -> None:
    plugin = HttpVerifier(kinds=("math",))
    assert plugin.verify(Problem("1", "?", "4", "choice"), [RIGHT]) is None
    assert plugin.verify(Problem("1", "?", None), [RIGHT]) == [
        Verdict("unscored", None, "gold", "the problem has no gold")
    ]


def test_a_password_in_the_url_is_refused_and_not_shown() -> None:
    with pytest.raises(PluginError) as error:
        configure(HttpVerifier, "plugins.http_verifier", {"url": "http://me:s3cret@127.0.0.1:8000/verify"})
    assert str(error.value).endswith(
        "url: expected no password in it; put a token into the variable that token_variable names"
    )
    assert "s3cret" not in str(error.value)


def test_a_url_that_is_none_is_an_error() -> None:
    with pytest.raises(PluginError, match=r"url = 'localhost:8000': expected http://HOST:PORT/verify"):
        configure(HttpVerifier, "plugins.http_verifier", {"url": "localhost:8000"})
