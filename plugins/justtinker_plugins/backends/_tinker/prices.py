"""Convert tokens to dollars, by ``tinker_prices.toml`` or a config's own prices. Nothing is looked up online."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files

MILLION = 1_000_000
CACHED = 0.2
"""The price of a cached prompt token as a share of prefill, unless the table says otherwise."""


def prices_of(model: str, overrides: Mapping[str, float] | None = None) -> dict[str, float] | None:
    """USD per million tokens of each kind: prefill, cached_prefill, sampled, trained. None if one is unknown."""
    table = tomllib.loads(files(__package__).joinpath("tinker_prices.toml").read_text(encoding="utf-8"))
    known = {kind: price for kind, price in table.get(model, {}).items() if kind != "date"} | dict(overrides or {})
    if not {"prefill", "sampled", "trained"} <= set(known):
        return None
    return {"cached_prefill": CACHED * known["prefill"]} | known


def usd(tokens: Mapping[str, int], prices: Mapping[str, float]) -> float:
    """The cost of tokens by kind. KeyError for a kind without a price."""
    return sum(count * prices[kind] for kind, count in tokens.items()) / MILLION
