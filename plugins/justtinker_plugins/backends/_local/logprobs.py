"""Log-probabilities of training data under the `local` backend's model, with their autograd graph.

Shapes: M targets of a batch's data one after another, U of these that differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from justtinker_core import Datum
from justtinker_plugins.backends._local.attention import attention_of, hidden_states, on
from justtinker_plugins.backends._local.model import Policy
from justtinker_plugins.backends._local.packing import Layout, batches, layout_of
from justtinker_plugins.backends._local.padded import padded_batches, padded_logprobs
from justtinker_plugins.backends._local.unembedding import chunked_logprobs

if TYPE_CHECKING:
    import torch

LOGITS_BYTES = 2**29
"""Most memory for the logits of a chunk; cross-entropy and its gradient take as much again, twice."""


def target_logprobs(
    policy: Policy, data: Sequence[Datum], most_tokens: int, chunk: int | None
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """For each batch, its data's indices and the log-probability of every target (M,), datum by datum.

    Logits are in memory for `chunk` positions at once; the backward pass computes them again. None: as many as take
    `LOGITS_BYTES`.
    """
    chunk = chunk or default_chunk(policy)
    if not policy.packs:
        for batch in padded_batches(data, most_tokens):
            yield batch, padded_logprobs(policy, [data[i] for i in batch], chunk)
        return
    for families in batches(data, most_tokens):
        layout = layout_of(data, families)
        yield layout.order, packed_logprobs(policy, layout, chunk)


def default_chunk(policy: Policy) -> int:
    """The positions whose logits take `LOGITS_BYTES`."""
    return max(1, LOGITS_BYTES // (4 * policy.vocabulary))


def packed_logprobs(policy: Policy, layout: Layout, chunk: int) -> torch.Tensor:
    """The log-probability of every target (M,). Only those that are trained have a gradient."""
    import torch

    device = policy.device
    tokens, positions = on(device, layout.tokens), on(device, layout.positions)
    hidden = hidden_states(policy, tokens, positions, attention_of(policy, layout))
    hidden, targets = hidden.index_select(0, on(device, layout.hidden)), on(device, layout.targets)
    trained = chunked_logprobs(policy, hidden[: layout.trained], targets[: layout.trained], chunk)
    with torch.no_grad():
        others = chunked_logprobs(policy, hidden[layout.trained :], targets[layout.trained :], chunk)
    return torch.cat([trained, others]).index_select(0, on(device, layout.expand))
