"""The SDK's clients of one server: what the `tinker` backend asks it through, and what the server says of itself."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from justtinker_plugins.backends._tinker.calls import KEY, Calls

if TYPE_CHECKING:
    from justtinker_plugins.backends.tinker import Tinker

SERVICE = "https://tinker.thinkingmachines.dev/services/tinker-prod"


class Server:
    """A server's clients, each made at its first use. The methods that return a client run in the calls' thread."""

    def __init__(self, model: str, options: Tinker, seed: int) -> None:
        self.model, self.options, self.seed = model, options, seed
        self.calls = Calls()
        self._training: Any = None
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
    def offered(self) -> dict[str, int | None]:
        """The models that the server offers, with their context lengths if it gives them."""
        listed = self.calls.submit(self._capabilities, lambda answer: answer.supported_models).result()
        return {m.model_name: getattr(m, "max_context_length", None) for m in listed if m.model_name}

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer of the model."""
        return self.calls.submit(lambda: self.training().get_tokenizer(), lambda tokenizer: tokenizer).result()

    def checkpoint(self, path: str) -> Any:
        """What the server knows of a checkpoint: its base model, rank and trained parts. PluginError if it is gone."""
        return self.calls.submit(lambda: self.rest().get_weights_info_by_tinker_path(path), lambda info: info).result()

    def training(self) -> Any:
        """The training client, of a new adapter unless `restore` has made one."""
        if self._training is None:
            options = self.options
            self._training = self.calls.wait_for(
                self._service.create_lora_training_client(
                    base_model=self.model, rank=options.lora_rank, seed=self.seed, train_unembed=options.train_unembed
                )
            )
        return self._training

    def restore(self, path: str, optimizer: bool) -> None:
        """Make a new training client from a checkpoint."""
        create = getattr(self._service, f"create_training_client_from_state{'_with_optimizer' if optimizer else ''}")
        self._training = self.calls.wait_for(create(path))

    def close(self) -> None:
        """End the session. The server finishes what it has begun; open futures raise."""
        if self._closed:
            return
        self._closed = True
        self.calls.close()
        service: Any = self.__dict__.get("_service")
        if hasattr(service, "close"):  # old SDKs have no such method
            with suppress(Exception):
                service.close("success").result(timeout=10)

    @cached_property
    def _service(self) -> Any:
        import tinker

        return tinker.ServiceClient(base_url=self.url, api_key=os.environ.get(KEY))

    def _capabilities(self) -> Any:
        import tinker

        if hasattr(tinker.ServiceClient.get_server_capabilities, "__deprecated__"):
            return tinker.RestClient(base_url=self.url, api_key=os.environ.get(KEY)).get_server_capabilities()
        return self._service.get_server_capabilities()

    def rest(self) -> Any:
        """The client for checkpoints."""
        import tinker

        if hasattr(tinker.ServiceClient.create_rest_client, "__deprecated__"):
            return tinker.RestClient(base_url=self.url, api_key=os.environ.get(KEY))
        return self._service.create_rest_client()
