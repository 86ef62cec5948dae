"""A batch that the backend `local` decodes in parts at once."""

from __future__ import annotations

import threading
import types
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the local backend needs the 'local' extra")

import torch

from justtinker_core import PluginError
from justtinker_core.testing.backends import request, sample
from justtinker_plugins.backends._local import sampling
from justtinker_plugins.backends._local.parts import LEAST, are_independent, parts_of
from tests.plugins.test_local import Open, opened

__all__ = ["opened"]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 9))
def test_parts_are_even_and_split_no_request(sizes: list[int], threads: int) -> None:
    jobs = [object() for _ in sizes]
    rows = [(job, i) for job, size in zip(jobs, sizes, strict=True) for i in range(size)]
    parts = parts_of(rows, threads)
    assert [row for part in parts for row in part] == rows
    assert 1 <= len(parts) <= max(1, min(threads, len(rows) // LEAST))
    for one, other in pairwise(parts):
        assert one[-1][0] is not other[0][0]
    if len(parts) > 1:
        assert max(map(len, parts)) < len(rows) / min(threads, len(rows) // LEAST) + max(sizes)


def requests_of(backend: Any) -> list[Any]:
    return [request(backend, f"1+{i}=?", n=8, max_tokens=6 + i, seed=i) for i in range(16)]


def test_parts_sample_what_the_whole_does(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []

    class Counted(sampling.Decoding):
        def run(self, *arguments: Any) -> None:
            used.append(torch.get_num_threads())
            super().run(*arguments)

    whole = sample((backend := opened(threads=1)).sampler(), *requests_of(backend))
    backend = opened(threads=3)
    monkeypatch.setattr(sampling, "Decoding", Counted)
    parts = [sample(backend.sampler(), *requests_of(backend)) for _ in range(2)]
    assert used == [1] * 6
    assert backend.submit(torch.get_num_threads).result() == 3
    assert parts[0] == parts[1], "bit for bit"
    for mine, yours in zip(parts[0], whole, strict=True):
        assert [s.tokens for s in mine] == [s.tokens for s in yours]
        assert [s.stopped for s in mine] == [s.stopped for s in yours]
        for one, other in zip(mine, yours, strict=True):
            assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_an_error_of_one_part_reaches_its_futures(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(sampling.Decoding):
        def run(self, *arguments: Any) -> None:
            if self.rows[0][0].request.seed == 0:
                raise PluginError("a part has failed")
            super().run(*arguments)

    backend = opened(threads=2)
    monkeypatch.setattr(sampling, "Decoding", Failing)
    futures = backend.sampler().sample(requests_of(backend))
    errors = [future.exception(60) for future in futures]
    assert [str(error) for error in errors[:8]] == ["a part has failed"] * 8
    assert errors[8:] == [None] * 8
    assert backend.submit(torch.get_num_threads).result() == 2


def test_closing_ends_every_part(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = threading.Barrier(3)

    class Waiting(sampling.Decoding):
        def record(self, step: int, *arguments: Any) -> None:
            if step == 0:
                inside.wait(60)
            super().record(step, *arguments)

    backend = opened(threads=2)
    monkeypatch.setattr(sampling, "Decoding", Waiting)
    futures = backend.sampler().sample([request(backend, f"1+{i}=?", n=32, max_tokens=900) for i in range(2)])
    inside.wait(60)
    backend.close()
    for future in futures:
        with pytest.raises(PluginError, match="the backend was closed while it was sampling"):
            future.result(60)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, True),
        ({"rope_parameters": None}, True),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}, True),
        ({"rope_parameters": {"rope_type": "llama3"}}, True),
        ({"rope_parameters": {"rope_type": "dynamic"}}, False),
        ({"rope_parameters": {"full_attention": {"rope_type": "longrope"}}}, False),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, False),
    ],
)
def test_a_model_whose_positions_depend_on_the_length_is_not_split(settings: dict[str, Any], expected: bool) -> None:
    assert are_independent(types.SimpleNamespace(**settings)) is expected
