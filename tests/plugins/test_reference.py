"""Log-probabilities under weights that the local backend does not train."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the local backend needs the 'local' extra")

from justtinker_core.errors import PluginError, SamplingError
from justtinker_core.testing.backends import demonstrations, logprobs_of, request, sample, train
from justtinker_core.types import Datum, ReferenceModel
from justtinker_plugins.backends.local import LocalBackend
from tests.plugins.test_local import Open, opened, weights

__all__ = ["opened"]
SEQUENCES = [(5, 6, 7, 8, 9, 10), (20, 21), (30, 31, 32, 33)]


def reference(backend: LocalBackend, path: str | None = None) -> np.ndarray:
    return np.concatenate([f.result(60) for f in backend.reference_logprobs(SEQUENCES, path)])


def own(backend: LocalBackend) -> np.ndarray:
    """What the training path gives for the weights as they are."""
    return logprobs_of(backend, [Datum(s[:-1], s[1:], weights=(0.0,) * (len(s) - 1)) for s in SEQUENCES])


@pytest.mark.parametrize("options", [{}, {"lora_rank": 4}, {"max_batch_tokens": 8, "logprob_chunk": 3}])
def test_they_are_those_of_the_weights_before_any_training(opened: Open, options: dict[str, int]) -> None:
    backend = opened(**options)
    assert isinstance(backend, ReferenceModel)
    before = own(backend)
    np.testing.assert_allclose(reference(backend), before, atol=1e-4)
    first = reference(backend)
    train(backend, demonstrations(backend), 3)
    sample(backend.sampler(), request(backend, "1+1=?"))  # merges the adapter
    assert np.abs(own(backend) - before).max() > 0.01
    np.testing.assert_array_equal(reference(backend), first)


@pytest.mark.parametrize("options", [{}, {"lora_rank": 4}])
def test_those_of_a_checkpoint_are_its_weights(opened: Open, options: dict[str, int]) -> None:
    backend = opened(**options)
    base = reference(backend)
    train(backend, demonstrations(backend), 2)
    path, saved = backend.save("here").result(60), own(backend)
    train(backend, demonstrations(backend), 2)
    np.testing.assert_allclose(reference(backend, path), saved, atol=1e-4)
    np.testing.assert_array_equal(reference(backend), base)
    backend.restore(path, optimizer=True)
    np.testing.assert_allclose(own(backend), reference(backend, path), atol=1e-4)


def test_a_copy_is_opened_once_for_each_path_and_dropped_in_the_end(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = opened()
    threads = []
    reopen = backend._references._reopen
    monkeypatch.setattr(
        backend._references, "_reopen", lambda: (threads.append(threading.current_thread().name), reopen())[1]
    )
    path = backend.save("here").result(60)
    for _ in range(2):
        reference(backend)
        reference(backend, path)
    assert threads == ["local-backend_0"] * 2
    assert not any(p.requires_grad for p in backend._references.policy(None).model.parameters())
    backend.close()
    assert not backend._references._policies


def test_training_goes_on_as_if_nobody_had_asked(opened: Open) -> None:
    import torch

    asked, other = opened(), opened()
    torch.rand(1)  # else the state is the one that opening a model leaves
    state = torch.get_rng_state()
    reference(asked)
    assert torch.equal(torch.get_rng_state(), state)
    for backend in (asked, other):
        train(backend, demonstrations(backend), 2)
    before, after = weights(asked), weights(other)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_sequence_that_does_not_fit_fails_alone(opened: Open) -> None:
    backend = opened()
    long = (1,) * (backend.context_length + 1)
    good, alone, none, outside, beyond = backend.reference_logprobs([(1, 2, 3), (1,), (), (1, 107), long], None)
    assert len(good.result(60)) == 2
    assert alone.result(60) == none.result(60) == ()
    with pytest.raises(SamplingError, match=r"^a sequence has a token outside the model's vocabulary of 107$"):
        outside.result(60)
    with pytest.raises(SamplingError, match="a sequence has 1025 tokens; expected at most 1024, the model's limit"):
        beyond.result(60)
    assert backend.reference_logprobs([], None) == []


@pytest.mark.parametrize(
    ("path", "kind", "text"),
    [
        ("nowhere", FileNotFoundError, "no checkpoint at nowhere"),
        ("tinker://x/y", PluginError, "checkpoint of a server"),
    ],
)
def test_a_checkpoint_that_cannot_be_read_reaches_every_future(
    opened: Open, path: str, kind: type[Exception], text: str
) -> None:
    backend = opened()
    for future in backend.reference_logprobs(SEQUENCES, path):
        with pytest.raises(kind, match=text):
            future.result(60)
    assert len(reference(backend)) == 9, "the next call opens the model again"


def test_ruined_weights_and_a_closed_backend(opened: Open, tmp_path: Path) -> None:
    backend = opened()
    reference(backend)
    backend._references.policy(None).model.get_output_embeddings().weight.data.fill_(float("nan"))
    with pytest.raises(
        PluginError, match="the log-probabilities to compare with are not finite: the weights are ruined"
    ):
        reference(backend)
    started, gate = threading.Event(), threading.Event()
    backend.submit(lambda: (started.set(), gate.wait(60)))
    started.wait(60)
    waiting = backend.reference_logprobs(SEQUENCES, None)
    closing = threading.Thread(target=backend.close)
    closing.start()
    assert backend._closed.wait(60)
    gate.set()
    closing.join(60)
    with pytest.raises(PluginError, match="closed"):
        waiting[0].result(60)
    with pytest.raises(PluginError, match="the local backend is closed"):
        backend.reference_logprobs(SEQUENCES, None)
