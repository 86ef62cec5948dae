"""The redundancy score against the obvious way to compute it: equal (exact), or within its bound (fast), and how fast.

``pytest -s benchmarks/`` shows the times and the ratios, which are not asserted. The reference is the recipe as one
would write it down: `justtinker bench redundancy` shows the same on your own texts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from justtinker_plugins.commands.bench import best_seconds, plain_chunk_similarity, plain_score
from justtinker_plugins.shared.redundancy import exact, fast, flat
from tests.plugins.reasoning_data import labelled

Work = Callable[[], object]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """256 rollouts, 3.4 MB."""
    return labelled("rollout_batch_256")[0]


def methods(texts: list[str]) -> dict[str, Work]:
    return {
        "exact": lambda: exact.score_batch(texts, chunks=False),
        "exact_with_chunks": lambda: exact.score_batch(texts),
        "fast": lambda: fast.score_batch(texts),
        "flat": lambda: flat.score_batch(texts),
    }


def plain(texts: list[str]) -> list[float]:
    return [plain_score(text) for text in texts]


def plain_chunks(texts: list[str]) -> list[float]:
    return [plain_chunk_similarity(text) for text in texts]


def test_exact_is_equal(texts: list[str]) -> None:
    scores = exact.score_batch(texts)
    assert scores["redundancy_score"].tolist() == plain(texts)
    assert scores["chunk_similarity"].tolist() == plain_chunks(texts)


def test_fast_is_within_its_bound(texts: list[str]) -> None:
    error = np.abs(fast.score_batch(texts)["redundancy_score"] - plain(texts))
    assert error.mean() <= 0.006
    assert error.max() <= 0.12


@pytest.mark.benchmark(group="redundancy")
@pytest.mark.parametrize("method", ["exact", "exact_with_chunks", "fast", "flat"])
def test_method(benchmark: BenchmarkFixture, texts: list[str], method: str) -> None:
    benchmark(methods(texts)[method])


@pytest.mark.benchmark(group="redundancy")
@pytest.mark.parametrize("reference", [plain, plain_chunks])
def test_plain(benchmark: BenchmarkFixture, texts: list[str], reference: Callable[[list[str]], list[float]]) -> None:
    benchmark(reference, texts)


def test_times_faster_than_plain(texts: list[str]) -> None:
    """Prints what the user wants to know (``pytest -s``); asserts no speed, since machines are noisy.

    All take turns and the best of each counts, so that a busy moment does not fall on one of them alone.
    """
    works = {**methods(texts), "plain": lambda: plain(texts)}
    seconds = dict.fromkeys(works, float("inf"))
    for _ in range(20):
        seconds = {name: min(seconds[name], best_seconds(work, 1)) for name, work in works.items()}
    reference = seconds.pop("plain")
    full = reference + best_seconds(lambda: plain_chunks(texts), 3)
    for name, each in seconds.items():
        against = full if name == "exact_with_chunks" else reference
        print(
            f"{name}: {each * 1e3:.1f} ms, {against / each:.1f} times faster than plain Python ({against * 1e3:.0f} ms)"
        )
