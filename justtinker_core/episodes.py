"""Multi-turn rollouts: what a `rollout` plugin plays an episode with, and how the turns of all episodes meet."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from justtinker_core.options import PluginError
from justtinker_core.plugins import Plugins
from justtinker_core.rollouts import GroupError, Settings, request_of, without_stop
from justtinker_core.types import Backend, Group, Rollout, Sample, Sampler, SampleRequest

EPISODES = 512  # that are played at a time


class Policy:
    """What a `rollout` plugin plays one episode with: the policy's turns, and what the environment answers.

    `generate` samples a turn after everything so far, `observe` adds text of the environment (never trained), and
    `rollout` gives the result. The turns of all episodes are sampled together, once each waits for its turn.
    """

    def __init__(self, group: Group, number: int, table: Table, backend: Backend, settings: Settings) -> None:
        self._group, self._number, self._table = group, number, table
        self._backend, self._settings = backend, settings
        self._tokens: list[int] = []
        self._logprobs: list[float] = []
        self._mask: list[bool] = []
        self._turn = 0
        self._ended_by: tuple[str, ...] = ()
        self.truncated = False
        """The last turn ran out of tokens; `generate` again would be an error."""

    def generate(self, stop: Sequence[str] = ()) -> str:
        """Let the policy go on until one of `stop`, or of the prompt's stops; the turn's text, its stop included."""
        if self.truncated:
            raise PluginError("generate() after a truncated turn: end the episode when policy.truncated is true")
        self._ended_by = (*stop, *self._group.prompt.stop)
        left = self._settings.max_tokens - sum(self._mask)
        request = request_of(
            self._group, self._group.prompt.tokens + tuple(self._tokens), self._ended_by, 1,
            replace(self._settings, max_tokens=max(left, 1)), self._number, self._turn,
        )  # fmt: skip
        sample = self._table.ask((self._group.index, self._number), request)
        self._turn += 1
        self._add(sample.tokens, sample.logprobs, True)
        self.truncated = not sample.stopped or left <= len(sample.tokens)
        return self._backend.decode(sample.tokens)

    def observe(self, text: str) -> None:
        """Add what the environment says."""
        tokens = self._backend.encode(text)
        self._add(tokens, [0.0] * len(tokens), False)

    def _add(self, tokens: Sequence[int], logprobs: Sequence[float], mask: bool) -> None:
        self._tokens += tokens
        self._logprobs += logprobs
        self._mask += [mask] * len(tokens)

    def rollout(self) -> Rollout:
        """The episode so far."""
        text = without_stop(self._backend.decode(self._tokens), self._ended_by)
        return Rollout(tuple(self._tokens), tuple(self._logprobs), tuple(self._mask), text, self.truncated)


class Table:
    """Where episodes wait for each other, so that a turn is sampled for all at once and in a fixed order."""

    def __init__(self, sampler: Sampler, episodes: int) -> None:
        self._sampler, self._playing = sampler, episodes
        self._waiting: dict[tuple[int, int], tuple[SampleRequest, Future[Sample]]] = {}
        self._lock = threading.Lock()

    def ask(self, key: tuple[int, int], request: SampleRequest) -> Sample:
        """Wait for the sample of this request."""
        answer: Future[Sample] = Future()
        with self._lock:
            self._waiting[key] = (request, answer)
            self._send_if_all_wait()
        return answer.result()

    def leave(self) -> None:
        """An episode is over."""
        with self._lock:
            self._playing -= 1
            self._send_if_all_wait()

    def _send_if_all_wait(self) -> None:
        if not self._waiting or len(self._waiting) < self._playing:
            return
        waiting = [self._waiting[key] for key in sorted(self._waiting)]
        self._waiting = {}
        try:
            futures = self._sampler.sample([request for request, _ in waiting])
        except BaseException as error:  # nobody may be left waiting
            for _, answer in waiting:
                answer.set_exception(error)
            return
        for (_, answer), future in zip(waiting, futures, strict=True):
            future.add_done_callback(partial(hand_over, answer))


def hand_over(answer: Future[Sample], done: Future[list[Sample]]) -> None:
    """Pass on the one sample, or the error."""
    error = done.exception()
    if error is None:
        answer.set_result(done.result()[0])
    else:
        answer.set_exception(error)


def play(
    groups: Sequence[Group], plugins: Plugins, backend: Backend, sampler: Sampler, settings: Settings
) -> list[Future[tuple[Rollout, ...]]]:
    """Episodes, each in a thread of its own, so many groups at a time that at most EPISODES are under way."""
    played: list[Future[tuple[Rollout, ...]]] = []
    at_once = max(1, EPISODES // settings.n)
    for start in range(0, len(groups), at_once):
        some = groups[start : start + at_once]
        table = Table(sampler, len(some) * settings.n)
        with ThreadPoolExecutor(len(some) * settings.n, thread_name_prefix="episode") as pool:
            jobs = [
                [pool.submit(episode, plugins, g, i, table, backend, settings) for i in range(settings.n)] for g in some
            ]
        for row in jobs:
            future: Future[tuple[Rollout, ...]] = Future()
            future.set_result(tuple(job.result() for job in row))
            played.append(future)
    return played


def episode(plugins: Plugins, group: Group, number: int, table: Table, backend: Backend, settings: Settings) -> Rollout:
    """One rollout by the first plugin that plays it, or in one turn."""
    policy = Policy(group, number, table, backend, settings)
    try:
        answer = plugins.first("rollout", problem=group.problem, prompt=group.prompt, policy=policy)
        if answer is None:
            policy.generate()
            answer = policy.rollout()
        if not len(answer.tokens) == len(answer.logprobs) == len(answer.mask):
            raise GroupError("a rollout's tokens, logprobs and mask differ in length", group)
        return answer  # type: ignore[no-any-return]
    finally:
        table.leave()
