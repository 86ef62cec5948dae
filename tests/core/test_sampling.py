"""Futures of samples: counted, given up, chained."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future
from typing import Any

import pytest

from justtinker_core.sampling import MeteredSampler, all_results, chain, then
from justtinker_core.types import Sample, SampleRequest

REQUEST = SampleRequest((1, 2), (), n=2, max_tokens=4, temperature=1.0, top_p=1.0, seed=0)
SAMPLES = [Sample((3,), (-0.1,), True), Sample((3, 4), (-0.1, -0.2), True)]


class Slow:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.futures: list[Future[list[Sample]]] = []

    def sample(self, requests: Any) -> list[Future[list[Sample]]]:
        self.futures += (new := [Future() for _ in requests])
        return new


def done(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def failed(error: Exception) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


def test_tokens_are_counted_when_they_come() -> None:
    slow, tokens = Slow(), Counter[str]()
    (future,) = MeteredSampler(slow, tokens).sample([REQUEST])
    assert not tokens
    slow.futures[0].set_result(SAMPLES)
    assert future.result(0) == SAMPLES
    assert tokens == {"prefill": 2, "cached_prefill": 2, "sampled": 3}


def test_whoever_waits_is_released_when_it_is_given_up() -> None:
    slow, tokens = Slow(), Counter[str]()
    metered = MeteredSampler(slow, tokens)
    first, second = metered.sample([REQUEST, REQUEST])
    slow.futures[0].set_result(SAMPLES)
    metered.give_up(RuntimeError("over"))
    assert first.result(0) == SAMPLES, "what has come stays"
    with pytest.raises(RuntimeError, match=r"^over$"):
        second.result(0)
    with pytest.raises(RuntimeError, match=r"^over$"):
        metered.sample([REQUEST])
    slow.futures[1].set_result(SAMPLES)  # comes late, and disturbs nobody
    assert isinstance(second.exception(0), RuntimeError)


def test_a_chain_ends_with_the_last_future() -> None:
    assert chain(done(1), lambda x: done(x + 1)).result(0) == 2
    assert chain(done(1), lambda x: x + 1).result(0) == 2
    assert then(done(1), lambda x: x + 1).result(0) == 2


def test_a_chain_passes_on_every_error() -> None:
    def fail(_: Any) -> Any:
        raise ValueError("ask")

    for future, wanted in (
        (chain(failed(KeyError("first")), lambda x: x), KeyError),
        (chain(done(1), fail), ValueError),
        (chain(done(1), lambda _: failed(OSError("later"))), OSError),
    ):
        assert isinstance(future.exception(0), wanted)


def test_all_results_come_in_order_whenever_each_comes() -> None:
    futures: list[Future[int]] = [Future() for _ in range(3)]
    every = all_results(futures)
    for i in (2, 0, 1):
        assert not every.done()
        futures[i].set_result(i)
    assert every.result(0) == [0, 1, 2]


def test_all_results_have_the_error_of_any() -> None:
    first: Future[int] = Future()
    every = all_results([first, failed(OSError("lost"))])
    assert not every.done(), "nobody is left behind"
    first.set_result(1)
    assert isinstance(every.exception(0), OSError)
