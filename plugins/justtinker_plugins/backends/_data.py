"""Losses and their settings, and checks of training data, shared by both backends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from justtinker_core import Datum, PluginError
from justtinker_core.types import Loss

NEEDS: Mapping[str, tuple[str, ...]] = {
    "cross_entropy": ("weights",),
    "importance_sampling": ("logprobs", "advantages"),
    "ppo": ("logprobs", "advantages"),
    "cispo": ("logprobs", "advantages"),
    "gspo": ("logprobs", "advantages", "mask"),
    "dro": ("logprobs", "advantages", "mask"),
}
"""Loss -> the fields of `Datum` that it is computed from, beside the targets."""

PPO_CLIP = {"clip_low_threshold": 0.8, "clip_high_threshold": 1.2}
DEFAULTS: Mapping[str, Mapping[str, float]] = {
    "ppo": PPO_CLIP,
    "cispo": {"clip_low_threshold": 0.0, "clip_high_threshold": 4.0},
    "gspo": PPO_CLIP,
    "dro": {"beta": 0.05},
}
"""Loss -> its settings and their defaults, the Tinker service's; the bounds are those of a probability ratio."""

OPTIONAL: Mapping[str, tuple[str, ...]] = {"ppo": ("dual_clip",)}
"""Loss -> settings that change nothing unless they are given."""


def settings_of(loss: Loss, config: Mapping[str, float]) -> dict[str, float]:
    """A loss's settings, with its defaults for those that are not given."""
    return {**DEFAULTS.get(loss, {}), **config}


def settings_complaint(loss: Loss, config: Mapping[str, float]) -> str:
    """Why there is no such loss, or none with these settings; "" if there is."""
    if loss not in NEEDS:
        return f"unknown loss {loss!r}; expected one of {', '.join(NEEDS)}"
    known = (*DEFAULTS.get(loss, ()), *OPTIONAL.get(loss, ()))
    if unknown := sorted(set(config) - set(known)):
        return f"loss {loss!r} has no setting {unknown[0]!r}; it has {', '.join(known) or 'none'}"
    if bad := [name for name, value in config.items() if not math.isfinite(value)]:
        return f"loss {loss!r}: {bad[0]} = {config[bad[0]]}: expected a finite number"
    settings = settings_of(loss, config)
    low, high = (settings.get(name, 0.0) for name in PPO_CLIP)
    if low > high:
        return f"loss {loss!r}: clip_low_threshold = {low:g}: expected at most clip_high_threshold = {high:g}"
    if settings.get("beta", 0.0) < 0:
        return f"loss {loss!r}: beta = {settings['beta']:g}: expected 0 or more"
    if (dual := settings.get("dual_clip", math.inf)) <= 1:
        return f"loss {loss!r}: dual_clip = {dual:g}: expected more than 1, as it bounds the ratio from above"
    return ""


def check_data(data: Sequence[Datum], loss: Loss, config: Mapping[str, float], context: int, vocabulary: int) -> None:
    """Reject data that would train something other than intended; the PluginError names the datum."""
    if complaint := settings_complaint(loss, config):
        raise PluginError(complaint)
    for i, datum in enumerate(data):
        if not 0 < len(datum.inputs) <= context:
            raise PluginError(f"datum {i} has {len(datum.inputs)} tokens; expected 1 to {context}, the model's limit")
        used = (*datum.inputs, *datum.targets)
        if min(used) < 0 or max(used) >= vocabulary:
            raise PluginError(f"datum {i} has a token outside the model's vocabulary of {vocabulary}")
        for name in ("targets", *NEEDS[loss]):
            values = getattr(datum, name)
            if values is None or len(values) != len(datum.inputs):
                found = "none" if values is None else len(values)
                raise PluginError(f"datum {i}: {loss} expects {len(datum.inputs)} {name}, one an input; got {found}")
