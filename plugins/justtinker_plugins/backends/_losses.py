"""What every loss is, in numpy: its value and its metrics, for both backends. The gradients are each backend's own.

T targets of one datum, r = exp(logprob - sampler's logprob), A = advantage. The losses are the Tinker service's, each a
sum over all targets; its gradient takes stopgrad(...) for a constant:

- cross_entropy: -w logprob;
- importance_sampling: -r A;
- ppo (arXiv:1707.06347): -min(r A, clip(r, low, high) A); with dual_clip c (arXiv:1912.09729), where A < 0,
  -max(min(r A, clip(r, low, high) A), c A);
- cispo (arXiv:2506.13585): -stopgrad(clip(r, low, high)) A logprob;
- gspo (arXiv:2507.18071, its token-level form): ppo with stopgrad(s) exp(logprob - stopgrad(logprob)) for r, where s is
  exp of the mean of (logprob - sampler's logprob) over the datum's targets whose mask is not 0;
- dro (arXiv:2405.19107): -(A logprob - beta / 2 (logprob - sampler's logprob)^2), the quadratic term only where the
  mask is not 0. The service applies it to the prompt too, whose tokens it would pull: there the sampler's logprob is 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from justtinker_core import Datum
from justtinker_core.types import Loss
from justtinker_plugins.backends._data import PPO_CLIP, settings_of

Floats = NDArray[np.float64]


def loss_sum(data: Sequence[Datum], logprobs: Sequence[Any], loss: Loss, config: Mapping[str, float]) -> float:
    """The loss, summed over targets and data. `logprobs` has one array (T,) for each datum."""
    pairs = zip(data, logprobs, strict=True)
    return float(sum(target_losses(datum, floats(new), loss, config).sum() for datum, new in pairs))


def target_losses(datum: Datum, logprobs: Floats, loss: Loss, config: Mapping[str, float]) -> Floats:
    """The loss of each target (T,), from its log-probability (T,)."""
    if loss == "cross_entropy":
        return -floats(datum.weights) * logprobs
    settings, advantages = settings_of(loss, config), floats(datum.advantages)
    if loss == "dro":
        far = np.where(floats(datum.mask) != 0, log_ratios(datum, logprobs), 0.0)
        return 0.5 * settings["beta"] * np.square(far) - advantages * logprobs
    ratio = ratios(datum, logprobs, loss)
    if loss == "importance_sampling":
        return -ratio * advantages
    low, high = (settings[name] for name in PPO_CLIP)
    clipped = np.clip(ratio, low, high)
    if loss == "cispo":
        return -clipped * advantages * logprobs
    gain = np.minimum(ratio * advantages, clipped * advantages)
    if "dual_clip" in settings:
        gain = np.where(advantages < 0, np.maximum(gain, settings["dual_clip"] * advantages), gain)
    return -gain


def floats(values: Any) -> Floats:
    """Numbers as an array (T,)."""
    return np.asarray(values, np.float64)


def log_ratios(datum: Datum, logprobs: Any) -> Floats:
    """How far each target's log-probability is above the sampler's (T,)."""
    return floats(logprobs) - floats(datum.logprobs)


def ratios(datum: Datum, logprobs: Any, loss: Loss) -> Floats:
    """The ratio that a loss weighs or clips each target by (T,): its own, or for gspo the sequence's."""
    far = log_ratios(datum, logprobs)
    if loss != "gspo":
        return np.exp(far)
    written = floats(datum.mask) != 0
    return np.full(len(far), np.exp(far[written].mean() if written.any() else 0.0))


def train_metrics(
    data: Sequence[Datum], logprobs: Sequence[Any], loss: Loss, config: Mapping[str, float], total: float
) -> dict[str, float]:
    """Metrics of a loss: ``loss:sum`` and ``tokens:sum``, the targets whose weight or advantage is not 0.

    A policy loss adds, over these targets and their own r: ``approx_kl:mean`` (r - 1 - log r: Schulman's k3 of the
    sampler's policy from this one), ``ratio:std`` and ``ratio:max``, which say how far sampler and trainer are apart;
    a loss that clips adds ``clipped:mean``, the share of targets that get no gradient (cispo: whose r is clipped).
    """
    name = "weights" if loss == "cross_entropy" else "advantages"
    weights = np.concatenate([[], *(getattr(d, name) for d in data)])
    trained = weights != 0
    result = {"loss:sum": total, "tokens:sum": float(trained.sum())}
    if loss == "cross_entropy" or not trained.any():
        return result
    pairs = list(zip(data, logprobs, strict=True))
    far = np.concatenate([log_ratios(datum, new) for datum, new in pairs])[trained]
    ratio = np.exp(far)
    result["approx_kl:mean"] = float(np.mean(ratio - 1 - far))
    result |= {"ratio:std": float(ratio.std()), "ratio:max": float(ratio.max())}
    if loss in ("ppo", "cispo", "gspo"):
        used = np.concatenate([ratios(datum, new, loss) for datum, new in pairs])[trained]
        result["clipped:mean"] = float(np.mean(is_clipped(used, weights[trained], loss, config)))
    return result


def is_clipped(ratio: Floats, advantages: Floats, loss: Loss, config: Mapping[str, float]) -> NDArray[np.bool_]:
    """Whether clipping leaves a target without a gradient (N,); for cispo, whether its ratio is clipped."""
    settings = settings_of(loss, config)
    low, high = (settings[name] for name in PPO_CLIP)
    if loss == "cispo":
        return (ratio < low) | (ratio > high)
    return np.where(advantages > 0, ratio > high, (ratio < low) | (ratio > settings.get("dual_clip", np.inf)))
