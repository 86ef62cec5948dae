"""The models of a Tinker server: what its own list says, then the price file, then the dated ``models.toml``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from justtinker_core import PluginError
from justtinker_plugins.backends._tinker.catalog import catalog, seen, successor
from justtinker_plugins.backends._tinker.preflight import key_complaints, server_complaints
from justtinker_plugins.backends._tinker.price_file import PriceFile
from justtinker_plugins.backends._tinker.prices import find_prices, published
from justtinker_plugins.backends._tinker.server import Server
from justtinker_plugins.backends._tinker.waiting import KEY
from justtinker_plugins.shared.models import ListedModel, ModelList

if TYPE_CHECKING:
    from justtinker_plugins.backends.tinker import Tinker


PATIENCE = 10.0
"""Seconds to wait for a server's own list: there is another one."""


def list_models(options: Tinker, model: str) -> ModelList:
    """List the models, those that are offered first. `model` is the config's: the option `prices` is for it."""
    server = Server(model, replace(options, give_up_after=PATIENCE, give_up_busy_after=PATIENCE), seed=0)
    try:
        offered, whence = ask_server(server)
    finally:
        server.close()
    file = published(options, server)
    names = list(offered) if offered is not None else [name for name, row in catalog().items() if row.offered]
    rows = [
        describe(
            name, (offered or {}).get(name), options if name == model else replace(options, prices={}), server, file
        )
        for name in [*names, *(name for name in catalog() if name not in names)]
    ]
    listed = tuple(replace(row, offered=row.name in names) for row in rows)
    return ModelList(listed, (whence, price_note(options, server, file)))


def ask_server(server: Server) -> tuple[Mapping[str, int | None] | None, str]:
    """The server's own list of models, if it can be asked, and a sentence on where the list is from."""
    known = f"Models: as the service's docs listed them on {seen()}"
    if key_complaints(os.environ.get(KEY, "")):
        return None, f"{known}; with {KEY} set, the server itself is asked."
    if find_spec("tinker") is None:
        return None, f"{known}; with the SDK (pip install 'justtinker[tinker]') the server itself is asked."
    if silent := server_complaints(server.url):
        return None, f"{known}; {silent[0]}."
    try:
        return server.offered, f"Models: as {server.url} lists them now."
    except PluginError as error:
        return None, f"{known}; {server.url} does not list its models: {error}."


def describe(name: str, context: int | None, options: Tinker, server: Server, file: PriceFile | None) -> ListedModel:
    """What is known of a model on this server."""
    model = replace(catalog().get(name.partition(":")[0], ListedModel(name)), name=name)  # NAME:peft:LENGTH
    row = file.rows.get(name) if file else None
    new = successor(name)
    if new is not None:
        model = replace(model, replacement=new.name, how=new.how)
    prices = find_prices(name, options, server, file)
    context = options.context_length or context or (row and row.context) or model.context
    return replace(model, context=context, prices=prices.usd if prices else None)


def price_note(options: Tinker, server: Server, file: PriceFile | None) -> str:
    """A sentence on where the prices are from."""
    if not server.is_service:
        return "Prices: the service's are not this server's; set your own in [plugins.tinker] prices."
    why = f" {file.problem}." if file and file.problem else ""
    if file and file.rows:
        return f"Prices: as read from {options.price_file} now.{why}"
    return f"Prices: the few that came with this package on {seen()}; the console has them all.{why}"
