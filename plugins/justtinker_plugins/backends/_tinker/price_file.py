"""Read the Tinker service's own price file, ``models.json`` beside its docs' page "Models & Pricing".

It holds one object a model, with prices as text: ``{"tinker_id": "Qwen/Qwen3-8B", "context": "32K", "prefill":
"$0.195", "cached_prefill": "$0.039", "sample": "$0.60", "train": "$0.44"}``. The file itself was not seen, only
programs that read it. So a list of such objects is taken, or an object of them by name, alone or under ``models``.
"""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from justtinker_core import PluginError

URL = "https://tinker-docs.thinkingmachines.ai/tinker/models.json"
SECONDS = 3.0
"""How long to wait for it, in all."""
MOST_BYTES = 2**22
KINDS = {"prefill": "prefill", "cached_prefill": "cached_prefill", "sample": "sampled", "train": "trained"}
"""The file's word for a kind of tokens -> ours."""
NAMES = ("tinker_id", "id", "model", "name")
PRICE = re.compile(r"\$?\s*(\d{1,6}(?:\.\d+)?)")
CONTEXT = re.compile(r"(\d{1,9})\s*([KM]?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """What the file says of a model."""

    prices: Mapping[str, float]
    """USD per million tokens of each kind that has a price."""
    context: int | None = None


@dataclass(frozen=True, slots=True)
class PriceFile:
    """The file as read, or why it could not be."""

    rows: Mapping[str, Row] = field(default_factory=dict)
    problem: str = ""


def fetch(url: str) -> PriceFile:
    """Fetch and read the file. It waits for no more than `SECONDS`, and never raises."""
    answer: list[PriceFile] = []
    # a name server that does not answer is waited for without a time-out, so this is left to a thread
    thread = threading.Thread(target=lambda: answer.append(download(url)), daemon=True)
    thread.start()
    thread.join(SECONDS)
    return answer[0] if answer else PriceFile(problem=f"{url} has not answered within {SECONDS:g} s")


def download(url: str) -> PriceFile:
    """Fetch and read the file, however long that takes."""
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "justtinker", "Accept": "application/json"})
        with urllib.request.urlopen(request, timeout=SECONDS) as reply:
            content = reply.read(MOST_BYTES + 1)
    except (OSError, ValueError, HTTPException) as error:
        return PriceFile(problem=f"{url} cannot be read: {getattr(error, 'reason', '') or error}")
    try:
        return PriceFile(parse(content))
    except PluginError as error:
        return PriceFile(problem=f"{url} is not a price file: {error}")


def parse(content: bytes) -> dict[str, Row]:
    """Read the file's content. PluginError says what does not fit."""
    if len(content) > MOST_BYTES:
        raise PluginError(f"expected at most {MOST_BYTES} bytes, got more")
    try:
        table = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise PluginError(f"expected JSON, got {content[:40]!r} ({error})") from None
    rows = dict(named_rows(table))
    if not any(row.prices for row in rows.values()):
        raise PluginError("expected models with prices, got none")
    return rows


def named_rows(table: Any) -> Iterator[tuple[str, Row]]:
    """The models of a list of objects, or of an object of objects, by name."""
    if isinstance(table, dict) and isinstance(table.get("models"), list | dict):
        table = table["models"]
    if not isinstance(table, list | dict):
        raise PluginError(f"expected a list of objects, or an object of objects, got {brief(table)}")
    for key, row in enumerate(table) if isinstance(table, list) else table.items():
        if not isinstance(row, dict):
            raise PluginError(f"expected an object for model {key}, got {brief(row)}")
        names = [row[name] for name in NAMES if isinstance(row.get(name), str)]
        name = key if isinstance(key, str) and "/" in key else next(iter(names), key)
        if not isinstance(name, str):
            raise PluginError(f"expected the name of model {key} under {', '.join(NAMES)}, got {brief(row)}")
        prices = {ours: price_of(name, theirs, row[theirs]) for theirs, ours in KINDS.items() if priced(row, theirs)}
        yield name, Row(prices, context_of(row.get("context")))


def priced(row: Mapping[str, Any], kind: str) -> bool:
    """Whether a model has a price of this kind; not every model can be trained."""
    return row.get(kind) not in (None, "", "-", "\N{EN DASH}", "\N{EM DASH}", "N/A")


def price_of(model: str, kind: str, value: Any) -> float:
    """A price as a number."""
    match = PRICE.fullmatch(str(value).strip()) if isinstance(value, str | int | float) else None
    if match is None or isinstance(value, bool):
        raise PluginError(f"expected {kind} of {model} as a price like '$1.87', got {brief(value)}")
    return float(match[1])


def context_of(value: Any) -> int | None:
    """A context length such as 32768 or "32K"; None for anything else."""
    match = CONTEXT.fullmatch(str(value).strip())
    return int(match[1]) * {"": 1, "K": 2**10, "M": 2**20}[match[2].upper()] if match else None


def brief(value: Any) -> str:
    """A value as JSON, cut off if it is long."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]} …"
