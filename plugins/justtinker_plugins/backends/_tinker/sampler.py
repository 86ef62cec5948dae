"""What the `tinker` backend asks of exported weights: samples, and log-probabilities of given tokens."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from justtinker_core import PluginError, Sample, SampleRequest, SamplingError
from justtinker_plugins.backends._tinker import wire
from justtinker_plugins.backends._tinker.calls import Calls

if TYPE_CHECKING:
    from justtinker_plugins.backends._tinker.backend import TinkerBackend


class TinkerSampler:
    """Samples from exported weights, while training goes on."""

    def __init__(self, backend: TinkerBackend, calls: Calls, exported: Future[Any]) -> None:
        self._backend, self._calls, self._exported = backend, calls, exported

    def sample(self, requests: Sequence[SampleRequest]) -> list[Future[list[Sample]]]:
        """Send one request a group as soon as the weights are exported. A request that fails, fails alone."""
        tasks = [(request, self._params(request), self._calls.promise(SamplingError)) for request in requests]

        def send(client: Any) -> None:
            from tinker import types

            for request, params, promise in tasks:
                if isinstance(params, PluginError):
                    self._calls.settle(promise, error=params)
                elif request.n == 0:
                    self._calls.settle(promise, list)
                else:
                    prompt = types.ModelInput.from_ints(list(request.tokens))
                    call = partial(client.sample, prompt=prompt, num_samples=request.n, sampling_params=params)
                    self._calls.make(call, partial(wire.samples, request), promise, "samples", in_session=True)

        promises = [promise for _, _, promise in tasks]
        self._calls.after(self._exported, send, *promises)
        return promises

    def _params(self, request: SampleRequest) -> Any:
        """The request's SamplingParams, or the PluginError that answers it."""
        try:
            return wire.sampling_params(request, self._backend.context_length, self._backend.encode)
        except PluginError as error:
            return error


def ask_logprobs(
    calls: Calls, ready: Future[Any], sequences: Sequence[tuple[int, ...]]
) -> list[Future[tuple[float, ...]]]:
    """Ask for the log-probabilities of sequences once the sampling client is ready. One that fails, fails alone."""
    promises = [calls.promise(SamplingError) for _ in sequences]

    def send(client: Any) -> None:
        from tinker import types

        for tokens, promise in zip(sequences, promises, strict=True):
            if len(tokens) < 2:
                calls.settle(promise, tuple)
            else:
                call = partial(client.compute_logprobs, types.ModelInput.from_ints(list(tokens)))
                convert = partial(wire.sequence_logprobs, tokens)
                calls.make(call, convert, promise, "log-probabilities to compare with", in_session=True)

    calls.after(ready, send, *promises)
    return promises
