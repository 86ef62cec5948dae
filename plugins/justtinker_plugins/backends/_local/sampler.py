"""The `local` backend's `Sampler`."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from justtinker_core import PluginError, Sample, SampleRequest

if TYPE_CHECKING:
    from justtinker_plugins.backends.local import LocalBackend


class LocalSampler:
    """Samples from the backend's weights; refuses once they have changed."""

    def __init__(self, backend: LocalBackend, version: int) -> None:
        self._backend, self._version = backend, version

    def sample(self, requests: Sequence[SampleRequest]) -> list[Future[list[Sample]]]:
        """Sample all requests as one batch in the worker thread. An error there reaches every open future."""
        if self._version != self._backend.version:
            raise PluginError(
                "this sampler's weights are gone: the local backend keeps one set, and an optimizer step or a restore "
                "has replaced it; get a new sampler from backend.sampler()"
            )
        futures: list[Future[list[Sample]]] = promised(len(requests))
        job = self._backend.submit(self._backend.sample_now, self._version, tuple(requests), futures)
        job.add_done_callback(lambda done: settle(done, futures))
        return futures


def promised(count: int) -> list[Future[Any]]:
    """Futures that cannot be cancelled: setting the result of a cancelled one would raise."""
    futures: list[Future[Any]] = [Future() for _ in range(count)]
    for future in futures:
        future.set_running_or_notify_cancel()
    return futures


def settle(job: Future[None], futures: Sequence[Future[Any]]) -> None:
    """Pass the job's error to the futures it left open, so that nobody waits forever."""
    error = PluginError("the backend was closed before it came to this") if job.cancelled() else job.exception()
    for future in futures:
        if error is not None and not future.done():
            future.set_exception(error)
