"""Tokens into dollars: ``tinker_prices.toml`` and what a config puts in its place. Nothing is looked up online."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files

MILLION = 1_000_000
CACHED = 0.2
"""A cached prompt token's price as a share of prefill, where the table does not say."""


def prices_of(model: str, overrides: Mapping[str, float] | None = None) -> dict[str, float] | None:
    """USD for a million tokens of each kind: prefill, cached_prefill, sampled, trained. None where one is unknown."""
    table = tomllib.loads(files(__package__).joinpath("tinker_prices.toml").read_text(encoding="utf-8"))
    known = {kind: price for kind, price in table.get(model, {}).items() if kind != "date"} | dict(overrides or {})
    if not {"prefill", "sampled", "trained"} <= set(known):
        return None
    return {"cached_prefill": CACHED * known["prefill"]} | known


def usd(tokens: Mapping[str, int], prices: Mapping[str, float]) -> float:
    """What so many tokens of each kind cost. KeyError for a kind without a price."""
    return sum(count * prices[kind] for kind, count in tokens.items()) / MILLION
