"""A verifier that asks a server of your own, and waits as a coroutine.

Here the server checks proofs in Lean; for another one, change the names and the block. The verifier judges problems of
the kind "proof", whose gold is the statement to prove. It sends the last block marked lean after the thinking, as
``{"statement": ..., "proof": ...}``, and the server answers ``{"passes": true}`` or ``false``.

`verify` is written with ``async def``, so a step's proofs all wait together on the run's one event loop, without a
thread for each. The client is opened there, at the first question, and closed in `finish_run`. `concurrency` says how
many groups are asked about at once, and with 8 rollouts a group that is 8 times as many requests.

A server that is down, slow or talks nonsense is no judge: these rollouts are unscored, never wrong. Nothing is asked
twice here; the bundled `http_verifier` and `llm_judge` show how.

What can go wrong. The policy is paid for whatever the server lets pass: it must refuse ``sorry``, new axioms and a
proof of another statement. And it must answer false itself, well before `seconds`, if a proof takes too long to check:
what ends in a time-out here is unscored, and no policy may choose that.

A call that computes or sleeps inside ``async def`` holds up all others: give such work to
``await asyncio.to_thread(...)``. By itself, httpx makes 100 connections, and gives up after 5 seconds without one.

    [plugins]
    enable = ["proof_server", "correct"]

    [plugins.proof_server]
    url = "http://127.0.0.1:8100/check"

    [local_plugins]
    proof_server = "proof_server.py:ProofServer"
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Annotated, Any

import httpx
from pydantic import Field

from justtinker_core import Problem, Rollout, Verdict, hookimpl, plugin
from justtinker_plugins.text import answer_part

BLOCK = re.compile(r"```lean\n(.*?)```", re.DOTALL)


class NoAnswerError(Exception):
    """The server has not said whether a proof passes. The text says why."""


@plugin
class ProofServer:
    """A proof is correct if the server says that it passes."""

    url: str = "http://127.0.0.1:8100/check"
    """Where to POST a statement and a proof."""
    seconds: Annotated[float, Field(gt=0)] = 60
    """How long to wait for an answer."""
    concurrency: Annotated[int, Field(ge=1)] = 16
    """Groups at once."""

    def __post_init__(self) -> None:
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @hookimpl
    def preflight(self) -> list[str]:
        """A complaint if the server does not answer."""
        try:
            passes(httpx.post(self.url, **body_of("", ""), timeout=self.seconds))
        except (httpx.HTTPError, NoAnswerError) as error:
            return [f"proof_server: {self.url} does not answer as expected: {error}"]
        return []

    @hookimpl
    async def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """One verdict a rollout; all of them wait at the same time."""
        if problem.kind != "proof":
            return None
        if not problem.answer:
            return [Verdict("unscored", reason="the problem has no statement")] * len(rollouts)
        return list(await asyncio.gather(*(self._judge(problem.answer, each.response) for each in rollouts)))

    @hookimpl
    def finish_run(self) -> None:
        """Close the connections, on the loop that has opened them."""
        client, self._client = self._client, None
        if client and self._loop and self._loop.is_running():
            asyncio.run_coroutine_threadsafe(client.aclose(), self._loop).result(timeout=5)

    async def _judge(self, statement: str, response: str) -> Verdict:
        blocks = BLOCK.findall(answer_part(response) or "")
        if not blocks:
            return Verdict("incorrect", rung="extract", reason="no ```lean block after the thinking")
        try:
            async with asyncio.timeout(self.seconds):  # one of httpx's would hold for each part of an answer
                right = passes(await self._open().post(self.url, **body_of(statement, blocks[-1])))
        except (httpx.HTTPError, TimeoutError, NoAnswerError) as error:
            return Verdict("unscored", blocks[-1], "server", f"{type(error).__name__}: {error}")
        return Verdict("correct" if right else "incorrect", blocks[-1], "server", "" if right else "it does not pass")

    def _open(self) -> httpx.AsyncClient:
        """The client of this loop: a notebook's second run has another one."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client = httpx.AsyncClient(timeout=None, limits=httpx.Limits(max_connections=None))
            self._loop = loop
        return self._client


def body_of(statement: str, proof: str) -> dict[str, Any]:
    """The request. json.dumps escapes what UTF-8 cannot hold, such as half a surrogate pair."""
    data = json.dumps({"statement": statement, "proof": proof})
    return {"content": data, "headers": {"Content-Type": "application/json"}}


def passes(reply: httpx.Response) -> bool:
    """What the server says. httpx.HTTPError if it is an error, NoAnswerError if it says nothing."""
    reply.raise_for_status()
    try:
        found = reply.json()["passes"]
    except (ValueError, TypeError, LookupError):
        found = None
    if not isinstance(found, bool):
        raise NoAnswerError(f'expected {{"passes": true}} or false, got {reply.text[:80]!r}')
    return found
