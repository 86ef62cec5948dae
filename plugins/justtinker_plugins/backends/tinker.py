"""Sampling and training on the Tinker service, or on any server that speaks its API, through the official SDK.

The engine is theirs: nothing is computed here. Requests are sent in the order in which they are made and never
cancelled; retries are the SDK's. The key comes from the environment variable TINKER_API_KEY and nowhere else.
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
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from justtinker_core import PluginError, SamplingError, hookimpl, plugin
from justtinker_core.checkpoints import checkpoint_of
from justtinker_core.errors import nearest
from justtinker_core.types import Adam, Backend, Datum, Loss, Message, Sample, SampleRequest, TrainResult
from justtinker_plugins.backends._data import check, decode, encode
from justtinker_plugins.backends._tinker import wire
from justtinker_plugins.backends._tinker.calls import KEY, Calls, is_gone, scrubbed
from justtinker_plugins.backends._tinker.prices import prices_of, usd

if TYPE_CHECKING:
    from justtinker_core.run import Run

SERVICE = "https://tinker.thinkingmachines.dev/services/tinker-prod"
PATHS = "tinker://"
ANY_TOKEN = 2**31
UNBOUNDED = 10**9  # transformers writes a huge number where a tokenizer knows no limit


@plugin
class Tinker:
    """Sample and train on the Tinker service or a server that speaks its API. Needs TINKER_API_KEY."""

    base_url: str | None = None
    """The server; default: the environment's TINKER_BASE_URL, else the Tinker service."""
    lora_rank: Annotated[int, Field(ge=1)] = 128
    """Rank of a new adapter; a checkpoint brings its own. The same in all stages of a recipe."""
    train_unembed: bool = True
    """A new adapter covers the unembedding too."""
    seed: int | None = None
    """Of a new adapter; default: the run's."""
    context_length: Annotated[int, Field(ge=2)] | None = None
    """Most tokens of prompt plus response; default: what the server says, else the tokenizer."""
    prices: dict[Literal["prefill", "cached_prefill", "sampled", "trained"], Annotated[float, Field(ge=0)]] = field(
        default_factory=dict
    )
    """USD for a million tokens of each kind, in place of those in tinker_prices.toml."""

    @hookimpl
    def open_backend(self, run: Run) -> Backend:
        """The model of ``run.config.run.model``. The server is first asked when something is needed of it."""
        seed = run.config.run.seed if self.seed is None else self.seed
        return TinkerBackend(run.config.run.model, self, seed)  # type: ignore[return-value]  # lazy attributes

    @hookimpl
    def preflight(self, run: Run) -> list[str]:
        """Key, server, model, tokenizer and starting weights: what is wrong with each, and the fix."""
        if not isinstance(run.backend, TinkerBackend):
            return []
        start = None if run.files.read("checkpoints.jsonl") else run.config.run.start_from
        try:
            start = start and checkpoint_of(start, run.dir)
        except PluginError:  # a run before this one, which has no checkpoint yet
            start = None
        return run.backend.complaints() or run.backend.model_complaints() + run.backend.start_complaints(start)


class TinkerBackend:
    """A `Backend` over the SDK's service client and, from the first use on, one training client."""

    def __init__(self, model: str, options: Tinker, seed: int) -> None:
        self.model, self.options, self.seed = model, options, seed
        self.concurrent = True
        self._calls = Calls()
        self._training: Any = None
        self._closed = False

    # -- the model ---------------------------------------------------------------------------------------------------

    @cached_property
    def context_length(self) -> int:
        """Most tokens of prompt plus response."""
        if self.options.context_length:
            return self.options.context_length
        told = self.offered.get(self.model) or int(self._tokenizer.model_max_length)
        if told < UNBOUNDED:
            return told
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
        """The models that the server offers, with their context lengths where it says so."""
        listed = self._calls.submit(self._capabilities, lambda answer: answer.supported_models).result()
        return {m.model_name: getattr(m, "max_context_length", None) for m in listed if m.model_name}

    def encode(self, text: str) -> list[int]:
        """Tokens of the text; special tokens written out in it are recognised; nothing is added."""
        return encode(self._tokenizer, text)

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of the tokens, special tokens included."""
        return decode(self._tokenizer, tokens)

    def render(self, messages: Sequence[Message]) -> str:
        """The chat template's text. PluginError if the tokenizer has none or it refuses the messages."""
        try:
            text: str = self._tokenizer.apply_chat_template(
                [dict(m) for m in messages], tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # templates are programs: whatever they raise
            raise PluginError(f"the model's chat template cannot render the messages: {error}") from error
        return text

    # -- sampling and training ---------------------------------------------------------------------------------------

    def sampler(self) -> TinkerSampler:
        """A sampler of the weights after everything submitted so far; they are being exported when this returns."""
        exported = self._calls.submit(
            lambda: self._client().save_weights_and_get_sampling_client(), lambda client: client
        )
        return TinkerSampler(self, self._calls, exported)

    def forward_backward(self, data: Sequence[Datum], loss: Loss, config: Mapping[str, float]) -> Future[TrainResult]:
        """Add the gradient of the summed loss to what has accumulated on the server."""
        data, config, context = tuple(data), dict(config), self.context_length

        def call() -> Any:
            check(data, loss, config, context, ANY_TOKEN)
            sent = [wire.to_datum(datum, loss) for datum in data]
            return self._client().forward_backward(sent, loss, config or None)

        return self._calls.submit(call, lambda reply: wire.train_result(reply, data, loss, config))

    def optim_step(self, adam: Adam) -> Future[Mapping[str, float]]:
        """One Adam step with the accumulated gradient; reports ``grad_norm`` where the server does."""
        return self._calls.submit(lambda: self._client().optim_step(wire.adam_params(adam)), wire.optim_metrics)

    def save(self, name: str, ttl_seconds: int | None = None) -> Future[str]:
        """Save weights and optimizer on the server; its ``tinker://`` path. They expire after `ttl_seconds`."""
        return self._calls.submit(
            lambda: self._client().save_state(name, ttl_seconds=ttl_seconds), lambda reply: str(reply.path)
        )

    def forget(self, path: str) -> None:
        """Nothing: what is to be forgotten was saved with a time to live."""

    def restore(self, path: str, *, optimizer: bool) -> None:
        """Go on from a checkpoint, with a new training client. FileNotFoundError: it has expired or never was."""
        if not path.startswith(PATHS):
            raise FileNotFoundError(no_checkpoint(path))

        def call() -> None:
            create = getattr(
                self._service, f"create_training_client_from_state{'_with_optimizer' if optimizer else ''}"
            )
            self._training = self._calls.waited(create(path))

        try:
            self._calls.submit(call, lambda _: None).result()
        except PluginError as error:
            if is_gone(error):
                raise FileNotFoundError(f"{path} is not on the server any more: {error}") from None
            raise PluginError(f"cannot restore {path}: {error}") from None

    def usd(self, tokens: Mapping[str, int]) -> float | None:
        """What so many tokens of each kind cost; None for a model without a price."""
        prices = prices_of(self.model, {str(kind): price for kind, price in self.options.prices.items()})
        return usd(tokens, prices) if prices else None

    def close(self) -> None:
        """End the session. What the server has begun, it finishes; open futures raise."""
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
        """What keeps this machine from the model, with the fix of each."""
        found = [*key_complaints(os.environ.get(KEY, "")), *silent(self.url)]
        try:
            import tinker  # noqa: F401
        except ImportError:
            found.append("the tinker SDK is not installed: pip install 'justtinker[tinker]'")
        if self.options.prices and self.usd({}) is None:
            found.append(
                f"[plugins.tinker] prices: the table has none of {self.model}: set prefill, sampled and trained"
            )
        if found:
            return found
        try:
            offered = self.offered
        except PluginError as error:
            return [f"{self.url} (base_url in [plugins.tinker]) does not say which models it offers: {error}"]
        if self.model in offered:
            return []
        return [f"[run] model = {self.model!r} is not offered by {self.url}{nearest(self.model, offered)}"]

    def model_complaints(self) -> list[str]:
        """What is wrong with the model's tokenizer or its context length."""
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
        """What is wrong with the checkpoint to start from: it is not there, or of another model."""
        if path is None:
            return []
        if not path.startswith(PATHS):
            return [f"[run] start_from: {no_checkpoint(path)}; name one, or the directory of a run there"]
        try:
            info = self._calls.submit(lambda: self._rest().get_weights_info_by_tinker_path(path), lambda i: i).result()
        except PluginError as error:
            return [f"[run] start_from = {path!r} cannot be had from {self.url}: {error}"]
        if info.base_model != self.model:
            return [
                f"[run] start_from = {path!r} is a checkpoint of {info.base_model}, and [run] model = {self.model!r}"
            ]
        return []

    # -- the SDK's clients; the underscored methods run in the thread of the calls -------------------------------------

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
            self._training = self._calls.waited(
                self._service.create_lora_training_client(
                    base_model=self.model, rank=options.lora_rank, seed=self.seed, train_unembed=options.train_unembed
                )
            )
        return self._training

    @cached_property
    def _tokenizer(self) -> Any:
        return self._calls.submit(lambda: self._client().get_tokenizer(), lambda tokenizer: tokenizer).result()


class TinkerSampler:
    """Samples from exported weights; training may go on meanwhile."""

    def __init__(self, backend: TinkerBackend, calls: Calls, exported: Future[Any]) -> None:
        self._backend, self._calls, self._exported = backend, calls, exported

    def sample(self, requests: Sequence[SampleRequest]) -> list[Future[list[Sample]]]:
        """One request a group, all sent as soon as the weights are there; one that fails fails alone."""
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
        """The request's SamplingParams, or the PluginError that is all it will get."""
        try:
            return wire.sampling_params(request, self._backend.context_length, self._backend.encode)
        except PluginError as error:
            return error


def no_checkpoint(path: str) -> str:
    """That a path cannot be restored here."""
    return f"{path} is no checkpoint of a Tinker server ({PATHS}...)"


def key_complaints(key: str) -> list[str]:
    """A complaint if there is no key, or one that no request can carry: the SDK would try for minutes."""
    if not key.strip():
        return [f"{KEY} is not set: make a key in the Tinker console and export it"]
    return [] if key == key.strip() else [f"{KEY} has white space at an end, perhaps a line's end: export it without"]


def silent(url: str) -> list[str]:
    """A complaint if nothing at all answers at the address; any HTTP status is an answer."""
    try:
        urllib.request.urlopen(f"{url}/api/v1/healthz", timeout=10).close()
    except urllib.error.HTTPError:
        return []
    except (OSError, ValueError, HTTPException) as error:
        return [
            f"no server answers at {url} ({scrubbed(str(error))}): check base_url in [plugins.tinker] and the network"
        ]
    return []
