"""The `local` backend's losses and gradients, in torch. Shapes: N targets of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from justtinker_core import Datum, PluginError
from justtinker_core.types import Loss, TrainResult
from justtinker_plugins.backends._data import PPO_CLIP, settings_of
from justtinker_plugins.backends._local.logprobs import target_logprobs
from justtinker_plugins.backends._local.model import Policy
from justtinker_plugins.backends._losses import train_metrics
from justtinker_plugins.shared.exports import Progress

if TYPE_CHECKING:
    import threading

    import torch


def forward_backward(
    policy: Policy,
    data: Sequence[Datum],
    loss: Loss,
    config: Mapping[str, float],
    *,
    most_tokens: int,
    chunk: int | None,
    closed: threading.Event,
    progress: Progress,
) -> TrainResult:
    """Add the gradient of the summed loss to the weights' ``.grad``. PluginError if the loss is not finite."""
    total, done = 0.0, 0
    logprobs: list[tuple[float, ...]] = [()] * len(data)
    progress("sequence", 0, len(data))
    for batch, batch_logprobs in target_logprobs(policy, data, most_tokens, chunk):
        if closed.is_set():
            raise PluginError("the backend was closed while it was training")
        batch_data = [data[i] for i in batch]
        loss_sum = token_losses(loss, config, batch_logprobs, batch_data).sum()
        value = loss_sum.item()
        if not np.isfinite(value):
            raise PluginError(f"the {loss} loss is {value}: gradients dropped; lower the learning rate or warm up")
        loss_sum.backward()  # type: ignore[no-untyped-call]
        total += value
        flat, lengths = batch_logprobs.tolist(), [len(d.inputs) for d in batch_data]
        for i, length, end in zip(batch, lengths, np.cumsum(lengths).tolist(), strict=True):
            logprobs[i] = tuple(flat[end - length : end])
        done += len(batch)
        progress("sequence", done, len(data))
    return TrainResult(total, tuple(logprobs), train_metrics(data, logprobs, loss, config, total))


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
