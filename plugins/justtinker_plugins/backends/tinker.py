"""Sample and train on the Tinker service, or any server that speaks its API, through the official SDK.

The server computes everything. Requests go out in the order they are made and are never cancelled; the SDK retries
them. The key comes from the environment variable TINKER_API_KEY, or from where the SDK itself keeps one; never from a
config.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from justtinker_core import Backend, NameOrPath, PluginError, RunContext, hookimpl, plugin
from justtinker_core.checkpoints import FILE, checkpoint_of, newest_first
from justtinker_core.config import RunConfig
from justtinker_plugins.backends._tinker import price_file
from justtinker_plugins.backends._tinker.adapter import fit_adapter
from justtinker_plugins.backends._tinker.backend import PATHS, TinkerBackend
from justtinker_plugins.backends._tinker.billing import ask_bill
from justtinker_plugins.backends._tinker.download import download
from justtinker_plugins.backends._tinker.listing import list_models
from justtinker_plugins.backends._tinker.merging import merge_into_base
from justtinker_plugins.backends._tinker.preflight import (
    key_complaints,
    model_complaints,
    setup_complaints,
    start_complaints,
)
from justtinker_plugins.backends._tinker.prices import record_prices
from justtinker_plugins.backends._tinker.server import Server
from justtinker_plugins.backends._tinker.waiting import KEY
from justtinker_plugins.backends._weights import base_of
from justtinker_plugins.shared.bills import Bill
from justtinker_plugins.shared.exports import Exported, Progress
from justtinker_plugins.shared.models import ModelList


@plugin
class Tinker:
    """Sample and train on the Tinker service or a server that speaks its API. Needs TINKER_API_KEY."""

    base_url: str | None = None
    """The server's address; default: TINKER_BASE_URL in the environment, else the Tinker service."""
    lora_rank: Annotated[int, Field(ge=1)] = 128
    """Rank of a new adapter; a checkpoint brings its own. Use the same rank in all stages of a recipe."""
    train_unembed: bool = True
    """Whether a new adapter covers the unembedding too."""
    seed: int | None = None
    """Seed of a new adapter; default: the run's."""
    tokenizer: NameOrPath | None = None
    """Name or directory of the model's tokenizer; default: the one of the model's name, else as the server says."""
    context_length: Annotated[int, Field(ge=2)] | None = None
    """Most tokens of prompt plus response; default: the server's figure, else the tokenizer's."""
    give_up_after: Annotated[float, Field(gt=0)] = 600
    """Seconds after which the run ends if the server does not answer, or only with errors. The SDK gives some requests
    up earlier, after five minutes."""
    give_up_busy_after: Annotated[float, Field(gt=0)] = 3600
    """Seconds after which the run ends if the server answers only 429 or 503 (too busy) or 402 (no money left)."""
    prices: dict[Literal["prefill", "cached_prefill", "sampled", "trained"], Annotated[float, Field(ge=0)]] = field(
        default_factory=dict
    )
    """USD per million tokens of each kind, in place of the service's."""
    price_file: str = price_file.URL
    """Where the service's prices are read, if it can be reached; "" for those that come with this package."""

    @property
    def starts_from(self) -> dict[str, object]:
        """The options that a run shares with the run whose weights it starts from."""
        return {"lora_rank": self.lora_rank, "train_unembed": self.train_unembed}

    @hookimpl
    def open_backend(self, run: RunContext) -> Backend:
        """Open the model ``run.config.run.model``. It contacts the server only when it first needs something."""
        seed = run.config.run.seed if self.seed is None else self.seed
        return TinkerBackend(run.config.run.model, self, seed, lambda: run.step, labels(run))  # type: ignore[return-value]  # lazy attributes

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Check key, server, model, tokenizer and starting weights; each complaint comes with its fix."""
        if not isinstance(run.backend, TinkerBackend):
            return []
        backend, start = run.backend, None
        backend.server.start = first_weights(run)
        if not run.files.read(FILE) and run.config.run.start_from:
            with suppress(PluginError):  # an earlier stage, which has no checkpoint yet
                start = checkpoint_of(run.config.run.start_from, run.dir)
        found = setup_complaints(backend, run.config.run.budget_usd)
        found = found or start_complaints(backend, start) or model_complaints(backend)
        if backend.prices and not found:
            record_prices(run.files, backend.model, backend.prices)
        return found

    def export(self, config: RunConfig, checkpoint: str, directory: Path, merge: bool, progress: Progress) -> Exported:
        """Download a checkpoint's adapter (see `justtinker_plugins.shared.exports`); with `merge`, merge it here."""
        backend = TinkerBackend(config.run.model, self, config.run.seed)
        try:
            if complaints := key_complaints(os.environ.get(KEY, "")):
                raise PluginError(complaints[0])
            download(backend.server, checkpoint, directory, progress)
            tokenizer = backend.server.tokenizer
        finally:
            backend.close()
        base = base_of(config.run.model)
        notes = fit_adapter(directory, base)
        tokenizer.save_pretrained(directory)
        if not merge:
            return Exported("adapter", base, notes)
        merge_into_base(directory, config.run.model, progress)
        return Exported("model", base)

    def bill(self, config: RunConfig, directory: str, since: datetime, until: datetime) -> Bill:
        """What the service has billed for a run (see `justtinker_plugins.shared.bills`)."""
        server = Server(config.run.model, self, config.run.seed)
        try:
            if complaints := key_complaints(os.environ.get(KEY, "")):
                raise PluginError(complaints[0])
            return ask_bill(server, config.run.name, directory, since, until)
        finally:
            server.close()

    def models(self, model: str) -> ModelList:
        """List the models of the service, or of the server at `base_url`, with their prices."""
        return list_models(self, model)


def first_weights(run: RunContext) -> tuple[str, bool] | None:
    """The checkpoint that the run will restore first, and whether with its optimizer; None if there is none yet."""
    saved = newest_first(run.files.read(FILE))
    path = run.files.manifest().get("checkpoint")  # of an evaluation
    if saved:
        path = saved[0]["path"]
    elif path is None and run.config.run.start_from:
        with suppress(PluginError):
            path = checkpoint_of(run.config.run.start_from, run.dir)
    return (path, bool(saved)) if path and path.startswith(PATHS) else None


def labels(run: RunContext) -> dict[str, str]:
    """What the service's console and its bill show of a run."""
    kind = "eval" if "checkpoint" in run.files.manifest() else "train"
    return {"run": run.config.run.name, "directory": run.dir.name, "kind": kind, "justtinker": version("justtinker")}
