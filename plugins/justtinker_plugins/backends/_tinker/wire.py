"""Conversion between our types and the SDK's, for all that the `tinker` backend sends and receives. Makes no call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from justtinker_core import Datum, PluginError, Sample, SampleRequest, SamplingError
from justtinker_core.types import Adam, Loss, TrainResult
from justtinker_plugins.backends._data import NEEDS
from justtinker_plugins.backends._losses import loss_sum, train_metrics

TENSORS: Mapping[tuple[str, str], str | None] = {("gspo", "mask"): "sequence_ratio_mask", ("dro", "mask"): None}
"""Loss and field of `Datum` -> the tensor's name in the SDK, where it is another; None: it is not sent."""
REPORT_ONLY = 1e12
"""A clipping norm that no gradient reaches; the server reports the norm only while clipping is on."""


def make_strictly(kind: type[Any], **values: Any) -> Any:
    """Make an SDK object; TypeError for an unknown keyword (the SDK itself accepts some silently)."""
    if unknown := set(values) - set(kind.model_fields):
        raise TypeError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
    return kind(**values)


def sampling_params(request: SampleRequest, context_length: int, encode: Callable[[str], list[int]]) -> Any:
    """Convert a request's settings. SamplingError if its prompt leaves no room for a token."""
    from tinker import types

    room = context_length - len(request.tokens)
    if room < 1:
        raise SamplingError(
            f"the prompt has {len(request.tokens)} tokens, but the model takes {context_length}, response included"
        )
    stops = [encode(stop) for stop in request.stop]
    single = all(len(stop) == 1 for stop in stops)  # a token is exact; a text the server searches for
    return make_strictly(
        types.SamplingParams,
        max_tokens=min(request.max_tokens, room),
        seed=request.seed,
        stop=[stop[0] for stop in stops] if single else list(request.stop),
        temperature=request.temperature,
        top_p=request.top_p,
    )


def samples(request: SampleRequest, reply: Any) -> list[Sample]:
    """Convert a reply. SamplingError if it is not what was requested: bad samples must never reach training."""
    sequences = list(reply.sequences)
    if len(sequences) != request.n:
        raise SamplingError(f"the server returned {len(sequences)} of {request.n} samples")
    cached = int(getattr(reply, "prompt_cache_hit_tokens", 0) or 0)
    return [to_sample(sequence, i, cached) for i, sequence in enumerate(sequences)]


def to_sample(sequence: Any, i: int, cached: int) -> Sample:
    """Check and convert one sequence of a reply."""
    tokens = tuple(sequence.tokens)
    logprobs = sequence.logprobs if tokens else ()  # protobuf cannot tell an empty list from a missing one
    if logprobs is None or len(logprobs) != len(tokens):
        found = "no" if logprobs is None else len(logprobs)
        raise SamplingError(f"sample {i} of the server's reply has {found} log-probabilities for {len(tokens)} tokens")
    values = np.asarray(logprobs, np.float64)  # None becomes NaN
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values))[0])
        raise SamplingError(f"sample {i} of the server's reply: log-probability {bad} is {values[bad]}")
    return Sample(tokens, tuple(values.tolist()), sequence.stop_reason == "stop", cached)


def to_datum(datum: Datum, loss: Loss) -> Any:
    """Convert a datum: the tensors that the loss takes and no other (an extra one is a 400), floats as floats."""
    from tinker import types

    tensors = {"target_tokens": np.array(datum.targets, np.int64)}
    for field in NEEDS[loss]:
        if name := TENSORS.get((loss, field), field):
            tensors[name] = np.array(getattr(datum, field), np.float32)
    return types.Datum(
        model_input=types.ModelInput.from_ints(list(datum.inputs)),
        loss_fn_inputs={name: types.TensorData.from_numpy(values) for name, values in tensors.items()},
    )


def adam_params(adam: Adam) -> Any:
    """Convert the settings of Adam."""
    from tinker import types

    return make_strictly(
        types.AdamParams,
        learning_rate=adam.learning_rate,
        beta1=adam.beta1,
        beta2=adam.beta2,
        eps=adam.eps,
        weight_decay=adam.weight_decay,
        grad_clip_norm=adam.grad_clip_norm or REPORT_ONLY,
    )


def train_result(reply: Any, data: Sequence[Datum], loss: Loss, config: Mapping[str, float]) -> TrainResult:
    """Check and convert a forward_backward reply. Servers differ in the metrics that they report; ours are added."""
    logprobs = target_logprobs(reply, data)
    total = loss_sum(data, logprobs, loss, config)
    if not np.isfinite(total):
        raise PluginError(f"the {loss} loss, from the server's log-probabilities, is {total}: the weights are ruined")
    theirs = {name: float(value) for name, value in (reply.metrics or {}).items() if value is not None}
    metrics = {**theirs, **train_metrics(data, logprobs, loss, config, total)}
    return TrainResult(total, tuple(tuple(p.tolist()) for p in logprobs), metrics)


def target_logprobs(reply: Any, data: Sequence[Datum]) -> list[np.ndarray]:
    """The log-probabilities (T,) of each datum's targets in the reply of a forward pass. PluginError if some lack."""
    outputs = reply.loss_fn_outputs
    if len(outputs) != len(data):
        raise PluginError(f"the server returned {len(outputs)} outputs for {len(data)} data")
    logprobs = []
    for i, (output, datum) in enumerate(zip(outputs, data, strict=True)):
        values = np.asarray(output["logprobs"].to_numpy(), np.float64).ravel()
        if len(values) != len(datum.targets):
            raise PluginError(
                f"the server returned {len(values)} log-probabilities for {len(datum.targets)} of datum {i}"
            )
        logprobs.append(values)
    return logprobs


def unweighted(datum: Datum) -> Datum:
    """The datum for a forward pass that asks only for log-probabilities."""
    return Datum(datum.inputs, datum.targets, weights=(0.0,) * len(datum.targets))


def anchored(datum: Datum, logprobs: np.ndarray) -> Datum:
    """The datum with the trainer's own log-probabilities (T,) for the sampler's wherever its mask is 0."""
    mask = np.asarray(datum.mask) != 0
    return replace(datum, logprobs=tuple(np.where(mask, np.asarray(datum.logprobs), logprobs).tolist()))


def sequence_logprobs(tokens: Sequence[int], reply: Any) -> tuple[float, ...]:
    """The log-probabilities of all tokens but the first (T-1,), from the reply for a prompt of T tokens.

    SamplingError if it is not what was requested.
    """
    if reply is None or len(reply) != len(tokens):
        found = "no" if reply is None else len(reply)
        raise SamplingError(f"the server returned {found} log-probabilities for a sequence of {len(tokens)} tokens")
    values = np.asarray(reply[1:], np.float64)  # nothing precedes the first; None becomes NaN
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values))[0])
        raise SamplingError(f"the server's log-probability of token {bad + 1} of a sequence is {values[bad]}")
    return tuple(values.tolist())


def optim_metrics(reply: Any) -> dict[str, float]:
    """The metrics of an optimizer step, with the gradient's norm under the name that all backends use: grad_norm."""
    metrics = {name: float(value) for name, value in (reply.metrics or {}).items() if value is not None}
    norms = [value for name, value in metrics.items() if "grad" in name and ("norm" in name or "l2" in name)]
    return {**metrics, "grad_norm": norms[0]} if norms else metrics
