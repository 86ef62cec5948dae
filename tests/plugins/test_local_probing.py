"""The probe that tells `check` how long a run of the backend `local` takes, and what memory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the local backend needs the 'local' extra")

import torch

from justtinker_plugins.backends._local import memory, probing
from justtinker_plugins.backends._local.memory import cache_limit
from justtinker_plugins.backends._local.vllm import VllmServer
from tests.core.conftest import cli
from tests.plugins.test_local import Open, opened, same, weights

__all__ = ["opened"]


@pytest.mark.parametrize("options", [{}, {"lora_rank": 4}])
def test_a_probe_changes_nothing(opened: Open, options: dict[str, int]) -> None:
    backend = opened(**options)
    before, state = weights(backend), torch.get_rng_state()
    found = backend.probe(rows=16, prompt=10, response=20, batch=500).result()
    assert same(weights(backend), before)
    assert (torch.get_rng_state() == state).all()
    assert all(p.grad is None for p in backend.policy.model.parameters())
    assert found.sampled > 0 < found.trained
    assert found.has is None or found.has > found.needs


def test_what_a_step_needs_grows_with_what_it_keeps(opened: Open) -> None:
    def needs(rows: int = 1, batch: int = 1000, **options: object) -> int:
        return int(opened(**options).probe(rows, 10, 1000, batch).result().needs)

    plain = needs()
    assert needs(checkpoint_activations=True) < plain < needs(batch=4000)
    assert needs(batch=5000) == needs(batch=9000), "a batch is at most max_batch_tokens"
    assert needs(rows=1000) > plain, "the cache"
    assert needs(rows=1000, cache_gib=1e-6) == plain


def test_a_server_that_samples_is_not_probed(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"sampler": "vllm", "cache_gib": 10**6}
    found = opened(**options).probe(rows=10**6, prompt=10, response=1000, batch=100).result()
    assert found.sampled is None
    assert found.needs < 2**30, "the cache is the server's"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(VllmServer, "complaints", lambda server, policy: [])
    text = " ".join(cli("check", "quickstart-rl", "--set", "plugins.local.sampler=vllm").output.split())
    assert "A probe trains " in text
    assert "steps/h or more, sampling and judging aside. Memory: about " in text


def test_the_cache_takes_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert cache_limit(cpu, 6) == 6 * 2**30
    assert cache_limit(cpu, None) <= 4 * 2**30
    monkeypatch.setattr(memory, "free_memory", lambda device: 2**30)
    assert cache_limit(cpu, None) == cache_limit(gpu, None) == 0.8 * 2**30
    monkeypatch.setattr(memory, "free_memory", lambda device: 2**40)
    assert (cache_limit(cpu, None), cache_limit(gpu, None)) == (4 * 2**30, 0.8 * 2**40)
    monkeypatch.setattr(memory, "free_memory", lambda device: None)
    assert cache_limit(cpu, None) == 4 * 2**30


def test_free_memory_of_a_gpu_counts_what_torch_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 70)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 30)
    assert memory.free_memory(torch.device("cuda")) == 140


def test_check_says_how_long_and_what_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = " ".join(cli("check", "quickstart-rl").output.split())
    assert "A probe samples " in text
    assert re.search(r" tok/s here: about \d+:\d\d", text)
    assert "steps/h or more, judging aside. Memory: about " in text
    assert "more memory than is free" not in text
    monkeypatch.setattr(probing, "free_bytes", lambda policy: 1000)
    text = " ".join(cli("check", "quickstart-rl").output.split())
    assert "That is more memory than is free, so the machine may swap or end the run: lower max_batch_tokens" in text


def test_numbers_that_a_probe_is_told_in() -> None:
    from justtinker_plugins.commands._preflight.pace import figures, size_of
    from justtinker_plugins.shared.terminal import as_range, span

    assert [figures(x) for x in (0.123, 7.77, 123456.0)] == ["0.12", "8", "120,000"]
    assert [size_of(x) for x in (2**25, 3 * 2**30)] == ["32 MiB", "3.0 GiB"]
    assert as_range(span(30), span(7200)) == "0:30 min to 2:00 h"
    assert as_range(span(30), span(30.2)) == "0:30 min"
