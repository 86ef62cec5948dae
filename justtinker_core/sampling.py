"""Requests, seeds, tokens and text: what sampling needs, without a plugin."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from justtinker_core.types import Backend, Datum, Group, Prompt, Rollout, Sample, Sampler, SampleRequest


@dataclass(frozen=True, slots=True)
class Settings:
    """How to sample."""

    stage: str
    """What for: "sample" (training) or "evaluate NAME"; part of every seed."""
    samples: int
    """Rollouts a problem."""
    max_tokens: int
    temperature: float
    top_p: float
    seed: int
    max_failed: float = 0.0
    """Share of the groups whose sampling may fail for good."""


def seed_of(*parts: int | str) -> int:
    """A 31-bit seed, a pure function of its parts."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


def stops_of(stop: str | Sequence[str]) -> tuple[str, ...]:
    """Stop strings; one alone may be given as it is."""
    return (stop,) if isinstance(stop, str) else tuple(stop)


def until_stop(text: str, stop: Sequence[str]) -> str:
    """The text before the first stop string in it (the last token may reach past it)."""
    return text[: min((place for s in stop if (place := text.find(s)) >= 0), default=len(text))]


def request_of(
    group: Group, tokens: tuple[int, ...], stop: tuple[str, ...], n: int, settings: Settings, *key: int
) -> SampleRequest:
    """The request for a group; its seed is a pure function of (seed, step, group, key)."""
    seed = seed_of(settings.seed, settings.stage, group.step, group.index, *key)
    return SampleRequest(tokens, stop, n, settings.max_tokens, settings.temperature, settings.top_p, seed)


def make_rollout(sample: Sample, prompt: Prompt, backend: Backend) -> Rollout:
    """A one-turn rollout."""
    text = until_stop(backend.decode(sample.tokens), prompt.stop)
    return Rollout(sample.tokens, sample.logprobs, (True,) * len(sample.tokens), text, not sample.stopped)


def datum_of(prompt: Prompt, rollout: Rollout, advantage: float | tuple[float, ...]) -> Datum:
    """Prompt and rollout as one sequence, shifted by one; 0 on everything that the policy did not write."""
    tokens = prompt.tokens + rollout.tokens
    each = advantage if isinstance(advantage, tuple) else (advantage,) * len(rollout.tokens)
    before = (0.0,) * (len(prompt.tokens) - 1)
    if not all(rollout.mask):
        each = tuple(a if wrote else 0.0 for a, wrote in zip(each, rollout.mask, strict=True))
    return Datum(tokens[:-1], tokens[1:], logprobs=before + rollout.logprobs, advantages=before + each)


class MeteredSampler:
    """A sampler that counts tokens as a service bills them: a request's prompt once, then from the cache."""

    def __init__(self, sampler: Sampler, tokens: Counter[str]) -> None:
        self._sampler, self._tokens = sampler, tokens
        self._lock = threading.Lock()

    def sample(self, requests: Sequence[SampleRequest]) -> list[Future[list[Sample]]]:
        """Send all requests; their futures resolve once they are counted."""
        futures = self._sampler.sample(requests)
        return [then(future, partial(self._count, r)) for r, future in zip(requests, futures, strict=True)]

    def _count(self, request: SampleRequest, samples: list[Sample]) -> list[Sample]:
        hits, prompt = (samples[0].cached if samples else 0), len(request.tokens)
        with self._lock:
            self._tokens["prefill"] += prompt - hits
            self._tokens["cached_prefill"] += hits + (request.n - 1) * prompt
            self._tokens["sampled"] += sum(len(sample.tokens) for sample in samples)
        return samples


@contextmanager
def threads(number: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """Threads that are waited for; but not after Ctrl-C, whose reason may be the one that hangs."""
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
    """A future of the changed result; whatever goes wrong reaches whoever waits for it."""
    changed = changed or Future()

    def pass_on(done: Future[Any]) -> None:
        try:
            changed.set_result(change(done.result()))
        except BaseException as error:
            changed.set_exception(error)

    future.add_done_callback(pass_on)
    return changed
