"""What tokens cost: by the config's own prices, else the service's price file, else the dated ``models.toml``.

Only the service has the last two. A server of one's own costs something else, or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from justtinker_plugins.backends._tinker import price_file
from justtinker_plugins.backends._tinker.catalog import dated_prices
from justtinker_plugins.backends._tinker.price_file import PriceFile

if TYPE_CHECKING:
    from justtinker_core.rundir import RunDir
    from justtinker_plugins.backends._tinker.server import Server
    from justtinker_plugins.backends.tinker import Tinker

CACHED = 0.2
"""The price of a cached prompt token as a share of prefill, unless something better is known."""
NEEDED = {"prefill", "sampled", "trained"}
OWN = "[plugins.tinker] prices"
RECORD = "prices.jsonl"
"""A run's record: one line for the prices that it began with, and one each time that they are others."""


@dataclass(frozen=True, slots=True)
class Prices:
    """USD per million tokens of one model: prefill, cached_prefill, sampled, trained."""

    usd: Mapping[str, float]
    source: str
    """Who says so."""
    seen: date
    """When it was so."""


def published(options: Tinker, server: Server) -> PriceFile | None:
    """The service's price file. None if the server is another, or the options switch the file off."""
    return price_file.fetch(options.price_file) if options.price_file and server.is_service else None


def find_prices(model: str, options: Tinker, server: Server, file: PriceFile | None) -> Prices | None:
    """The prices of a model on a server. None if a kind's is not known."""
    own: dict[str, float] = {str(kind): price for kind, price in options.prices.items()}
    base, source, seen = service_prices(model, options, file) if server.is_service else ({}, "", date.today())
    if own:
        source = f"{OWN} ({', '.join(own)}), {source}" if base.keys() - own.keys() else OWN
    known = base | own
    if not known.keys() >= NEEDED:
        return None
    if "cached_prefill" not in own and "prefill" in own:
        known.pop("cached_prefill", None)  # it was that of another prefill
    return Prices({"cached_prefill": CACHED * known["prefill"]} | known, source, seen)


def service_prices(model: str, options: Tinker, file: PriceFile | None) -> tuple[dict[str, float], str, date]:
    """What the service charges for a model, who says so, and when it was so; empty if it is not known."""
    row = file.rows.get(model) if file else None
    if row and row.prices.keys() >= NEEDED:
        return dict(row.prices), options.price_file, date.today()
    prices, day = dated_prices(model)
    return prices, "models.toml of the tinker backend", day or date.today()


def record_prices(files: RunDir, model: str, prices: Prices) -> None:
    """Append the prices to a run's record, unless its last line has the same."""
    line = {"model": model, "usd_per_million": dict(prices.usd), "source": prices.source}
    last = files.read(RECORD)[-1:]
    if not last or {key: last[0].get(key) for key in line} != line:
        files.append(RECORD, line | {"seen": str(prices.seen)})
