"""The `local` backend's log-probabilities, losses and gradients, in torch.

The optimizer is in local.py. Shapes: B sequences in a batch, T positions, N positions that are not padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from justtinker_core import Datum, PluginError
from justtinker_core.types import Loss, TrainResult
from justtinker_plugins.backends._data import PPO_CLIP, settings_of
from justtinker_plugins.backends._local.model import Policy
from justtinker_plugins.backends._losses import train_metrics

if TYPE_CHECKING:
    import threading

    import torch


def datum_batches(data: Sequence[Datum], most_tokens: int) -> Iterator[list[int]]:
    """Indices of the data in batches of at most `most_tokens`, padding included; similar lengths together."""
    batch: list[int] = []
    for i in sorted(range(len(data)), key=lambda i: len(data[i].inputs)):
        if batch and (len(batch) + 1) * len(data[i].inputs) > most_tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def forward_backward(
    policy: Policy,
    data: Sequence[Datum],
    loss: Loss,
    config: Mapping[str, float],
    *,
    most_tokens: int,
    chunk: int,
    closed: threading.Event,
) -> TrainResult:
    """Add the gradient of the summed loss to the weights' ``.grad``. PluginError if the loss is not finite."""
    total = 0.0
    logprobs: list[tuple[float, ...]] = [()] * len(data)
    for batch in datum_batches(data, most_tokens):
        if closed.is_set():
            raise PluginError("the backend was closed while it was training")
        batch_data = [data[i] for i in batch]
        batch_logprobs = target_logprobs(policy, batch_data, chunk)
        loss_sum = token_losses(loss, config, batch_logprobs, batch_data).sum()
        value = loss_sum.item()
        if not np.isfinite(value):
            raise PluginError(f"the {loss} loss is {value}: gradients dropped; lower the learning rate or warm up")
        loss_sum.backward()  # type: ignore[no-untyped-call]
        total += value
        flat, lengths = batch_logprobs.tolist(), [len(d.inputs) for d in batch_data]
        for i, length, end in zip(batch, lengths, np.cumsum(lengths).tolist(), strict=True):
            logprobs[i] = tuple(flat[end - length : end])
    return TrainResult(total, tuple(logprobs), train_metrics(data, logprobs, loss, config, total))


def target_logprobs(policy: Policy, data: Sequence[Datum], chunk: int) -> torch.Tensor:
    """Log-probability of every target (N,), datum by datum, with its autograd graph.

    Padding is on the right, where causal attention never looks, so there is no mask. Logits are in memory for `chunk`
    positions at once; the backward pass computes them again.
    """
    import torch
    from torch.utils.checkpoint import checkpoint

    lengths = np.array([len(d.inputs) for d in data])
    real = np.arange(lengths.max()) < lengths[:, None]
    inputs = np.zeros(real.shape, dtype=np.int64)
    inputs[real] = np.concatenate([d.inputs for d in data])
    tokens = torch.from_numpy(inputs).to(policy.device)
    targets = column(data, "targets", policy.device, torch.long)
    positions = torch.from_numpy(np.flatnonzero(real)).to(policy.device)
    model = policy.model
    if not policy.plain_head:
        logits = model(tokens, use_cache=False).logits
        return _logprobs(lambda x: x, logits.flatten(0, 1)[positions], targets)
    hidden = model.base_model(tokens, use_cache=False).last_hidden_state.flatten(0, 1)[positions]
    head = model.get_output_embeddings()
    if len(targets) <= chunk:
        return _logprobs(head, hidden, targets)
    pieces = zip(torch.split(hidden, chunk), torch.split(targets, chunk), strict=True)
    return torch.cat([checkpoint(_logprobs, head, h, t, use_reentrant=False) for h, t in pieces])


def _logprobs(head: Any, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    import torch

    return -torch.nn.functional.cross_entropy(head(hidden).float(), targets, reduction="none")


def column(data: Sequence[Datum], name: str, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """One field of all data, concatenated (N,)."""
    import torch

    return torch.from_numpy(np.concatenate([getattr(d, name) for d in data])).to(device=device, dtype=dtype)


def token_losses(
    loss: Loss, config: Mapping[str, float], logprobs: torch.Tensor, data: Sequence[Datum]
) -> torch.Tensor:
    """The loss of every target (N,), as `justtinker_plugins.backends._losses` defines it, with its gradient."""
    import torch

    def field(name: str) -> torch.Tensor:
        return column(data, name, logprobs.device, torch.float32)

    if loss == "cross_entropy":
        return -field("weights") * logprobs
    settings, advantages, far = settings_of(loss, config), field("advantages"), logprobs - field("logprobs")
    if loss == "dro":
        return 0.5 * settings["beta"] * (field("mask") != 0) * far**2 - advantages * logprobs
    ratio = sequence_ratios(far, data) * (logprobs - logprobs.detach()).exp() if loss == "gspo" else far.exp()
    if loss == "importance_sampling":
        return -ratio * advantages
    clipped = ratio.clamp(*(settings[name] for name in PPO_CLIP))
    if loss == "cispo":
        return -clipped.detach() * advantages * logprobs
    gain = torch.minimum(ratio * advantages, clipped * advantages)
    if "dual_clip" in settings:
        gain = torch.where(advantages < 0, torch.maximum(gain, settings["dual_clip"] * advantages), gain)
    return -gain


def sequence_ratios(far: torch.Tensor, data: Sequence[Datum]) -> torch.Tensor:
    """For every target (N,), exp of its sequence's mean of `far` (N,) where the mask is not 0; without gradient."""
    import torch

    lengths = [len(d.inputs) for d in data]
    written = column(data, "mask", far.device, torch.float32) != 0
    parts = zip(torch.split(far.detach(), lengths), torch.split(written, lengths), strict=True)
    means = torch.stack([(part * mask).sum() / mask.sum().clamp_min(1) for part, mask in parts])
    return means.exp().repeat_interleave(torch.tensor(lengths, device=far.device))
