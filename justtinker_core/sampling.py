"""The parts of sampling that ask no plugin: requests, seeds, tokens and text."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from justtinker_core.errors import PluginError
from justtinker_core.types import Backend, Datum, Group, Message, Prompt, Rollout, Sample, Sampler, SampleRequest


@dataclass(frozen=True, slots=True)
class Settings:
    """How to sample."""

    stage: str
    """The purpose: "sample" (training) or "evaluate NAME". It is part of every seed."""
    samples: int
    """Rollouts per problem."""
    max_tokens: int
    temperature: float
    top_p: float
    seed: int
    max_failed: float = 0.0
    """The share of groups whose sampling may fail."""


def seed_of(*parts: int | str) -> int:
    """Return a 31-bit seed, a pure function of its parts."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


def stops_of(stop: str | Sequence[str]) -> tuple[str, ...]:
    """Return a tuple of stop strings; accepts a single one too."""
    return (stop,) if isinstance(stop, str) else tuple(stop)


def until_stop(text: str, stop: Sequence[str]) -> str:
    """Cut a text at its first stop string (the last token may reach past it)."""
    return text[: min((start for s in stop if (start := text.find(s)) >= 0), default=len(text))]


_OPENED = re.compile(r"<think>\s*\Z|(?:<think>\s*)?</think>\s*\Z")


def opened_by(prompt: str) -> str:
    """What the end of a prompt already holds of the response: the tags of a thinking block, open or closed; or ""."""
    found = _OPENED.search(prompt)
    return found.group() if found else ""


_SAID = "justtinker: what the policy said"


def next_turn(backend: Backend, prompt: Prompt, messages: Sequence[Message], *, ended: bool) -> str:
    """What a chat format writes between the policy's turn and its next one; if `ended`, without the turn's end token.

    It is the difference of two renderings, so what the policy said takes no part in it. PluginError: not a chat.
    """
    if not prompt.messages:
        raise PluginError("policy.reply needs a prompt of messages, such as chat_template's; add text with observe")
    said = {"role": "assistant", "content": _SAID}
    _, found, after = backend.render((*prompt.messages, said, *messages), **prompt.template).text.partition(_SAID)
    if not found:
        raise PluginError("the model's chat template leaves out earlier answers, so policy.reply cannot go on")
    end = "|".join([*map(re.escape, prompt.stop), r"<[^<>\s]+>"])  # gpt-oss ends an earlier turn with another token
    return re.sub(rf"\A\s*(?:{end})", "", after) if ended else after


def request_of(
    group: Group, tokens: tuple[int, ...], stop: tuple[str, ...], n: int, settings: Settings, *key: int
) -> SampleRequest:
    """Return the request for a group. Its seed is a pure function of (seed, step, group, key)."""
    seed = seed_of(settings.seed, settings.stage, group.step, group.index, *key)
    return SampleRequest(tokens, stop, n, settings.max_tokens, settings.temperature, settings.top_p, seed)


def make_rollout(sample: Sample, prompt: Prompt, backend: Backend) -> Rollout:
    """Make a one-turn rollout of a sample."""
    text = until_stop(backend.decode(sample.tokens), prompt.stop)
    mask = (True,) * len(sample.tokens)
    return Rollout(sample.tokens, sample.logprobs, mask, text, not sample.stopped, prompt.opened or "")


def datum_of(prompt: Prompt, rollout: Rollout, advantage: float | tuple[float, ...]) -> Datum:
    """Join prompt and rollout to one sequence, shifted by one; 0 on everything that the policy did not write."""
    tokens = prompt.tokens + rollout.tokens
    each = advantage if isinstance(advantage, tuple) else (advantage,) * len(rollout.tokens)
    before = (0.0,) * (len(prompt.tokens) - 1)
    if not all(rollout.mask):
        each = tuple(a if wrote else 0.0 for a, wrote in zip(each, rollout.mask, strict=True))
    mask = before + tuple([1.0 if wrote else 0.0 for wrote in rollout.mask])
    return Datum(tokens[:-1], tokens[1:], logprobs=before + rollout.logprobs, advantages=before + each, mask=mask)


class MeteredSampler:
    """A sampler that counts tokens the way a service bills them: a request's prompt once, then from the cache."""

    def __init__(self, sampler: Sampler, tokens: Counter[str]) -> None:
        self._sampler, self._tokens = sampler, tokens
        self._lock = threading.Lock()
        self._error: Exception | None = None
        self._open: set[Future[list[Sample]]] = set()
        self.over: Future[None] = Future()
        """Raises once this sampler is given up."""

    def sample(self, requests: Sequence[SampleRequest]) -> list[Future[list[Sample]]]:
        """Send all requests. Their futures resolve once their tokens are counted."""
        if self._error:
            raise self._error
        futures = self._sampler.sample(requests)
        counted = [then(future, partial(self._count, r)) for r, future in zip(requests, futures, strict=True)]
        self._open.update(counted)
        for future in counted:
            future.add_done_callback(self._open.discard)
        if self._error:  # given up in between
            self.give_up(self._error)
        return counted

    def count_read(self, tokens: int) -> None:
        """Count tokens that something else than a request had read, as prefill."""
        with self._lock:
            self._tokens["prefill"] += tokens

    def give_up(self, error: Exception) -> None:
        """Wait for no answer any more: every future that is still open, and every later request, raises this error."""
        self._error = error
        waiting: list[Future[Any]] = [self.over, *self._open]
        for future in waiting:
            with suppress(InvalidStateError):
                future.set_exception(error)

    def _count(self, request: SampleRequest, samples: list[Sample]) -> list[Sample]:
        hits, prompt = (samples[0].cached if samples else 0), len(request.tokens)
        with self._lock:
            self._tokens["prefill"] += prompt - hits
            self._tokens["cached_prefill"] += hits + (request.n - 1) * prompt
            self._tokens["sampled"] += sum(len(sample.tokens) for sample in samples)
        return samples


@contextmanager
def threads(number: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """Open a thread pool and wait for its threads on leaving; not after Ctrl-C, as one of them may hang."""
    pool = ThreadPoolExecutor(number, thread_name_prefix=name)
    try:
        yield pool
    except BaseException as error:
        pool.shutdown(not isinstance(error, KeyboardInterrupt), cancel_futures=True)
        raise
    pool.shutdown()


def submit(pool: ThreadPoolExecutor, job: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Run a job in a thread of the pool. Ctrl-C while the thread starts stays a KeyboardInterrupt."""
    try:
        return pool.submit(job, *arguments)
    except RuntimeError as error:  # "release unlocked lock": what threading.Condition can make of Ctrl-C
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise


def then(future: Future[Any], change: Callable[[Any], Any], changed: Future[Any] | None = None) -> Future[Any]:
    """Return a future of the changed result. Errors of the future and of `change` are its errors too."""
    changed = changed or Future()

    def pass_on(done: Future[Any]) -> None:
        try:
            changed.set_result(change(done.result()))
        except InvalidStateError:  # whoever waited has given up
            return
        except BaseException as error:
            with suppress(InvalidStateError):
                changed.set_exception(error)

    future.add_done_callback(pass_on)
    return changed


def chain(future: Future[Any], ask: Callable[[Any], Any]) -> Future[Any]:
    """Like `then`, if `ask` may itself return a future: then the result is that future's."""
    last: Future[Any] = Future()

    def go_on(done: Future[Any]) -> None:
        try:
            answer = ask(done.result())
        except BaseException as error:
            last.set_exception(error)
            return
        if isinstance(answer, Future):
            then(answer, lambda result: result, last)
        else:
            last.set_result(answer)

    future.add_done_callback(go_on)
    return last


def all_results(futures: Sequence[Future[Any]]) -> Future[list[Any]]:
    """Return a future of all results, in order; or of the first error."""
    every: Future[list[Any]] = Future()
    left, lock = [len(futures)], threading.Lock()

    def note(done: Future[Any]) -> None:
        with lock:
            left[0] -= 1
            last = not left[0]
        if last:
            then(done, lambda _: [future.result() for future in futures], every)

    for future in futures:
        future.add_done_callback(note)
    return every
