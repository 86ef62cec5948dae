"""What a backend says of the models that it can open: a backend plugin's method ``models``, and `justtinker models`.

The plugin of a backend may have a method ``models(model)``, which returns a `ModelList`. ``model`` is the config's own
``run.model``, to which prices in the plugin's options apply. It opens nothing and spends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model, and what is known of it. What is not known is None or empty."""

    name: str
    """As ``[run] model`` names it."""
    offered: bool = True
    """Whether it can be opened."""
    retired: date | None = None
    """Since when it is no longer offered."""
    replacement: str = ""
    """The model to use instead."""
    how: str = ""
    """How to use the replacement, e.g. "thinking off"."""
    chat: str = ""
    """Its chat format, e.g. "chatml"; "none" of a base model."""
    thinks: bool | None = None
    """Whether it thinks without any training."""
    opens_think: str = ""
    """Who writes the opening ``<think>``: "prompt" or "model"."""
    context: int | None = None
    """The most tokens of prompt plus response."""
    prices: Mapping[str, float] | None = None
    """USD per million tokens: prefill, cached_prefill, sampled, trained."""


@dataclass(frozen=True, slots=True)
class ModelList:
    """A backend's models, in the order in which to show them."""

    models: tuple[ListedModel, ...]
    notes: tuple[str, ...] = ()
    """Sentences on where the list and the prices are from."""


def usd(tokens: Mapping[str, float], prices: Mapping[str, float]) -> float:
    """The cost of tokens by kind. KeyError for a kind without a price."""
    return sum(count * prices[kind] for kind, count in tokens.items()) / MILLION
