from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from justtinker_core import PluginError, Verdict
from justtinker_core.testing import Runner, check_verifier, make_problem
from tests.cookbook.conftest import Server, recipe

ProofServer = recipe("proof_server:ProofServer")
Serve = Callable[..., Server]
STATEMENT = make_problem("Prove it.", "theorem t : 1 = 1", kind="proof")
PROOF = "<think>hm</think>\n```lean\nrfl\n```"
SORRY = "<think>hm</think>\n```lean\nsorry\n```"


def checker(body: Any) -> tuple[int, Any]:
    return 200, {"passes": body["statement"] == "theorem t : 1 = 1" and body["proof"] == "rfl\n"}


def test_the_battery(serve: Serve) -> None:
    cases = [(STATEMENT, PROOF, "correct"), (STATEMENT, SORRY, "incorrect"), (STATEMENT, "rfl", "incorrect")]
    check_verifier(ProofServer(url=serve(checker).url), cases)


def verdicts(run_with: Runner, url: str, respond: Callable[[str, int], str], **options: Any) -> tuple[Verdict, ...]:
    plugin = ProofServer(url=url, **options)
    done = run_with(plugin, problems=[STATEMENT], respond=respond, steps=1)
    assert plugin._client is None
    return done.groups[0].verdicts


def test_the_last_block_is_sent_with_the_statement(run_with: Runner, serve: Serve) -> None:
    server = serve(checker)
    found = verdicts(run_with, server.url, lambda prompt, index: [PROOF, SORRY + PROOF, PROOF + SORRY, "rfl"][index])
    assert [(v.outcome, v.answer, v.reason) for v in found] == [
        ("correct", "rfl\n", ""),
        ("correct", "rfl\n", ""),
        ("incorrect", "sorry\n", "it does not pass"),
        ("incorrect", None, "no ```lean block after the thinking"),
    ]
    assert {"statement": "theorem t : 1 = 1", "proof": "sorry\n"} in server.got


def test_what_utf8_cannot_hold_is_no_way_out(run_with: Runner, serve: Serve) -> None:
    found = verdicts(run_with, serve(checker).url, lambda prompt, index: "```lean\n\ud800\n```")
    assert {v.outcome for v in found} == {"incorrect"}


def test_all_wait_together(run_with: Runner, serve: Serve) -> None:
    four = threading.Barrier(4, timeout=60)

    def slow(body: Any) -> tuple[int, Any]:
        if body["proof"]:
            four.wait()  # until there are four at once
        return checker(body)

    found = verdicts(run_with, serve(slow).url, lambda prompt, index: f"```lean\n{index}\n```")
    assert {v.outcome for v in found} == {"incorrect"}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((503, "later"), "HTTPStatusError: Server error '503 Service Unavailable'"),
        ((200, b"half a"), "NoAnswerError: expected {\"passes\": true} or false, got 'half a'"),
        ((200, {"passes": "yes"}), "NoAnswerError: expected"),
        ((200, ["passes"]), "NoAnswerError: expected"),
    ],
)
def test_a_server_that_cannot_say(run_with: Runner, serve: Serve, reply: tuple[int, Any], reason: str) -> None:
    server = serve(lambda body: reply if body["proof"] else (200, {"passes": False}))
    found = verdicts(run_with, server.url, lambda prompt, index: PROOF)
    assert {v.outcome for v in found} == {"unscored"}
    assert found[0].reason.startswith(reason)


def test_a_server_that_is_too_slow(run_with: Runner, serve: Serve) -> None:
    over = threading.Event()
    server = serve(lambda body: checker(body) if not body["proof"] or over.wait(60) else (500, ""))
    found = verdicts(run_with, server.url, lambda prompt, index: PROOF, seconds=2)
    over.set()
    assert [(v.outcome, v.reason) for v in found] == [("unscored", "TimeoutError: ")] * 4


def test_no_server_is_a_complaint_before_the_run(run_with: Runner, serve: Serve) -> None:
    server = serve(checker)
    server.close()
    with pytest.raises(PluginError, match=r"proof_server: http://127\.0\.0\.1:\d+/path does not answer as expected: "):
        verdicts(run_with, server.url, lambda prompt, index: PROOF)


def test_no_statement_is_unscored(run_with: Runner, serve: Serve) -> None:
    done = run_with(
        ProofServer(url=serve(checker).url), problems=[make_problem("", None, kind="proof")], respond=lambda p, i: PROOF
    )
    assert {v.reason for v in done.groups[0].verdicts} == {"the problem has no statement"}
