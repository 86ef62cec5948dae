"""The SDK's clients of one server: what the `tinker` backend asks it through, and what the server says of itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from justtinker_plugins.backends._tinker.calls import Calls
from justtinker_plugins.backends._tinker.waiting import KEY, Waiting, sdk
from justtinker_plugins.backends._tinker.workers import Worker

if TYPE_CHECKING:
    from justtinker_plugins.backends.tinker import Tinker

SERVICE = "https://tinker.thinkingmachines.dev/services/tinker-prod"


class Server:
    """A server's clients, each made at its first use. The methods that return a client run in the calls' thread."""

    def __init__(self, model: str, options: Tinker, seed: int, step: Callable[[], int]) -> None:
        self.model, self.options, self.seed = model, options, seed
        self.calls = Calls(Waiting(self.url, options.give_up_after, options.give_up_busy_after, step))
        self._training: Any = None
        self._closed = False

    @property
    def url(self) -> str:
        """The server's address."""
        return (self.options.base_url or os.environ.get("TINKER_BASE_URL") or SERVICE).rstrip("/")

    @cached_property
    def offered(self) -> dict[str, int | None]:
        """The models that the server offers, with their context lengths if it gives them."""
        listed = self.calls.submit(
            self._capabilities, lambda answer: answer.supported_models, "the list of models"
        ).result()
        return {m.model_name: getattr(m, "max_context_length", None) for m in listed if m.model_name}

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer of the model."""
        return self.calls.submit(
            lambda: self.training().get_tokenizer(), lambda tokenizer: tokenizer, "the tokenizer"
        ).result()

    def checkpoint(self, path: str) -> Any:
        """What the server knows of a checkpoint: its base model, rank and trained parts. PluginError if it is gone."""
        return self.calls.submit(
            lambda: self._rest().get_weights_info_by_tinker_path(path), lambda info: info, f"word of {path}"
        ).result()

    def training(self) -> Any:
        """The training client, of a new adapter unless `restore` has made one."""
        if self._training is None:
            options = self.options
            service = self._service
            self._training = self.calls.ask(
                lambda: service.create_lora_training_client(
                    base_model=self.model, rank=options.lora_rank, seed=self.seed, train_unembed=options.train_unembed
                ),
                "a training client",
            )
        return self._training

    def restore(self, path: str, optimizer: bool) -> None:
        """Make a new training client from a checkpoint."""
        create = getattr(self._service, f"create_training_client_from_state{'_with_optimizer' if optimizer else ''}")
        self._training = self.calls.ask(lambda: create(path), f"a training client with {path}")

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
        tinker = sdk()
        return self.calls.ask(lambda: tinker.ServiceClient(base_url=self.url, api_key=os.environ.get(KEY)), "a session")

    def _capabilities(self) -> Any:
        tinker = sdk()
        if hasattr(tinker.ServiceClient.get_server_capabilities, "__deprecated__"):
            return tinker.RestClient(base_url=self.url, api_key=os.environ.get(KEY)).get_server_capabilities()
        return self._service.get_server_capabilities()

    def _rest(self) -> Any:
        tinker = sdk()
        if hasattr(tinker.ServiceClient.create_rest_client, "__deprecated__"):
            return tinker.RestClient(base_url=self.url, api_key=os.environ.get(KEY))
        return self._service.create_rest_client()


def end_session(service: Any) -> None:
    """Tell the server that the session is over, and wait for its answer."""
    with suppress(Exception):
        service.close("success").result()
