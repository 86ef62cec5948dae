"""A backend without a model: a script says what is sampled, and one number stands for the weights."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from justtinker_core.hookspecs import hookimpl
from justtinker_core.run import Run
from justtinker_core.types import Adam, Datum, Message, Prompt, Sample, SampleRequest, TrainResult, Update

Respond = Callable[[str, int], str]
"""Returns the response: ``respond(prompt, index)`` gets the prompt's text and the sample's index in its request."""
Ready = list[tuple[Future[list[Sample]], list[Sample]]]


class ScriptedBackend:
    """A backend whose tokens are characters. A script gives the samples; one weight is really trained and saved.

    Without a script, the response to a prompt is 0, 1 or 2, drawn by prompt, seed, sample index and weight. The backend
    keeps the names of its `calls`, and the `requests`, `updates` and `adams` that it got.
    """

    end_token = "\x03"
    """Ends a response. No ordinary text holds this character."""
    context_length = 1_000_000
    concurrent = False

    def __init__(self, respond: Respond | None = None, price: float | None = None) -> None:
        self.respond = respond
        self.price = price
        """USD per token of any kind; None: unknown."""
        self.weights, self.momentum, self.gradient = 1.0, 0.0, 0.0
        self.calls: list[str] = []
        self.requests: list[list[SampleRequest]] = []
        self.updates: list[Update] = []
        self.adams: list[Adam] = []
        self.folder: Path | None = None
        """Where `save` writes: the run directory after `open_backend`, else a temporary directory."""

    def called(self, name: str) -> None:
        """Note a call. Override this to make a call fail."""
        self.calls.append(name)

    def promise(self, value: Any, name: str) -> Future[Any]:
        """Return a call's future, done at once. Override this to make the caller wait."""
        future: Future[Any] = Future()
        future.set_result(value)
        return future

    def deliver(self, ready: Ready) -> None:
        """Resolve the futures of one `sample` call. Override this to deliver late, in another order, or an error."""
        for future, samples in ready:
            future.set_result(samples)

    @hookimpl
    def open_backend(self, run: Run) -> ScriptedBackend:
        """Return itself: it is plugin and backend in one."""
        self.called("open_backend")
        self.folder = run.dir / "checkpoints"
        return self

    def encode(self, text: str) -> list[int]:
        """Return one token per character."""
        return [ord(character) for character in text]

    def decode(self, tokens: Sequence[int]) -> str:
        """Return one character per token."""
        return "".join(map(chr, tokens))

    def render(self, prompt: str | Sequence[Message], **template: Any) -> Prompt:
        """Write ``[role]content`` for each message, then ``[assistant]`` and, with ``thinking=True``, ``<think>``."""
        if isinstance(prompt, str):
            text = prompt
        else:
            ends = {"assistant": self.end_token}
            text = "".join(f"[{m['role']}]{m['content']}{ends.get(m['role'], '')}" for m in prompt)
            text += "[assistant]" + ("<think>\n" if template.get("thinking") else "")
        return Prompt(text, stop=(self.end_token,), tokens=tuple(self.encode(text)))

    def sampler(self) -> ScriptedSampler:
        """Return a sampler of the weight as it is now."""
        self.called("sampler")
        return ScriptedSampler(self, self.weights)

    def check_loss(self, loss: Any, config: Mapping[str, float]) -> str:
        """Refuse nothing: all losses are one to it."""
        return ""

    def forward_backward(self, data: Sequence[Datum], loss: Any, config: Mapping[str, float]) -> Future[TrainResult]:
        """Compute a loss and a gradient that depend on every target and its weight."""
        self.called("forward_backward")
        self.updates.append(Update(tuple(data), loss, dict(config)))
        logprob = -1 / (1 + self.weights**2)
        each = [d.weights if d.weights is not None else d.advantages or () for d in data]
        self.gradient += sum(
            math.sin(target * 12.9898 + position * 78.233) * weight  # no two batches alike
            for datum, weights in zip(data, each, strict=True)
            for position, (target, weight) in enumerate(zip(datum.targets, weights, strict=True))
        )
        result = TrainResult(-logprob * sum(map(sum, each)), tuple((logprob,) * len(d.targets) for d in data))
        return self.promise(result, "forward_backward")

    def optim_step(self, adam: Adam) -> Future[Mapping[str, float]]:
        """Move the weight by the momentum, and clear the gradient."""
        self.called("optim_step")
        self.adams.append(adam)
        norm = abs(self.gradient)
        self.momentum = adam.beta1 * self.momentum + math.tanh(self.gradient)
        self.weights += adam.learning_rate * self.momentum
        self.gradient = 0.0
        return self.promise({"grad_norm": norm}, "optim_step")

    def save(self, name: str, ttl_seconds: int | None = None) -> Future[str]:
        """Write weight and momentum to a file."""
        self.called("save")
        self.folder = self.folder or Path(tempfile.mkdtemp(prefix="scripted_backend_"))
        self.folder.mkdir(exist_ok=True)
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps([self.weights, self.momentum]))
        return self.promise(str(path), "save")

    def restore(self, path: str, *, optimizer: bool) -> None:
        """Read weight and momentum back."""
        self.called(f"restore {Path(path).stem}{'' if optimizer else ' without optimizer'}")
        self.weights, momentum = json.loads(Path(path).read_text())
        self.momentum = momentum if optimizer else 0.0

    def forget(self, path: str) -> None:
        """Delete the file."""
        self.called(f"forget {Path(path).stem}")
        Path(path).unlink()

    def usd(self, tokens: Mapping[str, int]) -> float | None:
        """Return `price` per token."""
        return None if self.price is None else self.price * sum(tokens.values())

    def close(self) -> None:
        """Note the call."""
        self.called("close")


class ScriptedSampler:
    """Samples what the backend's script says."""

    def __init__(self, backend: ScriptedBackend, weights: float) -> None:
        self._backend, self._weights = backend, weights

    def sample(self, requests: Sequence[SampleRequest]) -> list[Future[list[Sample]]]:
        """Answer all requests at once."""
        self._backend.called(f"sample {len(requests)}")
        self._backend.requests.append(list(requests))
        ready: Ready = [(Future(), [self.sample_one(r, i) for i in range(r.n)]) for r in requests]
        self._backend.deliver(ready)
        return [future for future, _ in ready]

    def sample_one(self, request: SampleRequest, index: int) -> Sample:
        """Return the script's text up to a stop or to `max_tokens`."""
        prompt = self._backend.decode(request.tokens)
        if self._backend.respond is not None:
            text = self._backend.respond(prompt, index)
        else:
            key = repr((prompt, request.seed, index, self._weights)).encode()
            text = str(hashlib.blake2b(key).digest()[0] % 3)
        text += request.stop[-1] if request.stop else ""
        end = min((text.index(s) + len(s) for s in request.stop if s in text), default=request.max_tokens + 1)
        stopped, text = end <= request.max_tokens, text[: min(end, request.max_tokens)]
        logprob = -0.5 - 0.1 * math.tanh(self._weights)
        return Sample(tuple(map(ord, text)), (logprob,) * len(text), stopped)
