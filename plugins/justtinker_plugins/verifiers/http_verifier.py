"""The verifier that asks a server: ``POST /verify`` of NeMo-Gym's resources servers, or of ``justtinker serve``.

What the server cannot say (down, too slow, half a JSON, a NaN) is unscored with the reason, never wrong.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field

from justtinker_core import PluginError, Problem, Rollout, RunContext, Verdict, hookimpl, plugin
from justtinker_core.types import OUTCOMES
from justtinker_plugins.shared.secret import TOKEN, token_of
from justtinker_plugins.verifiers._http_verifier.asking import AnswerError, Client, NoAnswerError
from justtinker_plugins.verifiers._http_verifier.memory import Memory


@plugin
class HttpVerifier:
    """Asks a running server for each rollout's verdict."""

    url: str = "http://127.0.0.1:8000/verify"
    """The server's ``/verify``."""
    kinds: tuple[str, ...] = ("math",)
    """Kinds of problems that it sends, as in `Problem.kind`."""
    gold: str = "expected_answer"
    """The field of the request that holds the gold answer."""
    columns: tuple[str, ...] = ()
    """Keys of `Problem.meta` that are sent as fields of the same name, such as ``verifier_metadata``."""
    threshold: float = 1.0
    """A reward of at least this much is correct, if the answer has no `outcome`, which `justtinker serve` gives."""
    concurrency: Annotated[int, Field(ge=1)] = 8
    """Requests at the same time."""
    timeout: Annotated[float, Field(gt=0)] = 90.0
    """Seconds for one answer; after that the rollout is unscored."""
    tries: Annotated[int, Field(ge=1)] = 5
    """How often to ask if the connection fails or the server answers 429 or 5xx; once if it answers 504, too late.
    Also once after it could not be reached, until it answers."""
    backoff: Annotated[float, Field(ge=0)] = 0.5
    """Seconds before the second try, twice as many before each further one, or the server's Retry-After; at most 30."""
    token_variable: str = TOKEN
    """The environment variable whose value is sent as ``Authorization: Bearer``; none is sent if it is not set."""

    def __post_init__(self) -> None:
        if "@" in urlsplit(self.url).netloc:
            raise ValueError("url: expected no password in it; put a token into the variable that token_variable names")
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url = {self.url!r}: expected http://HOST:PORT/verify")
        if not self.kinds:
            raise ValueError("kinds = []: expected one or more kinds of problems")
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._memory = Memory()

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Ask it about one answer. Complain if it is down, has no such endpoint, or refuses the token."""
        example = self._request(Problem("example", "1+1?", "2", self.kinds[0]), Rollout((), (), (), "\\boxed{2}"))
        try:
            complaint = self._client().complaint(example)
        except PluginError as error:
            complaint = str(error)
        return [f"http_verifier: {complaint}"] if complaint else []

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """Ask for all rollouts at the same time, up to `concurrency`."""
        if problem.kind not in self.kinds:
            return None
        if problem.answer is None:
            return [Verdict("unscored", reason="the problem has no gold", rung="gold") for _ in rollouts]
        return list(self._threads().map(partial(self._verdict, self._client(), problem), rollouts))

    @hookimpl
    def finish_run(self) -> None:
        """Let the threads end."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def _threads(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="http_verifier")
            return self._pool

    def _client(self) -> Client:
        return Client(self.url, token_of(self.token_variable), self.timeout, self.tries, self.backoff, self._memory)

    def _verdict(self, client: Client, problem: Problem, rollout: Rollout) -> Verdict:
        try:
            return verdict_of(client.ask(self._request(problem, rollout)), self.threshold)
        except (NoAnswerError, AnswerError) as error:
            return Verdict("unscored", rung="http", reason=str(error))

    def _request(self, problem: Problem, rollout: Rollout) -> dict[str, Any]:
        text = {"type": "output_text", "text": rollout.response, "annotations": []}
        message = {"id": "msg", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
        response: dict[str, Any] = {
            "id": "resp", "created_at": 0.0, "model": "policy", "object": "response", "output": [message],
            "parallel_tool_calls": False, "tool_choice": "none", "tools": [],
        }  # fmt: skip
        if rollout.truncated:
            response |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        return {
            "responses_create_params": {"input": [{"role": "user", "content": problem.question}]},
            "response": response,
            "question": problem.question,
            "kind": problem.kind,
            **{name: problem.meta[name] for name in self.columns if name in problem.meta},
            self.gold: problem.answer,
        }


def verdict_of(answer: dict[str, Any], threshold: float) -> Verdict:
    """Read a verdict from the server's answer; AnswerError if it holds none."""
    extracted = answer.get("extracted_answer")
    found = extracted if isinstance(extracted, str) else None
    said = str(answer.get("reason") or "")
    if answer.get("mask_sample") or answer.get("_ng_failure_class"):
        why = answer.get("failure_reason") or answer.get("_ng_failure_judge_error") or said or "no reason given"
        return Verdict("unscored", found, "http", f"the server could not tell: {why}")
    if (outcome := answer.get("outcome")) in OUTCOMES:
        return Verdict(outcome, found, "http", said)
    if "reward" not in answer:
        raise AnswerError("the server's answer has no 'reward'")
    reward = answer["reward"]
    if reward is None:
        return Verdict("unscored", found, "http", f"the server gave no reward{said and ': '}{said}")
    if isinstance(reward, bool) or not isinstance(reward, int | float) or not abs(reward) < float("inf"):
        raise AnswerError(f"the server's reward: expected a number, got {reward!r:.40}")
    if reward >= threshold:
        return Verdict("correct", found, "http")
    return Verdict("incorrect", found, "http", said or f"reward {reward:g} is below {threshold:g}")
