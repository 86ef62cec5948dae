"""What is known of the Tinker service's models without asking it: the dated file ``models.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from justtinker_plugins.shared.models import ListedModel


@cache
def read_file() -> dict[str, Any]:
    """The whole file: date, sources, models."""
    return tomllib.loads(files(__package__).joinpath("models.toml").read_text(encoding="utf-8"))


def seen() -> date:
    """The date of the file."""
    seen: date = read_file()["date"]
    return seen


@cache
def catalog() -> Mapping[str, ListedModel]:
    """The models by name, without their prices: those that are offered, then those that are retired."""
    known = {"offered": False}
    return {
        name: ListedModel(name=name, **known | {key: value for key, value in row.items() if key != "prices"})
        for name, row in read_file()["models"].items()
    }


def dated_prices(model: str) -> tuple[dict[str, float], date | None]:
    """USD per million tokens of each kind, and when they were seen; empty if they are not known."""
    row = dict(read_file()["models"].get(model, {}).get("prices", {}))
    day = row.pop("date", None)
    return row, day


def is_retired(model: str) -> bool:
    """Whether the service has retired a model, so far as is known."""
    return model in catalog() and catalog()[model].retired is not None


def successor(model: str) -> ListedModel | None:
    """The model that takes a retired one's place, past those that are retired too. Its `how` says how to use it.

    None if the model is not retired, or no one has named another.
    """
    old, how = model, []
    while is_retired(model):
        how.append(catalog()[model].how)
        model = catalog()[model].replacement
    return ListedModel(name=model, how=", ".join(filter(None, how))) if model not in ("", old) else None


def retirement(model: str, offered: Collection[str] | None = None) -> str:
    """Say since when a model is retired, and what to use instead; empty if it is not retired.

    `offered` are the names on the server's own list, if it was asked: nothing else is recommended then.
    """
    if not is_retired(model):
        return ""
    said, new = f"the Tinker service retired it on {catalog()[model].retired}", successor(model)
    if new is None or (offered is not None and new.name not in offered):
        return f"{said}; see what it offers: justtinker models"
    use = f"use {new.name}{f' ({new.how})' if new.how else ''}: --set run.model={new.name}"
    return f"{said}; {use} (and a run.start_from of that model, if any)"
