"""The policy losses in closed form, as the Tinker service defines them: what a backend's losses are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from justtinker_core.types import Datum

CONFIGS: Mapping[str, Mapping[str, float]] = {
    "importance_sampling": {},
    "ppo": {"clip_low_threshold": 0.8, "clip_high_threshold": 1.28},
    "cispo": {"clip_low_threshold": 0.7, "clip_high_threshold": 1.3},
    "gspo": {"clip_low_threshold": 0.9, "clip_high_threshold": 1.1},
    "dro": {"beta": 0.3},
}
"""Loss -> the settings that it is tested with: among a handful of ratios some are clipped and some are not."""
WIDE = {"clip_low_threshold": 0.0, "clip_high_threshold": 1e6}
"""Bounds that clip nothing."""


def closed_form(loss: str, datum: Datum, logprobs: Sequence[float], config: Mapping[str, float]) -> np.ndarray:
    """The loss of each target, and its derivative by that target's log-probability (2, T)."""
    new, advantages, written = np.array(logprobs), np.array(datum.advantages), np.array(datum.mask)
    far = new - np.array(datum.logprobs)
    if loss == "dro":
        pull = config["beta"] * written * far
        return np.array([pull * far / 2 - advantages * new, pull - advantages])
    ratio = np.exp(far)
    if loss == "gspo":
        ratio = np.full(len(far), np.exp((far * written).sum() / written.sum()))
    bounds = {**WIDE, **config}
    clipped = np.clip(ratio, bounds["clip_low_threshold"], bounds["clip_high_threshold"])
    if loss == "cispo":
        return np.array([-clipped * advantages * new, -clipped * advantages])
    gain = np.minimum(ratio * advantages, clipped * advantages)
    return np.array([-gain, -np.where(gain == ratio * advantages, gain, 0.0)])
