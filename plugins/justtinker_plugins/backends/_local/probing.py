"""A probe of a model on this machine: how fast it samples and trains, and what memory a step takes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from justtinker_core import Datum, SampleRequest
from justtinker_plugins.backends._local import losses, sampling
from justtinker_plugins.backends._local.logprobs import default_chunk
from justtinker_plugins.backends._local.memory import cache_limit, free_memory
from justtinker_plugins.backends._local.model import Policy
from justtinker_plugins.backends._local.sampler import promised

if TYPE_CHECKING:
    from justtinker_plugins.backends.local import Local

WORK = 2e11
"""Operations of a probe, about a second or two of one core."""
NEW = 8
"""Tokens that each row of a probe samples."""


@dataclass(frozen=True)
class Probe:
    """What was measured."""

    sampled: float | None
    """Tokens sampled a second; None if a server samples."""
    trained: float
    """Tokens trained a second."""
    needs: int
    """Bytes that a step takes at its peak, the model included."""
    has: int | None
    """Bytes that are free, those that the model takes already included; None if that is unknown."""


def probe(policy: Policy, options: Local, rows: int, prompt: int, response: int, batch: int) -> Probe:
    """Sample a few tokens of `rows` rows and train on some; the weights and random states stay as they are.

    `prompt` and `response` are tokens of a row, `batch` those that are trained in a step.
    """
    count = policy.model.num_parameters()
    sampled, cache = None, 0
    if options.sampler == "torch":
        rows = max(1, min(rows, options.sample_batch))
        few = max(1, min(rows, int(WORK / (2 * count * NEW))))
        sampled = few * NEW / timed_sampling(policy, few, prompt)
        cache = cache_bytes(policy, options, rows, prompt + response)
    some = int(min(max(WORK / (6 * count), 32), 1024, max(batch, 32)))
    seconds, saved = timed_training(policy, options, some)
    full = min(batch, options.max_batch_tokens)
    training = int(full * saved) + logits_bytes(policy, options, full)
    needs = own_bytes(policy) + max(cache, training)
    return Probe(sampled, some / seconds, needs, free_bytes(policy))


def timed_sampling(policy: Policy, rows: int, prompt: int) -> float:
    """Seconds that `NEW` tokens of each row take, once the prompt is read."""
    seconds = []
    for new in (2, 2, 2 + NEW):  # the first warms up, the second tells what reading the prompt takes
        request = SampleRequest(sequence(policy, prompt), ("",), rows, new, 1.0, 1.0, 0)
        begun = time.perf_counter()
        sampling.sample(
            policy,
            [request],
            promised(1),
            context=prompt + NEW + 3,
            most_rows=rows,
            most_bytes=float("inf"),
            closed=threading.Event(),
            progress=lambda *_: None,
        )
        seconds.append(time.perf_counter() - begun)
    return max(seconds[2] - seconds[1], 1e-6)


def timed_training(policy: Policy, options: Local, tokens: int) -> tuple[float, float]:
    """Seconds of a forward and backward pass of so many tokens, and bytes a token that are kept between the two."""
    found = 0.0, 0.0
    for size in (8, tokens):  # the first warms up
        with counted_bytes(policy) as kept:
            begun = time.perf_counter()
            losses.forward_backward(
                policy,
                rows_of(policy, size),
                "cross_entropy",
                {},
                most_tokens=size,
                chunk=options.logprob_chunk,
                closed=threading.Event(),
                progress=lambda *_: None,
            )
            found = time.perf_counter() - begun, sum(kept.values()) / size
    for parameter in policy.trained:
        parameter.grad = None
    return found


def rows_of(policy: Policy, tokens: int) -> list[Datum]:
    """Data of so many tokens in all, in rows of at most 256."""
    sizes = [256] * (tokens // 256) + ([tokens % 256] if tokens % 256 else [])
    return [Datum(row[:-1], row[1:], weights=(1.0,) * size) for size in sizes for row in [sequence(policy, size + 1)]]


def sequence(policy: Policy, length: int) -> tuple[int, ...]:
    """Some tokens."""
    return tuple((7 * i + 3) % policy.vocabulary for i in range(max(1, length)))


@contextlib.contextmanager
def counted_bytes(policy: Policy) -> Iterator[dict[int, int]]:
    """Bytes of each tensor that autograd keeps for the backward pass, without the weights, by address."""
    import torch

    weights = {p.untyped_storage().data_ptr() for p in policy.model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield kept


def own_bytes(policy: Policy) -> int:
    """Bytes of the weights, their gradients and the optimizer's two moments, and its copies of what is not float32."""
    trained = sum(p.numel() * (p.itemsize + 8 + (4 if p.itemsize != 4 else 0)) for p in policy.trained)
    return weight_bytes(policy) + trained


def weight_bytes(policy: Policy) -> int:
    """Bytes of the weights."""
    return sum(int(p.numel() * p.itemsize) for p in policy.model.parameters())


def cache_bytes(policy: Policy, options: Local, rows: int, tokens: int) -> int:
    """Bytes of the KV cache of rows that run to their limit."""
    optimizer = own_bytes(policy) - weight_bytes(policy)
    return int(min(rows * tokens * policy.cache_bytes, cache_limit(policy.device, options.cache_gib, optimizer)))


def logits_bytes(policy: Policy, options: Local, tokens: int) -> int:
    """Bytes of the logits of a training batch, with cross-entropy and its gradient."""
    return 3 * 4 * min(tokens, options.logprob_chunk or default_chunk(policy)) * policy.vocabulary


def free_bytes(policy: Policy) -> int | None:
    """Bytes that a run may take where the model is, those included that the model takes already; None if unknown."""
    free = free_memory(policy.device)
    return None if free is None else free + weight_bytes(policy)
