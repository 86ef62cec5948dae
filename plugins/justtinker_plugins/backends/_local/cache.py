"""The KV cache of rows that are being sampled, with room to grow.

Shapes: B rows, H heads of queries, K of keys and values, D their size, W columns with room, V tokens of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from justtinker_plugins.backends._local.attention import Causal, hidden_states, on
from justtinker_plugins.backends._local.model import Policy
from justtinker_plugins.backends._local.packing import grid, joined, ranges, starts

if TYPE_CHECKING:
    import torch

ROOM = 128
"""Columns added when the cache is full, or half of it if that is more."""


class PackedCache:
    """Rows that are being sampled. Prompts are padded on the left, so that all rows write to the same column."""

    def __init__(self, policy: Policy, prompts: Sequence[tuple[int, ...]], rows: Sequence[int], most: int) -> None:
        """Run each distinct prompt once, then copy the result to its rows; `rows` has the prompt of each (B,).

        At most `most` tokens follow.
        """
        self.policy = policy
        self._unembed = policy.model.get_output_embeddings()
        self._keys: dict[int, torch.Tensor] = {}
        """Transposed, as products with it are faster: (B, K, D, W) for each layer."""
        self._values: dict[int, torch.Tensor] = {}
        """(B, K, W, D) for each layer."""
        lengths = np.array([len(prompt) for prompt in prompts])
        causal, copies = Causal(lengths, policy.device), on(policy.device, np.array(rows))
        index, real = grid(starts(lengths), lengths, left=True)
        columns, self._width = on(policy.device, index)[copies], index.shape[1]
        self._end = self._width + most
        self._hidden = None if real.all() else on(policy.device, np.where(real, 0, -np.inf).astype(np.float32))[copies]
        """Added to the scores of the prompts' columns, (B, P): -inf where there is padding; None: there is none."""
        self._position = on(policy.device, lengths)[copies]

        def fill(layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
            self._fill(layer, key[0], value[0], columns)
            return causal(layer, query, key, value, scale)

        tokens = joined(prompts)
        positions = joined(ranges(np.zeros_like(lengths), lengths))
        hidden = hidden_states(policy, on(policy.device, tokens), on(policy.device, positions), fill)
        ends = hidden.index_select(0, on(policy.device, np.cumsum(lengths) - 1))
        self.logits: torch.Tensor = self._unembed(ends)[copies]
        """The next token's logits (B, V)."""

    def keep(self, rows: torch.Tensor) -> None:
        """Drop all rows but these."""
        for layer in self._keys:
            self._keys[layer], self._values[layer] = self._keys[layer][rows], self._values[layer][rows]
        self._position = self._position[rows]
        self._hidden = None if self._hidden is None else self._hidden[rows]

    def advance(self, tokens: torch.Tensor) -> None:
        """Feed each row one token (B,)."""
        self.logits = self._unembed(hidden_states(self.policy, tokens, self._position, self._attend))
        self._position = self._position + 1
        self._width += 1

    def _fill(self, layer: int, key: torch.Tensor, value: torch.Tensor, columns: torch.Tensor) -> None:
        """Copy the prompts' keys and values (K, N, D) to their rows; `columns` (B, P) says where they lie."""
        (heads, _, size), (rows, width) = key.shape, columns.shape
        room = min(width + ROOM, self._end)
        self._keys[layer] = key.new_empty(rows, heads, size, room)
        self._values[layer] = key.new_empty(rows, heads, room, size)
        self._keys[layer][..., :width] = key[:, columns].permute(1, 0, 3, 2)
        self._values[layer][:, :, :width] = value[:, columns].transpose(0, 1)

    def _grow(self, layer: int) -> None:
        import torch

        keys, values = self._keys[layer], self._values[layer]
        rows, heads, size, room = keys.shape
        more = min(max(ROOM, room // 2), self._end - room)
        self._keys[layer] = torch.cat([keys, keys.new_empty(rows, heads, size, more)], dim=3)
        self._values[layer] = torch.cat([values, keys.new_empty(rows, heads, more, size)], dim=2)

    def _attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """The attention of one new token of each row."""
        import torch

        if self._keys[layer].shape[3] == self._width:
            self._grow(layer)
        end = self._width + 1
        keys, values = self._keys[layer], self._values[layer]
        keys[..., self._width], values[:, :, self._width] = key[0].transpose(0, 1), value[0].transpose(0, 1)
        rows, heads = keys.shape[:2]
        grouped = query[0].transpose(0, 1).reshape(rows, heads, -1, query.shape[3])
        scores = (grouped * scale) @ keys[..., :end]
        if self._hidden is not None:
            scores[..., : self._hidden.shape[1]] += self._hidden[:, None, None]
        weights = scores.softmax(dim=-1, dtype=torch.float32).to(values.dtype)
        return (weights @ values[:, :, :end]).reshape(rows, -1)
