"""Drawing tokens. Shapes: B rows, V tokens of the vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def draw_tokens(
    logits: torch.Tensor, uniform: torch.Tensor, temperature: torch.Tensor, top_p: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw one token a row by inverse CDF (B,), with its log-probability at temperature 1 (B,).

    Takes logits (B, V), uniform (B,), temperature and top_p (B, 1). top_p keeps the fewest, most likely tokens that
    together have at least that probability at the given temperature (Holtzman et al., arXiv:1904.09751).
    """
    import torch

    logprobs = torch.log_softmax(logits.float(), dim=-1)
    if (temperature == 1).all():
        weights = logprobs.double().exp()
    else:
        heat = torch.where(temperature == 0, 1.0, temperature)
        weights = torch.softmax(logprobs.double() / heat, dim=-1)
    if (top_p < 1).any():
        ordered, order = weights.sort(dim=-1, descending=True, stable=True)
        ordered[ordered.cumsum(-1) - ordered >= top_p] = 0
        tokens = order.gather(1, inverse_cdf(ordered, uniform))
    else:
        tokens = inverse_cdf(weights, uniform)
    tokens = torch.where(temperature == 0, logprobs.argmax(-1, keepdim=True), tokens)
    return tokens[:, 0], logprobs.gather(1, tokens)[:, 0]


def inverse_cdf(weights: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The first index (B, 1) at which the cumulative weights (B, V) pass the uniform number's share of their sum."""
    import torch

    sums = weights.cumsum(-1)
    found = torch.searchsorted(sums, uniform[:, None] * sums[:, -1:], right=True)
    return found.clamp_max(weights.shape[1] - 1)
