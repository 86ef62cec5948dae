"""Sample and train on the Tinker service, or any server that speaks its API, through the official SDK.

The server computes everything. Requests go out in the order they are made and are never cancelled; the SDK retries
them. The key comes from the environment variable TINKER_API_KEY and nowhere else.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import field
from functools import cached_property, partial
from http.client import HTTPException
from typing import Annotated, Any, Literal

from pydantic import Field

from justtinker_core import (
    Backend,
    Datum,
    PluginError,
    RunContext,
    Sample,
    SampleRequest,
    SamplingError,
    hookimpl,
    plugin,
)
from justtinker_core.checkpoints import checkpoint_of
from justtinker_core.errors import nearest
from justtinker_core.types import Adam, Loss, Message, TrainResult
from justtinker_plugins.backends._data import check_data, decode, encode, render
from justtinker_plugins.backends._tinker import wire
from justtinker_plugins.backends._tinker.calls import KEY, Calls, is_gone, scrubbed
from justtinker_plugins.backends._tinker.prices import prices_of, usd

SERVICE = "https://tinker.thinkingmachines.dev/services/tinker-prod"
PATHS = "tinker://"
ANY_TOKEN = 2**31
UNBOUNDED = 10**9  # transformers writes a huge number where a tokenizer knows no limit


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
    """USD per million tokens of each kind, in place of those in tinker_prices.toml."""

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
        return run.backend.complaints() or run.backend.model_complaints() + run.backend.start_complaints(start)


class TinkerBackend:
    """A `Backend` over the SDK's service client and one training client, which is made at its first use."""

    def __init__(self, model: str, options: Tinker, seed: int) -> None:
        self.model, self.options, self.seed = model, options, seed
        self.concurrent = True
        self._calls = Calls()
        self._training: Any = None
        self._closed = False

    # -- the model ---------------------------------------------------------------------------------------------------

    @cached_property
    def context_length(self) -> int:
        """The most tokens of prompt plus response."""
        if self.options.context_length:
            return self.options.context_length
        length = self.offered.get(self.model) or int(self._tokenizer.model_max_length)
        if length < UNBOUNDED:
            return length
        raise PluginError(
            f"neither the server nor the tokenizer says how many tokens {self.model} takes: "
            f"set context_length in [plugins.tinker]"
        )

    @cached_property
    def end_token(self) -> str:
        """The tokenizer's end token."""
        return str(self._tokenizer.eos_token)

    @cached_property
    def offered(self) -> dict[str, int | None]:
        """The models that the server offers, with their context lengths if it gives them."""
        listed = self._calls.submit(self._capabilities, lambda answer: answer.supported_models).result()
        return {m.model_name: getattr(m, "max_context_length", None) for m in listed if m.model_name}

    def encode(self, text: str) -> list[int]:
        """Encode text: special tokens spelled out in it are recognised, none are added."""
        return encode(self._tokenizer, text)

    def decode(self, tokens: Sequence[int]) -> str:
        """Decode tokens, special tokens included."""
        return decode(self._tokenizer, tokens)

    def render(self, messages: Sequence[Message], **template: Any) -> str:
        """Render messages with the chat template and its variables. PluginError if there is none or it rejects them."""
        return render(self._tokenizer, messages, template)

    # -- sampling and training ---------------------------------------------------------------------------------------

    def sampler(self) -> TinkerSampler:
        """A sampler of the weights after all work submitted so far. The export goes on when this returns."""
        exported = self._calls.submit(
            lambda: self._client().save_weights_and_get_sampling_client(), lambda client: client
        )
        return TinkerSampler(self, self._calls, exported)

    def forward_backward(self, data: Sequence[Datum], loss: Loss, config: Mapping[str, float]) -> Future[TrainResult]:
        """Add the gradient of the summed loss to the gradient accumulated on the server."""
        data, config, context = tuple(data), dict(config), self.context_length

        def call() -> Any:
            check_data(data, loss, config, context, ANY_TOKEN)
            sent = [wire.to_datum(datum, loss) for datum in data]
            return self._client().forward_backward(sent, loss, config or None)

        return self._calls.submit(call, lambda reply: wire.train_result(reply, data, loss, config))

    def optim_step(self, adam: Adam) -> Future[Mapping[str, float]]:
        """Take an Adam step with the accumulated gradient; reports ``grad_norm`` if the server does."""
        return self._calls.submit(lambda: self._client().optim_step(wire.adam_params(adam)), wire.optim_metrics)

    def save(self, name: str, ttl_seconds: int | None = None) -> Future[str]:
        """Save weights and optimizer on the server, for `ttl_seconds`; the result is their ``tinker://`` path."""
        return self._calls.submit(
            lambda: self._client().save_state(name, ttl_seconds=ttl_seconds), lambda reply: str(reply.path)
        )

    def forget(self, path: str) -> None:
        """Do nothing: checkpoints that may be forgotten were saved with a time to live."""

    def restore(self, path: str, *, optimizer: bool) -> None:
        """Continue from a checkpoint, with a new training client. FileNotFoundError: it expired or never existed."""
        if not path.startswith(PATHS):
            raise FileNotFoundError(not_a_checkpoint(path))

        def call() -> None:
            create = getattr(
                self._service, f"create_training_client_from_state{'_with_optimizer' if optimizer else ''}"
            )
            self._training = self._calls.wait_for(create(path))

        try:
            self._calls.submit(call, lambda _: None).result()
        except PluginError as error:
            if is_gone(error):
                raise FileNotFoundError(f"{path} is no longer on the server: {error}") from None
            raise PluginError(f"cannot restore {path}: {error}") from None

    def usd(self, tokens: Mapping[str, int]) -> float | None:
        """The cost of tokens by kind; None for a model without prices."""
        prices = prices_of(self.model, {str(kind): price for kind, price in self.options.prices.items()})
        return usd(tokens, prices) if prices else None

    def close(self) -> None:
        """End the session. The server finishes what it has begun; open futures raise."""
        if self._closed:
            return
        self._closed = True
        self._calls.close()
        service: Any = self.__dict__.get("_service")
        if hasattr(service, "close"):  # old SDKs have no such method
            with suppress(Exception):
                service.close("success").result(timeout=10)

    # -- preflight ---------------------------------------------------------------------------------------------------

    def complaints(self) -> list[str]:
        """Complaints about key, server, SDK, prices and model, each with its fix."""
        found = [*key_complaints(os.environ.get(KEY, "")), *server_complaints(self.url)]
        try:
            import tinker  # noqa: F401
        except ImportError:
            found.append("the tinker SDK is not installed: pip install 'justtinker[tinker]'")
        if self.options.prices and self.usd({}) is None:
            found.append(
                f"[plugins.tinker] prices: the table has none for {self.model}: set prefill, sampled and trained"
            )
        if found:
            return found
        try:
            offered = self.offered
        except PluginError as error:
            return [f"{self.url} (base_url in [plugins.tinker]) does not list its models: {error}"]
        if self.model in offered:
            return []
        return [f"[run] model = {self.model!r} is not offered by {self.url}{nearest(self.model, offered)}"]

    def model_complaints(self) -> list[str]:
        """Complaints about the model's tokenizer or its context length."""
        try:
            _ = self._tokenizer
        except PluginError as error:
            return [f"the tokenizer of {self.model} cannot be loaded: {error}"]
        try:
            _ = self.context_length
        except PluginError as error:
            return [str(error)]
        return []

    def start_complaints(self, path: str | None) -> list[str]:
        """Complaints about the checkpoint to start from: it does not exist, or is of another model."""
        if path is None:
            return []
        if not path.startswith(PATHS):
            return [f"[run] start_from: {not_a_checkpoint(path)}; name one, or a run directory that has one"]
        try:
            info = self._calls.submit(lambda: self._rest().get_weights_info_by_tinker_path(path), lambda i: i).result()
        except PluginError as error:
            return [f"[run] start_from = {path!r} cannot be loaded from {self.url}: {error}"]
        if info.base_model != self.model:
            return [
                f"[run] start_from = {path!r} is a checkpoint of {info.base_model}, but [run] model = {self.model!r}"
            ]
        return []

    # -- the SDK's clients; the underscored methods run in the thread that makes the calls -----------------------------

    @property
    def url(self) -> str:
        """The server's address."""
        return (self.options.base_url or os.environ.get("TINKER_BASE_URL") or SERVICE).rstrip("/")

    @cached_property
    def _service(self) -> Any:
        import tinker

        return tinker.ServiceClient(base_url=self.url, api_key=os.environ.get(KEY))

    def _capabilities(self) -> Any:
        import tinker

        if hasattr(tinker.ServiceClient.get_server_capabilities, "__deprecated__"):
            return tinker.RestClient(base_url=self.url, api_key=os.environ.get(KEY)).get_server_capabilities()
        return self._service.get_server_capabilities()

    def _rest(self) -> Any:
        import tinker

        if hasattr(tinker.ServiceClient.create_rest_client, "__deprecated__"):
            return tinker.RestClient(base_url=self.url, api_key=os.environ.get(KEY))
        return self._service.create_rest_client()

    def _client(self) -> Any:
        if self._training is None:
            options = self.options
            self._training = self._calls.wait_for(
                self._service.create_lora_training_client(
                    base_model=self.model, rank=options.lora_rank, seed=self.seed, train_unembed=options.train_unembed
                )
            )
        return self._training

    @cached_property
    def _tokenizer(self) -> Any:
        return self._calls.submit(lambda: self._client().get_tokenizer(), lambda tokenizer: tokenizer).result()


class TinkerSampler:
    """Samples from exported weights, while training goes on."""

    def __init__(self, backend: TinkerBackend, calls: Calls, exported: Future[Any]) -> None:
        self._backend, self._calls, self._exported = backend, calls, exported

    def sample(self, requests: Sequence[SampleRequest]) -> list[Future[list[Sample]]]:
        """Send one request a group as soon as the weights are exported. A request that fails, fails alone."""
        tasks = [(request, self._params(request), self._calls.promise(SamplingError)) for request in requests]

        def send(client: Any) -> None:
            from tinker import types

            for request, params, promise in tasks:
                if isinstance(params, PluginError):
                    self._calls.settle(promise, error=params)
                elif request.n == 0:
                    self._calls.settle(promise, list)
                else:
                    prompt = types.ModelInput.from_ints(list(request.tokens))
                    call = partial(client.sample, prompt=prompt, num_samples=request.n, sampling_params=params)
                    self._calls.make(call, partial(wire.samples, request), promise)

        promises = [promise for _, _, promise in tasks]
        self._calls.after(self._exported, send, *promises)
        return promises

    def _params(self, request: SampleRequest) -> Any:
        """The request's SamplingParams, or the PluginError that answers it."""
        try:
            return wire.sampling_params(request, self._backend.context_length, self._backend.encode)
        except PluginError as error:
            return error


def not_a_checkpoint(path: str) -> str:
    """The error for a path that no Tinker server can restore."""
    return f"{path} is not a checkpoint on a Tinker server ({PATHS}...)"


def key_complaints(key: str) -> list[str]:
    """A complaint if there is no key, or one that no request can carry: the SDK would retry for minutes."""
    if not key.strip():
        return [f"{KEY} is not set: create a key in the Tinker console and export it"]
    return [] if key == key.strip() else [f"{KEY} starts or ends with white space, perhaps a newline: remove it"]


def server_complaints(url: str) -> list[str]:
    """A complaint if nothing answers at the address; any HTTP status is an answer."""
    try:
        urllib.request.urlopen(f"{url}/api/v1/healthz", timeout=10).close()
    except urllib.error.HTTPError:
        return []
    except (OSError, ValueError, HTTPException) as error:
        return [
            f"no server answers at {url} ({scrubbed(str(error))}): check base_url in [plugins.tinker] and the network"
        ]
    return []
