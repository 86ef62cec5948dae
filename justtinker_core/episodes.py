"""Several turns: the policy that a `rollout` plugin plays with, and the batching of turns over all episodes."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace

from justtinker_core.sampling import Settings, next_turn, request_of, stops_of, then, until_stop
from justtinker_core.types import Backend, Group, Message, Rollout, Sample, Sampler, SampleRequest


class Policy:
    """What a `rollout` plugin plays one episode with: the policy's turns, and what the environment answers.

    `generate` samples a turn after everything so far, `observe` adds text of the environment (never trained), and
    `rollout` gives the result. On a backend that computes in this process, the turns of all episodes are sampled
    together, once each waits for its turn.
    """

    def __init__(self, group: Group, number: int, turns: TurnBatcher, backend: Backend, settings: Settings) -> None:
        self._group, self._number, self._turns = group, number, turns
        self._backend, self._settings = backend, settings
        self._tokens: list[int] = []
        self._logprobs: list[float] = []
        self._mask: list[bool] = []
        self._parts: list[str] = []
        self._ends: tuple[str, ...] = ()
        self._turn = 0
        self.turn_ended = 0.0
        """When the policy's last turn was over (`time.monotonic`): what comes after is the environment's time."""
        self.truncated = False
        """The response ran out of tokens, or of the model's context: end the episode."""

    def generate(self, stop: str | Sequence[str] = ()) -> str:
        """Let the policy go on until (one of) `stop`, or the prompt's stops; the turn's text, its stop included."""
        left = self._settings.max_tokens - sum(self._mask)
        if self._tokens:  # a prompt that leaves no room at all is an error of the backend's
            left = min(left, self._room)
        if left <= 0 or self.truncated:
            self.truncated = True
            return ""
        ends = (*stops_of(stop), *self._group.prompt.stop)
        request = request_of(
            self._group, self._group.prompt.tokens + tuple(self._tokens), ends, 1,
            replace(self._settings, max_tokens=left), self._number, self._turn,
        )  # fmt: skip
        self.turn_ended = math.inf
        sample = self._turns.ask((self._group.index, self._number), request)
        self.turn_ended = time.monotonic()
        self._turn += 1
        self.truncated = not sample.stopped
        turn = self._backend.decode(sample.tokens)
        self._add(sample.tokens, sample.logprobs, True, turn, ends)
        return turn

    def observe(self, text: str) -> None:
        """Add what the environment says; if the model's context has no room for it and a turn, it is truncated."""
        tokens = self._backend.encode(text)
        if len(tokens) >= self._room:
            self.truncated = True
            return
        self._add(tokens, [0.0] * len(tokens), False, text, ())

    def reply(self, *messages: Message) -> None:
        """End the policy's turn and add chat messages, in the model's own format, up to where its next turn begins."""
        prompt = self._group.prompt
        ended = any(self._mask[-1:]) and self._parts[-1].endswith(prompt.stop)
        self.observe(next_turn(self._backend, prompt, messages, ended=ended))

    @property
    def _room(self) -> int:
        """How many tokens still fit into the model's context."""
        return self._backend.context_length - len(self._group.prompt.tokens) - len(self._tokens)

    def _add(
        self, tokens: Sequence[int], logprobs: Sequence[float], mask: bool, text: str, ends: tuple[str, ...]
    ) -> None:
        self._parts.append(text)
        self._ends = ends
        self._tokens += tokens
        self._logprobs += logprobs
        self._mask += [mask] * len(tokens)

    def rollout(self) -> Rollout:
        """The episode so far."""
        text = "".join([*self._parts[:-1], *(until_stop(part, self._ends) for part in self._parts[-1:])])
        opened = self._group.prompt.opened or ""
        return Rollout(tuple(self._tokens), tuple(self._logprobs), tuple(self._mask), text, self.truncated, opened)


class TurnBatcher:
    """Samples the turns of episodes: `together`, once all wait for one and in a fixed order, or each as it is asked.

    A backend that computes in this process wants large batches. A server batches by itself, and an episode that waits
    for the slowest other one at every turn loses most of its time.
    """

    def __init__(self, sampler: Sampler, episodes: int, *, together: bool = True) -> None:
        self._sampler, self._playing, self._together = sampler, episodes, together
        self._waiting: dict[tuple[int, int], tuple[SampleRequest, Future[Sample]]] = {}
        self._lock = threading.Lock()
        self._error: Exception | None = None

    def ask(self, key: tuple[int, int], request: SampleRequest) -> Sample:
        """Wait for the sample of this request."""
        answer: Future[Sample] = Future()
        with self._lock:
            if self._error:
                raise self._error
            self._waiting[key] = (request, answer)
            self._send_if_all_wait()
        return answer.result()

    def leave(self) -> None:
        """Remove an episode that is over."""
        with self._lock:
            self._playing -= 1
            self._send_if_all_wait()

    def give_up(self, error: Exception) -> None:
        """No episode gets an answer any more: one that others would wait for cannot begin."""
        with self._lock:
            self._error = error
            for _, answer in self._waiting.values():
                answer.set_exception(error)
            self._waiting = {}

    def _send_if_all_wait(self) -> None:
        if not self._waiting or (self._together and len(self._waiting) < self._playing):
            return
        waiting = [self._waiting[key] for key in sorted(self._waiting)]
        self._waiting = {}
        try:
            futures = self._sampler.sample([request for request, _ in waiting])
            for (_, answer), future in zip(waiting, futures, strict=True):
                then(future, lambda samples: samples[0], answer)
        except BaseException as error:  # no episode may be left waiting
            for _, answer in waiting:
                if not answer.done():
                    answer.set_exception(error)
