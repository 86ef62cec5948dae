"""The SDK's clients of one server: what the `tinker` backend asks it through, and what the server says of itself."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from justtinker_core import PluginError
from justtinker_plugins.backends._tinker import protocol, tokenizers
from justtinker_plugins.backends._tinker.calls import Calls
from justtinker_plugins.backends._tinker.waiting import KEY, Waiting, sdk
from justtinker_plugins.backends._tinker.workers import Worker

if TYPE_CHECKING:
    from justtinker_plugins.backends.tinker import Tinker

SERVICE = "https://tinker.thinkingmachines.dev/services/tinker-prod"

NO_LABELS: Mapping[str, str] = {}


class RankError(PluginError):
    """The server creates no adapter of this rank."""


class Server:
    """A server's clients, each made at its first use. The methods that return a client run in the calls' thread."""

    def __init__(
        self,
        model: str,
        options: Tinker,
        seed: int,
        step: Callable[[], int] = lambda: 0,
        labels: Mapping[str, str] = NO_LABELS,
    ) -> None:
        self.model, self.options, self.seed, self.labels = model, options, seed, dict(labels)
        self.start: tuple[str, bool] | None = None
        """The checkpoint that the run will begin with, if known, and whether with its optimizer."""
        self.calls = Calls(Waiting(self.url, options.give_up_after, options.give_up_busy_after, step))
        self.reached = False
        """Whether preflight has found something that answers at the address."""
        self._training: Any = None
        self._references: dict[str | None, Any] = {}
        self._asked: tuple[tuple[str, bool] | None, Any] | None = None
        """A training client that was made to ask it for the tokenizer, and the checkpoint that it was made from."""
        self._closed = False

    @property
    def url(self) -> str:
        """The server's address."""
        return (self.options.base_url or os.environ.get("TINKER_BASE_URL") or SERVICE).rstrip("/")

    @property
    def is_service(self) -> bool:
        """Whether it is the Tinker service, and no server of one's own."""
        return self.url == SERVICE

    @cached_property
    def description(self) -> Mapping[str, Any]:
        """What a server of one's own says of itself, once it has been reached; empty for the service."""
        return {} if self.is_service else protocol.description(self.url)

    def losses(self) -> tuple[str, ...]:
        """The losses that the server says it takes; empty if it does not say, or has not been reached yet."""
        return protocol.losses(self.description) if self.reached or self.calls.heard else ()

    @cached_property
    def offered(self) -> dict[str, int | None]:
        """The models that the server offers, with their context lengths if it gives them."""
        listed = self.calls.submit(
            self._capabilities, lambda answer: answer.supported_models, "the list of models"
        ).result()
        return {m.model_name: getattr(m, "max_context_length", None) for m in listed if m.model_name}

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer of the options, else of the model's name, else the one that the server names for the model."""
        own = self.options.tokenizer
        try:
            return tokenizers.load(own or self.model)
        except Exception as error:
            if own:
                raise PluginError(f"[plugins.tinker] tokenizer = {own!r} cannot be loaded: {error}") from None
        return self.calls.submit(
            lambda: self._to_ask().get_tokenizer(), lambda tokenizer: tokenizer, "the tokenizer"
        ).result()

    def checkpoint(self, path: str) -> Any:
        """What the server knows of a checkpoint: its base model, rank and trained parts. PluginError if it is gone."""
        return self.calls.submit(
            lambda: self.rest().get_weights_info_by_tinker_path(path), lambda info: info, f"word of {path}"
        ).result()

    def training(self) -> Any:
        """The training client, of a new adapter unless `restore` has made one."""
        if self._training is None:
            self._training = self._checked(self._made_from(None))
        return self._training

    def restore(self, path: str, optimizer: bool) -> None:
        """Make a new training client from a checkpoint."""
        self._training = self._checked(self._made_from((path, optimizer)))

    def reference(self, path: str | None) -> Any:
        """A sampling client of a checkpoint's weights, or of the model's own; made once for each."""
        if path not in self._references:
            try:
                self._references[path] = self._sampling(path)
            except PluginError as error:
                raise PluginError(f"cannot sample from the weights of {path or self.model}: {error}") from None
        return self._references[path]

    def _sampling(self, path: str | None) -> Any:
        service, what = self._service, "the weights to compare with"
        if path is None:
            return self.calls.ask(lambda: service.create_sampling_client(base_model=self.model), what)
        training = self._make((path, False))
        return self.calls.ask(lambda: training.save_weights_and_get_sampling_client(), what)

    def _to_ask(self) -> Any:
        """A training client to ask for the tokenizer. The run goes on with it if it begins with the same weights."""
        if self._training is None and self._asked is None:
            with suppress(PluginError):  # of a checkpoint that is gone: preflight or resume says so
                self._asked = self.start and (self.start, self._make(self.start))
            self._asked = self._asked or (None, self._make(None))
        return self._training or (self._asked and self._asked[1])

    def _made_from(self, start: tuple[str, bool] | None) -> Any:
        """The client that was asked for the tokenizer, if it was made from this checkpoint; else a new one."""
        asked, self._asked = self._asked, None
        return asked[1] if asked and asked[0] == start else self._make(start)

    def _make(self, start: tuple[str, bool] | None) -> Any:
        """Make a training client from a checkpoint, or of a new adapter."""
        service, options = self._service, self.options
        if start is not None:
            path, optimizer = start
            restore = getattr(service, f"create_training_client_from_state{'_with_optimizer' if optimizer else ''}")
            labelled = accepted(restore, user_metadata=self.labels)
            return self.calls.ask(lambda: restore(path, **labelled), f"a training client with {path}")
        create = service.create_lora_training_client
        adapter = {"rank": options.lora_rank, "seed": self.seed, "train_unembed": options.train_unembed}
        adapter |= accepted(create, user_metadata=self.labels)
        try:
            return self.calls.ask(lambda: create(base_model=self.model, **adapter), "a training client")
        except PluginError as error:
            if re.search(r"\brank\b", str(error), re.IGNORECASE):
                raise RankError(
                    f"{self.url} refuses lora_rank = {options.lora_rank}: set one that it allows in [plugins.tinker], "
                    f"the same in all stages, or raise the server's limit: {error}"
                ) from None
            raise

    def _checked(self, client: Any) -> Any:
        """The client. PluginError if its tokenizer is not the one in use."""
        if "tokenizer" in self.__dict__ and not self.options.tokenizer:
            tokenizers.compare(self.model, self.tokenizer, client)
        return client

    def close(self) -> None:
        """End the session. The server finishes what it has begun; open futures raise."""
        if self._closed:
            return
        self._closed = True
        self.calls.close()
        service: Any = self.__dict__.get("_service")
        if hasattr(service, "close"):  # old SDKs have no such method
            closing = Worker("tinker-close")  # it hangs while a client is being made
            closing.submit(end_session, service)
            closing.join(1 if self.calls.lost else 10)

    @cached_property
    def _service(self) -> Any:
        client = sdk().ServiceClient
        labels = accepted(client, user_metadata=self.labels, display_name=self.labels.get("run"))
        return self.calls.ask(lambda: client(base_url=self.url, api_key=os.environ.get(KEY), **labels), "a session")

    def _capabilities(self) -> Any:
        tinker = sdk()
        if hasattr(tinker.ServiceClient.get_server_capabilities, "__deprecated__"):
            return tinker.RestClient(base_url=self.url, api_key=os.environ.get(KEY)).get_server_capabilities()
        return self._service.get_server_capabilities()

    def rest(self) -> Any:
        """The client for checkpoints."""
        tinker = sdk()
        if hasattr(tinker.ServiceClient.create_rest_client, "__deprecated__"):
            return tinker.RestClient(base_url=self.url, api_key=os.environ.get(KEY))
        return self._service.create_rest_client()


def accepted(function: Callable[..., Any], **values: Any) -> dict[str, Any]:
    """Those of the keywords that this version of the SDK knows."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in values.items() if name in known}


def end_session(service: Any) -> None:
    """Tell the server that the session is over, and wait for its answer."""
    with suppress(Exception):
        service.close("success").result()
