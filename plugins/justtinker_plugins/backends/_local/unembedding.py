"""From hidden states to log-probabilities of targets, without all logits in memory at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from justtinker_plugins.backends._local.model import Policy

if TYPE_CHECKING:
    import torch


def chunked_logprobs(policy: Policy, hidden: torch.Tensor, targets: torch.Tensor, chunk: int) -> torch.Tensor:
    """The log-probability of each target (N,) from the hidden state that predicts it (N, width).

    Logits are in memory for `chunk` positions at once; the backward pass computes them again.
    """
    import torch
    from torch.utils.checkpoint import checkpoint

    head = policy.model.get_output_embeddings()
    if len(targets) <= chunk:
        return logprobs(head, hidden, targets)
    pieces = zip(torch.split(hidden, chunk), torch.split(targets, chunk), strict=True)
    return torch.cat([checkpoint(logprobs, head, h, t, use_reentrant=False) for h, t in pieces])


def logprobs(head: Any, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The log-probability of each target (N,); `head` makes logits of hidden states."""
    import torch

    return -torch.nn.functional.cross_entropy(head(hidden).float(), targets, reduction="none")
