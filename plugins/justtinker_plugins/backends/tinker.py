"""Sample and train on the Tinker service, or any server that speaks its API, through the official SDK.

The server computes everything. Requests go out in the order they are made and are never cancelled; the SDK retries
them. The key comes from the environment variable TINKER_API_KEY and nowhere else.
"""

from __future__ import annotations

import os
from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from justtinker_core import Backend, PluginError, RunContext, hookimpl, plugin
from justtinker_core.checkpoints import checkpoint_of
from justtinker_core.config import RunConfig
from justtinker_plugins.backends._tinker import price_file
from justtinker_plugins.backends._tinker.adapter import fit_adapter
from justtinker_plugins.backends._tinker.backend import TinkerBackend
from justtinker_plugins.backends._tinker.calls import KEY, is_gone
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
from justtinker_plugins.backends._weights import base_of
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
    context_length: Annotated[int, Field(ge=2)] | None = None
    """Most tokens of prompt plus response; default: the server's figure, else the tokenizer's."""
    prices: dict[Literal["prefill", "cached_prefill", "sampled", "trained"], Annotated[float, Field(ge=0)]] = field(
        default_factory=dict
    )
    """USD per million tokens of each kind, in place of the service's."""
    price_file: str = price_file.URL
    """Where the service's prices are read, if it can be reached; "" for those that come with this package."""

    @hookimpl
    def open_backend(self, run: RunContext) -> Backend:
        """Open the model ``run.config.run.model``. It contacts the server only when it first needs something."""
        seed = run.config.run.seed if self.seed is None else self.seed
        return TinkerBackend(run.config.run.model, self, seed)  # type: ignore[return-value]  # lazy attributes

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Check key, server, model, tokenizer and starting weights; each complaint comes with its fix."""
        if not isinstance(run.backend, TinkerBackend):
            return []
        start = None if run.files.read("checkpoints.jsonl") else run.config.run.start_from
        try:
            start = start and checkpoint_of(start, run.dir)
        except PluginError:  # an earlier stage, which has no checkpoint yet
            start = None
        backend = run.backend
        found = setup_complaints(backend, run.config.run.budget_usd)
        found = found or model_complaints(backend) + start_complaints(backend, start)
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
        except PluginError as error:
            if is_gone(error):
                raise FileNotFoundError(f"{checkpoint} is no longer on the server: {error}") from None
            raise
        finally:
            backend.close()
        base = base_of(config.run.model)
        notes = fit_adapter(directory, base)
        tokenizer.save_pretrained(directory)
        if not merge:
            return Exported("adapter", base, notes)
        merge_into_base(directory, config.run.model, progress)
        return Exported("model", base)

    def models(self, model: str) -> ModelList:
        """List the models of the service, or of the server at `base_url`, with their prices."""
        return list_models(self, model)
