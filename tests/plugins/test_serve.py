"""``justtinker serve`` in a process of its own: what it says, how it ends, whom it lets in."""

from __future__ import annotations

import os
import re
import signal
import socket
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from click.testing import CliRunner

from justtinker_core.cli import main
from justtinker_plugins.commands._serve.running import is_loopback, url_of
from tests.bridges.serving import PATIENCE, at_once, call, command, gated, gauge, wait_for

BODY = {"question": "?", "answer": "a", "responses": ["a", "b"]}


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["serve", *arguments])
    return result.exit_code, result.output


def write_gated(folder: Path) -> Path:
    """Write gated.toml, whose verifier waits until the file go is there; returns that file."""
    (folder / "gated.toml").write_text(tomli_w.dumps(gated(folder, str(folder / "go"))))
    return folder / "go"


def test_stopped_in_the_middle_it_answers_all_that_it_accepted(tmp_path: Path) -> None:
    go = write_gated(tmp_path)
    with command("gated.toml", "--jobs", "2", "--every", "0.2", cwd=tmp_path) as (url, process):
        threads, results = at_once([partial(call, f"{url}/score", BODY)] * 7)
        wait_for(lambda: gauge(url, "justtinker_in_flight") + gauge(url, "justtinker_queue_depth") == 7)
        process.send_signal(signal.SIGTERM)
        wait_for(partial(refuses, url))
        assert process.poll() is None
        go.touch()
        for thread in threads:
            thread.join(PATIENCE)
        assert [(status, answer["totals"]) for status, answer, _ in results] == [(200, [1.0, 0.0])] * 7
        assert process.wait(PATIENCE) == 0
        assert process.stdout is not None
        said = process.stdout.read()
    assert said.startswith(
        "rewards: gate, correct (gated.toml)\n"
        "POST /score /verify /get_reward /slime /seed_session, GET /health /metrics\n"
    )
    assert "stopping: 7 requests in hand; once more to end at once" in said
    assert re.search(r"stopped after \d+ s: \d+ requests; responses: 7 correct, 7 incorrect\n$", said), said


def refuses(url: str) -> bool:
    """Whether nobody listens there any more."""
    try:
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))).close()
    except ConnectionRefusedError:
        return True
    return False


def test_the_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    write_gated(tmp_path)
    with command("gated.toml", cwd=tmp_path) as (url, process):
        threads, _ = at_once([partial(hung_up, f"{url}/score")])
        wait_for(lambda: gauge(url, "justtinker_in_flight") == 1)
        process.send_signal(signal.SIGINT)
        wait_for(partial(refuses, url))
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        threads[0].join(PATIENCE)
        assert process.stdout is not None
        assert process.stdout.read().endswith("stopping: 1 request in hand; once more to end at once\nended at once\n")


def hung_up(url: str) -> Any:
    """Ask a server that ends before it answers."""
    with pytest.raises(OSError):  # noqa: PT011
        call(url, BODY)


def test_requests_are_served_and_told_now_and_then(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('[plugins]\nenable = ["exact", "correct", "length"]\n')
    with command("r.toml", "--every", "0.05", "-p", "format", "--max-texts", "2", cwd=tmp_path) as (url, process):
        assert call(f"{url}/score", {**BODY, "responses": ["\\boxed{a}"], "tokens": [3]})[0] == 200
        assert call(f"{url}/score", {**BODY, "responses": ["a"] * 3})[0] == 413
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(6)]
        assert said[:3] == [
            "rewards: exact, correct, length, format (r.toml)\n",
            "POST /score /get_reward /seed_session, GET /health /metrics\n",
            "off: /verify sees one response at a time, but 'length' compares the responses of a group; disable it, or "
            "use a bridge that sees groups (docs/bridges.md)\n",
        ]
        assert re.match(r"\d\d:\d\d:\d\d [\d.]+ requests? a second; \d requests?.*; responses: 1 correct\n", said[5]), (
            said
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert "2 requests, refused 1 (413); responses: 1 correct" in process.stdout.read()


def test_another_host_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUSTTINKER_SERVE_TOKEN", raising=False)
    code, said = run("--host", "0.0.0.0")
    assert code == 1
    assert said == (
        "Error: --host 0.0.0.0: other machines could ask, so set JUSTTINKER_SERVE_TOKEN in the environment to a secret "
        "that requests must show as 'Authorization: Bearer SECRET'; without it, only 127.0.0.1 is served\n"
    )
    monkeypatch.setenv("JUSTTINKER_SERVE_TOKEN", "  ")
    assert run("--host", "::")[0] == 1
    monkeypatch.setenv("JUSTTINKER_SERVE_TOKEN", "s3cret\u00e9")
    code, said = run()
    assert (code, said) == (1, "Error: JUSTTINKER_SERVE_TOKEN: expected visible ASCII characters only\n")


def test_killed_workers_lose_nothing_none_is_left_behind_and_the_token_is_never_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUSTTINKER_SERVE_TOKEN", "s3cret")
    bodies = [
        {
            "question": "?",
            "answer": f"\\max(a, b, {n})",
            "responses": [f"\\boxed{{\\{f}(b, a, {n})}}" for f in ("max", "min")],
        }
        for n in range(24)
    ]
    with command("-p", "no:format", cwd=tmp_path) as (url, process):
        assert call(f"{url}/score", bodies[0])[0] == 401
        threads, results = at_once([partial(call, f"{url}/score", body, "s3cret") for body in bodies])
        wait_for(lambda: bool(workers(process.pid)))
        for worker in workers(process.pid):
            os.kill(worker, signal.SIGKILL)
        for thread in threads:
            thread.join(PATIENCE)
        assert {answer["verdicts"][0]["rung"] for _, answer, _ in results} == {"sympy"}
        assert [answer["totals"] for _, answer, _ in results] == [[1.0, 0.0]] * 24
        family = [*descendants(process.pid)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert process.stdout is not None
        said = process.stdout.read()
        wait_for(lambda: not any(map(alive, family)))
    assert said.startswith("rewards: math_verify, correct, redundancy (the standard ones)\n")
    assert "refused 1 (401); responses: 24 correct, 24 incorrect" in said
    assert "s3cret" not in said + run("--help")[1]
    assert "--token" not in run("--help")[1]


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = run("--port", str(port))
    assert (code, said) == (1, f"Error: cannot listen on 127.0.0.1:{port}: Address already in use\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("no.toml",), "no.toml"),
        (
            ("-p", "no:correct", "-p", "no:format", "-p", "no:redundancy"),
            "no active plugin implements score, which scoring needs; enable one",
        ),
        (("-p", "corect"), "did you mean 'correct'?"),
        (("--host", "nowhere.invalid"), "JUSTTINKER_SERVE_TOKEN"),
    ],
)
def test_a_mistake_is_a_sentence(arguments: tuple[str, ...], sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUSTTINKER_SERVE_TOKEN", raising=False)
    code, said = run(*arguments, "--port", "0")
    assert code == 1
    assert sentence in said


def test_hosts_of_this_machine_only() -> None:
    assert all(map(is_loopback, ["127.0.0.1", "127.1.2.3", "::1", "localhost"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "10.0.0.1", "localhost.example.org", ""]))


def test_urls() -> None:
    assert [url_of(host, 80) for host in ("::1", "127.0.0.1")] == ["http://[::1]:80", "http://127.0.0.1:80"]


def descendants(pid: int, depth: int = 9) -> list[int]:
    """All processes that descend from one, to a depth."""
    try:
        tasks = [*Path(f"/proc/{pid}/task").iterdir()]
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []  # it has just ended
    return children + [each for child in children if depth > 1 for each in descendants(child, depth - 1)]


def workers(pid: int) -> list[int]:
    """The processes of the verifier that judge: the children of those of the server."""
    children = descendants(pid, 1)
    return [pid for pid in descendants(pid, 2) if pid not in children]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
