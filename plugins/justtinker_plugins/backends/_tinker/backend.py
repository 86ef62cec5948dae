"""The `tinker` backend's `Backend`: text, sampling, training and checkpoints over the SDK's clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import cached_property
from typing import TYPE_CHECKING, Any

from justtinker_core import Datum, PluginError, Prompt
from justtinker_core.types import Adam, Loss, Message, TrainResult
from justtinker_plugins.backends._data import check_data, settings_complaint, settings_of
from justtinker_plugins.backends._tinker import protocol, wire
from justtinker_plugins.backends._tinker.calls import is_gone
from justtinker_plugins.backends._tinker.price_file import URL, PriceFile
from justtinker_plugins.backends._tinker.prices import Prices, find_prices, published
from justtinker_plugins.backends._tinker.sampler import TinkerSampler, ask_logprobs
from justtinker_plugins.backends._tinker.server import NO_LABELS, Server
from justtinker_plugins.shared.models import usd
from justtinker_plugins.shared.prompts import Prompts, decode, encode

if TYPE_CHECKING:
    from justtinker_plugins.backends.tinker import Tinker

PATHS = "tinker://"
ANY_TOKEN = 2**31
UNBOUNDED = 10**9  # transformers writes a huge number where a tokenizer knows no limit


class TinkerBackend:
    """A `Backend` over the SDK's service client and one training client, which is made at its first use."""

    def __init__(
        self,
        model: str,
        options: Tinker,
        seed: int,
        step: Callable[[], int] = lambda: 0,
        labels: Mapping[str, str] = NO_LABELS,
    ) -> None:
        self.model, self.options = model, options
        self.server = Server(model, options, seed, step, labels)
        self.concurrent = True

    # -- the model ---------------------------------------------------------------------------------------------------

    @cached_property
    def context_length(self) -> int:
        """The most tokens of prompt plus response."""
        if self.options.context_length:
            return self.options.context_length
        length = self.server.offered.get(self.model) or int(self.server.tokenizer.model_max_length)
        if length < UNBOUNDED:
            return length
        raise PluginError(
            f"neither the server nor the tokenizer says how many tokens {self.model} takes: "
            f"set context_length in [plugins.tinker]"
        )

    @cached_property
    def end_token(self) -> str:
        """The tokenizer's end token."""
        return str(self.server.tokenizer.eos_token)

    def encode(self, text: str) -> list[int]:
        """Encode text: special tokens spelled out in it are recognised, none are added."""
        return encode(self.server.tokenizer, text)

    def decode(self, tokens: Sequence[int]) -> str:
        """Decode tokens, special tokens included."""
        return decode(self.server.tokenizer, tokens)

    def render(self, prompt: str | Sequence[Message], **template: Any) -> Prompt:
        """Make a prompt of text or messages. PluginError if there is no chat template or it rejects the messages."""
        return self._prompts(prompt, template)

    @cached_property
    def _prompts(self) -> Prompts:
        return Prompts(self.server.tokenizer)

    # -- sampling and training ---------------------------------------------------------------------------------------

    def sampler(self) -> TinkerSampler:
        """A sampler of the weights after all work submitted so far. The export goes on when this returns."""
        calls, training = self.server.calls, self.server.training
        exported = calls.submit(
            lambda: training().save_weights_and_get_sampling_client(),
            lambda client: client,
            "the weights to sample from",
            in_session=True,
        )
        return TinkerSampler(self, calls, exported)

    def check_loss(self, loss: Loss, config: Mapping[str, float]) -> str:
        """Why neither the service nor the server can compute a loss, and what can; "" if nothing is known against it.

        A server of one's own is asked what it takes once it has been reached, not before.
        """
        if complaint := unsupported(loss, config):
            return complaint
        taken = self.server.losses()
        if not taken or loss in taken:
            return ""
        return f"{self.server.url} does not take the loss {loss!r}: choose one that it takes ({', '.join(taken)})"

    def forward_backward(self, data: Sequence[Datum], loss: Loss, config: Mapping[str, float]) -> Future[TrainResult]:
        """Add the gradient of the summed loss to the gradient accumulated on the server.

        dro's quadratic term, which the service applies to every target, vanishes where the mask is 0: a forward pass
        asks for the trainer's log-probabilities first, and these are sent there for the sampler's.
        """
        data, config, context = tuple(data), settings_of(loss, config), self.context_length

        def call() -> Any:
            if complaint := unsupported(loss, config):
                raise PluginError(complaint)
            check_data(data, loss, config, context, ANY_TOKEN)
            anchored = self._anchored(data) if loss == "dro" else data
            sent = [wire.to_datum(datum, loss) for datum in anchored]
            return self.server.training().forward_backward(sent, loss, config or None)

        return self.server.calls.submit(
            call, lambda reply: wire.train_result(reply, data, loss, config), "the gradient", in_session=True
        )

    def _anchored(self, data: Sequence[Datum]) -> list[Datum]:
        """The data with the trainer's own log-probabilities wherever the mask is 0. In the calls' thread."""
        training = self.server.training()
        sent = [wire.to_datum(wire.unweighted(datum), "cross_entropy") for datum in data]
        reply = self.server.calls.ask(
            lambda: training.forward(sent, "cross_entropy"), "the log-probabilities of the prompts", in_session=True
        )
        return [wire.anchored(d, own) for d, own in zip(data, wire.target_logprobs(reply, data), strict=True)]

    def optim_step(self, adam: Adam) -> Future[Mapping[str, float]]:
        """Take an Adam step with the accumulated gradient; reports ``grad_norm`` if the server does."""
        return self.server.calls.submit(
            lambda: self.server.training().optim_step(wire.adam_params(adam)),
            wire.optim_metrics,
            "the optimizer step",
            in_session=True,
        )

    def reference_logprobs(
        self, sequences: Sequence[tuple[int, ...]], path: str | None
    ) -> list[Future[tuple[float, ...]]]:
        """The log-probabilities of each sequence but its first token, under a checkpoint or the model's own weights.

        Their sampler is made at the first call and kept. A sequence that fails, fails alone, with a SamplingError.
        """
        calls, server = self.server.calls, self.server
        ready = calls.submit(lambda: server.reference(path), lambda client: client, "the weights to compare with")
        return ask_logprobs(calls, ready, sequences)

    def save(self, name: str, ttl_seconds: int | None = None) -> Future[str]:
        """Save weights and optimizer on the server, for `ttl_seconds`; the result is their ``tinker://`` path."""
        return self.server.calls.submit(
            lambda: self.server.training().save_state(name, ttl_seconds=ttl_seconds),
            lambda reply: str(reply.path),
            f"the checkpoint {name}",
            in_session=True,
        )

    def forget(self, path: str) -> None:
        """Do nothing: checkpoints that may be forgotten were saved with a time to live."""

    def restore(self, path: str, *, optimizer: bool) -> None:
        """Continue from a checkpoint, with a new training client. FileNotFoundError: it expired or never existed."""
        if not path.startswith(PATHS):
            raise FileNotFoundError(not_a_checkpoint(path))

        try:
            self.server.calls.submit(
                lambda: self.server.restore(path, optimizer), lambda _: None, f"the weights of {path}"
            ).result()
        except PluginError as error:
            if is_gone(error):
                raise FileNotFoundError(f"{path} is no longer on the server: {error}") from None
            raise PluginError(f"cannot restore {path}: {error}") from None

    def usd(self, tokens: Mapping[str, int]) -> float | None:
        """The cost of tokens by kind; None for a model without prices."""
        return usd(tokens, self.prices.usd) if self.prices else None

    @cached_property
    def price_file(self) -> PriceFile | None:
        """The service's price file, asked for once; None for another server, or if it is switched off."""
        return published(self.options, self.server)

    @cached_property
    def prices(self) -> Prices | None:
        """The model's prices on this server, as long as this backend lives; None if they are not known."""
        return find_prices(self.model, self.options, self.server, self.price_file)

    @property
    def price_note(self) -> str:
        """Where the prices are from, or where to find them."""
        return f"Prices: {self.prices.source}, {self.prices.seen}." if self.prices else unpriced(self)

    def close(self) -> None:
        """End the session. The server finishes what it has begun; open futures raise."""
        self.server.close()


def unsupported(loss: Loss, config: Mapping[str, float]) -> str:
    """Why the service's losses, or the SDK's, do not include this one; "" if they do."""
    if "dual_clip" in config and loss == "ppo":
        return (
            "the Tinker service's ppo has no dual clip: leave dual_clip out, or use the backend 'local', which has it"
        )
    return settings_complaint(loss, config) or protocol.lacking(loss)


def unpriced(backend: TinkerBackend) -> str:
    """What to do about a model whose prices are not known."""
    where = f"the console and {URL} have them"
    if not backend.server.is_service:
        where = "this server is not the service"
    elif backend.price_file and backend.price_file.rows:
        where = f"{backend.options.price_file} has none, the console may"
    return (
        f"No prices are known for {backend.model}: {where}; set [plugins.tinker] prices, in USD per million tokens "
        "(prefill, sampled, trained)."
    )


def not_a_checkpoint(path: str) -> str:
    """The error for a path that no Tinker server can restore."""
    return f"{path} is not a checkpoint on a Tinker server ({PATHS}...)"
