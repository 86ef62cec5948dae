"""Attention over packed tokens, so that nothing is padded but what attention itself needs, and no mask is made in vain.

All tokens of a batch lie in one row (1, N), each with its position, and transformers asks a function of our own for the
attention of each layer. Most architectures let it; `can_pack` tries it. Shapes: N tokens, H heads of queries, K of keys
and values, D their size, B rows of at most T tokens.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from justtinker_plugins.backends._local.packing import Ints, Layout, grid, starts

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from justtinker_plugins.backends._local.model import Policy

log = logging.getLogger("justtinker")

NAME = "justtinker"
"""What transformers calls the function."""
BEYOND = ("sliding_window", "softcap", "s_aux", "position_bias")
"""What a layer may ask for beyond scaled dot-product attention. It is left to transformers."""


class Attention(Protocol):
    """Computes the attention of each layer in one forward pass."""

    def __call__(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Take query (1, H, N, D), key and value (1, K, N, D); return (N, H * D)."""


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: object,
    *,
    scaling: float | None = None,
    packed: Attention | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """The attention of a layer, as transformers asks for it. NotImplementedError if it asks for more than this."""
    if packed is None or (asked := [name for name in BEYOND if more.get(name) is not None]):
        raise NotImplementedError(f"attention with {', '.join(asked)}" if packed else "attention to padded rows")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return packed(module.layer_idx, query, key, value, scale)[None], None


def hidden_states(policy: Policy, tokens: torch.Tensor, positions: torch.Tensor, attention: Attention) -> torch.Tensor:
    """The last hidden state (N, width) of packed tokens (N,) at their positions (N,)."""
    if policy.config._attn_implementation != NAME:  # the model is new, or was computed in transformers' own way
        policy.config._attn_implementation = NAME
    output = policy.model.base_model(tokens[None], position_ids=positions[None], use_cache=False, packed=attention)
    hidden: torch.Tensor = output.last_hidden_state[0]
    return hidden


def on(device: torch.device, numbers: NDArray[Any]) -> torch.Tensor:
    """Numbers as a tensor on the device."""
    import torch

    return torch.from_numpy(numbers).to(device)


def by_row(states: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Rows (B, H, T, D) of queries, keys or values (1, H, N, D), picked by `index` (B, T)."""
    _, heads, tokens, size = states.shape
    flat = states.transpose(1, 2).reshape(tokens, heads * size)
    return flat.index_select(0, index.flatten()).view(*index.shape, heads, size).transpose(1, 2)


def heads_like(query: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
    """Keys or values (B, K, T, D), repeated for the heads of the query (B, H, T, D) that share them."""
    shared = query.shape[1] // states.shape[1]
    return states if shared == 1 else states.repeat_interleave(shared, dim=1)


def attended(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, back: torch.Tensor, **how: Any
) -> torch.Tensor:
    """The attention of padded rows, by token (N, H * D); `back` is where each token lies among the rows (N,)."""
    from torch.nn.functional import scaled_dot_product_attention

    rows = scaled_dot_product_attention(query, heads_like(query, key), heads_like(query, value), **how)
    return rows.transpose(1, 2).flatten(2).flatten(0, 1).index_select(0, back)


class Causal:
    """Each token attends to its row's earlier ones and itself. Rows follow one another from token 0 on."""

    def __init__(self, lengths: Ints, device: torch.device) -> None:
        index, real = grid(starts(lengths), lengths)
        self.index = on(device, index)
        self.back = on(device, np.flatnonzero(real))
        """Where each token lies among the padded rows (N,)."""

    def __call__(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """See `Attention`."""
        q, k, v = (by_row(states, self.index) for states in (query, key, value))
        return attended(q, k, v, self.back, is_causal=True, scale=scale)


class Shared:
    """Rows go on from shared prefixes: a token attends to its prefix, its row's earlier tokens and itself."""

    def __init__(self, layout: Layout, device: torch.device, dtype: torch.dtype) -> None:
        import torch

        self.prefixes = Causal(layout.prefixes, device)
        own, real = grid(layout.prefixes.sum() + starts(layout.rows), layout.rows)
        before, is_prefix = (x[layout.prefix_of] for x in grid(starts(layout.prefixes), layout.prefixes))
        self.own = on(device, own)
        self.columns = on(device, np.concatenate([before, own], axis=1))
        self.back = on(device, np.flatnonzero(real))
        seen = np.tril(np.ones((own.shape[1], own.shape[1]), bool))
        seen = np.concatenate(
            [np.repeat(is_prefix[:, None], own.shape[1], 1), np.repeat(seen[None], len(own), 0)], axis=2
        )
        self.mask = torch.zeros((len(own), 1, *seen.shape[1:]), dtype=dtype, device=device)
        self.mask[:, 0].masked_fill_(~on(device, seen), -torch.inf)

    def __call__(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """See `Attention`."""
        import torch

        q, k, v = by_row(query, self.own), by_row(key, self.columns), by_row(value, self.columns)
        rows = attended(q, k, v, self.back, attn_mask=self.mask, scale=scale)
        return torch.cat([self.prefixes(layer, query, key, value, scale), rows])


def attention_of(policy: Policy, layout: Layout) -> Attention:
    """The attention of a layout."""
    if not layout.prefixes.any():
        return Causal(layout.rows, policy.device)
    return Shared(layout, policy.device, policy.model.dtype)


def can_pack(policy: Policy) -> bool:
    """Whether transformers lets us compute this model's attention, with the result that it computes by itself.

    Tried on two short rows, which must not see each other. If not, its attention is left as it was.
    """
    import torch
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)
    before = policy.config._attn_implementation
    rows = np.array([[1, 2, 0, 3], [3, 0, 2, 1]]) % policy.vocabulary
    with torch.no_grad():
        expected = policy.model.base_model(on(policy.device, rows), use_cache=False).last_hidden_state
        try:
            tokens, positions = on(policy.device, rows.flatten()), on(policy.device, np.tile(np.arange(4), 2))
            found = hidden_states(policy, tokens, positions, Causal(np.array([4, 4]), policy.device))
            closeness = 1e-4 if found.dtype == torch.float32 else 0.1
            same = torch.allclose(found, expected.flatten(0, 1), rtol=closeness, atol=closeness)
        except Exception as error:  # an architecture may do anything
            log.debug("tokens of %s cannot be packed: %s", type(policy.model).__name__, error)
            same = False
    if not same:
        policy.config._attn_implementation = before
    return same
