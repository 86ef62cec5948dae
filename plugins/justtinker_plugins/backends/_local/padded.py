"""Training and sampling with padded rows and transformers' own attention, for models whose tokens cannot be packed.

These are models with sliding windows, caps on scores or logits, recurrent layers and the like. Shapes: B sequences in a
batch, N positions that are not padding, V tokens of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from justtinker_core import Datum
from justtinker_plugins.backends._local.attention import on
from justtinker_plugins.backends._local.model import Policy
from justtinker_plugins.backends._local.packing import Ints, grid, joined, starts
from justtinker_plugins.backends._local.unembedding import chunked_logprobs, logprobs

if TYPE_CHECKING:
    import torch


def padded_batches(data: Sequence[Datum], most_tokens: int) -> Iterator[list[int]]:
    """Indices of the data in batches of at most `most_tokens`, padding included; similar lengths together."""
    batch: list[int] = []
    for i in sorted(range(len(data)), key=lambda i: len(data[i].inputs)):
        if batch and (len(batch) + 1) * len(data[i].inputs) > most_tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def padded_logprobs(policy: Policy, data: Sequence[Datum], chunk: int) -> torch.Tensor:
    """Log-probability of every target (N,), datum by datum, with its autograd graph.

    Padding is on the right, where causal attention never looks, so there is no mask.
    """
    inputs, real = padded([d.inputs for d in data])
    tokens, targets = on(policy.device, inputs), on(policy.device, joined(d.targets for d in data))
    positions = on(policy.device, np.flatnonzero(real))
    if not policy.plain_head:
        logits = policy.model(tokens, use_cache=False).logits
        return logprobs(lambda x: x, logits.flatten(0, 1)[positions], targets)
    hidden = policy.model.base_model(tokens, use_cache=False).last_hidden_state.flatten(0, 1)[positions]
    return chunked_logprobs(policy, hidden, targets, chunk)


def padded(rows: Sequence[tuple[int, ...]], *, left: bool = False) -> tuple[Ints, NDArray[np.bool_]]:
    """Rows of tokens, padded with 0 on the right, or left, to the longest (B, T), and where there is no padding."""
    lengths = np.array([len(row) for row in rows])
    index, real = grid(starts(lengths), lengths, left=left)
    return np.where(real, joined(rows)[index], 0), real


class PaddedCache:
    """Rows that are being sampled, in transformers' own cache. Prompts are padded on the left."""

    def __init__(self, policy: Policy, prompts: Sequence[tuple[int, ...]], rows: Sequence[int]) -> None:
        """Run each distinct prompt once, then copy the result to its rows; `rows` has the prompt of each (B,)."""
        import torch

        self.policy = policy
        inputs, real = padded(prompts, left=True)
        more: dict[str, torch.Tensor] = {}
        if not real.all():
            more["attention_mask"] = on(policy.device, real.astype(np.int64))
            more["position_ids"] = (more["attention_mask"].cumsum(1) - 1).clamp_min(0)
        output = policy.model(on(policy.device, inputs), use_cache=True, logits_to_keep=1, **more)
        copies = torch.tensor(rows, device=policy.device)
        self.cache = output[policy.cache_name]
        self.cache.batch_select_indices(copies)
        self.mask = more["attention_mask"][copies] if more else None
        self.position = on(policy.device, real.sum(axis=1))[copies][:, None]
        self.logits: torch.Tensor = output.logits[copies, -1]
        """The next token's logits (B, V)."""

    def keep(self, rows: torch.Tensor) -> None:
        """Drop all rows but these."""
        self.cache.batch_select_indices(rows)
        self.position = self.position[rows]
        self.mask = None if self.mask is None else self.mask[rows]

    def advance(self, tokens: torch.Tensor) -> None:
        """Feed each row one token (B,)."""
        import torch

        more = {self.policy.cache_name: self.cache}
        if self.mask is not None:
            self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], dim=1)
            more |= {"attention_mask": self.mask, "position_ids": self.position}
        self.logits = self.policy.model(tokens[:, None], use_cache=True, **more).logits[:, -1]
        self.position = self.position + 1
