"""Text encoding and checks of training data, shared by both backends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from justtinker_core import Datum, PluginError
from justtinker_core.types import Loss

NEEDS: Mapping[str, tuple[str, ...]] = {
    "cross_entropy": ("weights",),
    "importance_sampling": ("logprobs", "advantages"),
    "ppo": ("logprobs", "advantages"),
}

PPO_CLIP = {"clip_low_threshold": 0.8, "clip_high_threshold": 1.2}
"""The SDK's default bounds of the probability ratio."""


def check_data(data: Sequence[Datum], loss: Loss, config: Mapping[str, float], context: int, vocabulary: int) -> None:
    """Reject data that would train something other than intended; the PluginError names the datum."""
    if loss not in NEEDS:
        raise PluginError(f"unknown loss {loss!r}; expected one of {', '.join(NEEDS)}")
    known = PPO_CLIP if loss == "ppo" else {}
    if unknown := sorted(set(config) - set(known)):
        raise PluginError(f"loss {loss!r} has no setting {unknown[0]!r}; it has {', '.join(known) or 'none'}")
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


def encode(tokenizer: Any, text: str) -> list[int]:
    """Encode text: special tokens spelled out in it are recognised, none are added."""
    tokens: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return tokens


def decode(tokenizer: Any, tokens: Sequence[int]) -> str:
    """Decode tokens, special tokens included."""
    text: str = tokenizer.decode(list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text
