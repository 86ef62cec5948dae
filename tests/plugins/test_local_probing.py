"""The probe that tells `check` how long a run of the backend `local` takes, and what memory."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the local backend needs the 'local' extra")

import torch

from justtinker_plugins.backends._local import probing
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


def test_check_says_how_long_and_what_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = " ".join(cli("check", "quickstart-rl").output.split())
    assert "A probe samples " in text
    assert " tok/s here: about 0:" in text
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
