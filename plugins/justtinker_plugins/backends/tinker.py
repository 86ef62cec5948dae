"""Sample and train on the Tinker service, or any server that speaks its API, through the official SDK.

The server computes everything. Requests go out in the order they are made and are never cancelled; the SDK retries
them. The key comes from the environment variable TINKER_API_KEY and nowhere else.
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field

from justtinker_core import Backend, PluginError, RunContext, hookimpl, plugin
from justtinker_core.checkpoints import checkpoint_of
from justtinker_plugins.backends._tinker.backend import TinkerBackend
from justtinker_plugins.backends._tinker.preflight import model_complaints, setup_complaints, start_complaints


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
    give_up_after: Annotated[float, Field(gt=0)] = 600
    """Seconds after which the run ends if the server does not answer, or only with errors. The SDK gives some requests
    up earlier, after five minutes."""
    give_up_busy_after: Annotated[float, Field(gt=0)] = 3600
    """Seconds after which the run ends if the server answers only 429 or 503 (too busy) or 402 (no money left)."""
    prices: dict[Literal["prefill", "cached_prefill", "sampled", "trained"], Annotated[float, Field(ge=0)]] = field(
        default_factory=dict
    )
    """USD per million tokens of each kind, in place of those in tinker_prices.toml."""

    @hookimpl
    def open_backend(self, run: RunContext) -> Backend:
        """Open the model ``run.config.run.model``. It contacts the server only when it first needs something."""
        seed = run.config.run.seed if self.seed is None else self.seed
        return TinkerBackend(run.config.run.model, self, seed, lambda: run.step)  # type: ignore[return-value]  # lazy attributes

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
        return setup_complaints(backend) or model_complaints(backend) + start_complaints(backend, start)
