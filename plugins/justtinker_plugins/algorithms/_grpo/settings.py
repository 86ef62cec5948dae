"""The settings that `grpo` sends with each loss, and their defaults.

Where the defaults are from: ppo, JustRL (arXiv:2512.16649); cispo, the Tinker service; gspo, section 5.1 of its paper
(arXiv:2507.18071), whose ratio is a mean over the sequence and so moves far less than a token's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from justtinker_core import Backend
from justtinker_core.types import Loss, LossChecker

if TYPE_CHECKING:
    from justtinker_plugins.algorithms.grpo import Grpo

CLIPS: Mapping[str, tuple[float, float]] = {"ppo": (0.8, 1.28), "cispo": (0.0, 4.0), "gspo": (1 - 3e-4, 1 + 4e-4)}
"""Loss -> default bounds of its probability ratio."""
DRO_BETA, MAX_ROUNDS = 0.05, 4
"""Defaults of options that belong to others."""
GSPO_WIDE = 1.05
"""An upper bound of gspo's ratio above which nothing is ever clipped."""


def loss_config(options: Grpo) -> dict[str, float]:
    """Return the settings of the loss that the options choose."""
    if options.loss == "dro":
        return {"beta": options.dro_beta}
    if options.loss not in CLIPS or options.clip_low is None or options.clip_high is None:
        return {}
    clip = {"clip_low_threshold": options.clip_low, "clip_high_threshold": options.clip_high}
    return clip if options.dual_clip is None else {**clip, "dual_clip": options.dual_clip}


def conflict(options: Grpo) -> str:
    """Say which options do not go together; "" if all do. Configs of older runs name ppo's clip with every loss."""
    if options.dual_clip is not None and options.loss != "ppo":
        return f"dual_clip: it belongs to loss = 'ppo', got loss = {options.loss!r}; leave it out"
    if options.loss not in CLIPS and {options.clip_low, options.clip_high} - {None, *CLIPS["ppo"]}:
        return f"clip_low, clip_high: loss = {options.loss!r} has no clip; leave them out"
    if options.loss != "dro" and options.dro_beta != DRO_BETA:
        return f"dro_beta: it belongs to loss = 'dro', got loss = {options.loss!r}; leave it out"
    if options.max_rounds != MAX_ROUNDS and not options.dynamic_sampling:
        return "max_rounds: it belongs to dynamic_sampling = true; set that, or leave it out"
    if options.loss == "dro" and options.normalize != "token_sum":
        return (
            f"normalize = {options.normalize!r}: loss = 'dro' expects 'token_sum', as its penalty does not scale with "
            "the advantages"
        )
    return ""


def loss_complaint(backend: Backend, loss: Loss, config: Mapping[str, float]) -> str:
    """Say why a backend cannot compute a loss; "" if it can. One that cannot say it gets the oldest two only."""
    if isinstance(backend, LossChecker):
        return backend.check_loss(loss, config)
    if loss in ("ppo", "importance_sampling") and "dual_clip" not in config:
        return ""
    name = "dual_clip" if "dual_clip" in config else f"loss = {loss!r}"
    return f"{name}: the backend has no check_loss, so it is taken to compute ppo and importance_sampling only"
