"""Drawing tokens. Shapes: B rows, V tokens of the vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

BLOCK = 256
"""Weights that are added up one by one."""
ALMOST_ONE = 1 - 2**-40
"""Most of a block: its last weight may be 0, and must not be drawn."""


def draw_tokens(
    logits: torch.Tensor, uniform: torch.Tensor, temperature: torch.Tensor, top_p: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw one token a row by inverse CDF (B,), with its log-probability at temperature 1 (B,).

    Takes logits (B, V), uniform (B,), temperature and top_p (B, 1). top_p keeps the fewest, most likely tokens that
    together have at least that probability at the given temperature (Holtzman et al., arXiv:1904.09751).
    """
    import torch

    logprobs = torch.log_softmax(logits.float(), dim=-1)
    plain = ((temperature == 1) & (top_p == 1))[:, 0]
    if plain.all():
        tokens = inverse_cdf(logprobs.exp(), uniform)
    else:  # row by row the same, whatever the settings of the others
        tokens = torch.empty(len(logits), 1, dtype=torch.long, device=logits.device)
        tokens[plain] = inverse_cdf(logprobs[plain].exp(), uniform[plain])
        others = ~plain
        tokens[others] = draw_likely(logprobs[others], uniform[others], temperature[others], top_p[others])
    return tokens[:, 0], logprobs.gather(1, tokens)[:, 0]


def draw_likely(
    logprobs: torch.Tensor, uniform: torch.Tensor, temperature: torch.Tensor, top_p: torch.Tensor
) -> torch.Tensor:
    """Draw tokens (B, 1) at a temperature of their own, of the most likely ones, or greedily."""
    import torch

    heat = torch.where(temperature == 0, 1.0, temperature)
    weights = torch.softmax(logprobs.double() / heat, dim=-1)
    tokens = inverse_cdf(weights, uniform)
    if (top_p < 1).any():
        ordered, order = weights.sort(dim=-1, descending=True, stable=True)
        ordered[ordered.cumsum(-1) - ordered >= top_p] = 0
        tokens = torch.where(top_p < 1, order.gather(1, inverse_cdf(ordered, uniform)), tokens)
    return torch.where(temperature == 0, logprobs.argmax(-1, keepdim=True), tokens)


def inverse_cdf(weights: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The first index (B, 1) at which the cumulative weights (B, V) pass the uniform number's share of their sum.

    Of many weights, it finds the block first and then the place in it, so that only few are added up one by one.
    """
    import torch

    rows, size = weights.shape
    if size <= BLOCK:
        return passed(weights, uniform[:, None])[0]
    blocks = torch.nn.functional.pad(weights, (0, -size % BLOCK)).view(rows, -(-size // BLOCK), BLOCK)
    block, rest = passed(blocks.sum(-1), uniform[:, None])
    inside, _ = passed(blocks[torch.arange(rows, device=block.device), block[:, 0]], rest)
    return (block * BLOCK + inside).clamp_max(size - 1)


def passed(weights: torch.Tensor, share: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the cumulative weights (B, N) pass a share of their sum (B, 1), and the share of that weight passed by."""
    import torch

    weights = weights.double()
    sums = weights.cumsum(-1)
    wanted = share * sums[:, -1:]
    index = torch.searchsorted(sums, wanted, right=True).clamp_max(weights.shape[1] - 1)
    found = weights.gather(1, index)
    rest = 1 - (sums.gather(1, index) - wanted) / found
    return index, rest.clamp(0, ALMOST_ONE)
