"""What both backends do with text and training data: encode, decode, and refuse what would train something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from justtinker_core import PluginError
from justtinker_core.types import Datum, Loss

NEEDS: Mapping[str, tuple[str, ...]] = {
    "cross_entropy": ("weights",),
    "importance_sampling": ("logprobs", "advantages"),
    "ppo": ("logprobs", "advantages"),
}

PPO_CLIP = {"clip_low_threshold": 0.8, "clip_high_threshold": 1.2}
"""The SDK's defaults, in ratio space."""


def check(data: Sequence[Datum], loss: Loss, config: Mapping[str, float], context: int, vocabulary: int) -> None:
    """Refuse what would train something else than was meant: PluginError names the datum."""
    if loss not in NEEDS:
        raise PluginError(f"no loss called {loss!r}; there is {', '.join(NEEDS)}")
    known = PPO_CLIP if loss == "ppo" else {}
    if unknown := sorted(set(config) - set(known)):
        raise PluginError(f"loss {loss!r} has no setting {unknown[0]!r}; there is {', '.join(known) or 'none'}")
    for i, datum in enumerate(data):
        if not 0 < len(datum.inputs) <= context:
            raise PluginError(f"datum {i} has {len(datum.inputs)} tokens; 1 to {context} fit the model")
        used = (*datum.inputs, *datum.targets)
        if min(used) < 0 or max(used) >= vocabulary:
            raise PluginError(f"datum {i} has a token outside the model's vocabulary of {vocabulary}")
        for name in ("targets", *NEEDS[loss]):
            values = getattr(datum, name)
            if values is None or len(values) != len(datum.inputs):
                found = "no" if values is None else len(values)
                raise PluginError(f"datum {i} has {found} {name} for {len(datum.inputs)} inputs; {loss} needs as many")


def encode(tokenizer: Any, text: str) -> list[int]:
    """Tokens of a text, special ones in it recognised, nothing added."""
    tokens: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return tokens


def decode(tokenizer: Any, tokens: Sequence[int]) -> str:
    """Text of the tokens, special ones included."""
    text: str = tokenizer.decode(list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text
