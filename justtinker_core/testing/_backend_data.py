"""What the tests of backends send: requests, demonstrations, rollouts; and one step of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from justtinker_core.sampling import datum_of
from justtinker_core.types import Adam, Backend, Datum, Prompt, Rollout, Sample, Sampler, SampleRequest

PROMPTS = ("12+34=?", "What is 47+38?", "5+6=?")
ADAM = Adam(learning_rate=1e-2)
WAIT = 120
"""Seconds to wait for a future."""


def request(backend: Backend, text: str, **changes: object) -> SampleRequest:
    base = SampleRequest(tuple(backend.encode(text)), (), n=3, max_tokens=8, temperature=1.0, top_p=1.0, seed=7)
    return replace(base, **changes)  # type: ignore[arg-type]


def sample(sampler: Sampler, *requests: SampleRequest) -> list[list[Sample]]:
    return [future.result(WAIT) for future in sampler.sample(requests)]


def tokens(samples: Sequence[Sample]) -> list[tuple[int, ...]]:
    return [s.tokens for s in samples]


def policy_datum(prompt: Sequence[int], sampled: Sample, advantage: float) -> Datum:
    whole = Rollout(sampled.tokens, sampled.logprobs, (True,) * len(sampled.tokens), "")
    return datum_of(Prompt(tokens=tuple(prompt)), whole, advantage)


def demonstration(backend: Backend, prompt: str, response: str) -> Datum:
    head, tail = backend.encode(prompt), backend.encode(response)
    whole = (*head, *tail)
    return Datum(tuple(whole[:-1]), tuple(whole[1:]), weights=(0.0,) * (len(head) - 1) + (1.0,) * len(tail))


def demonstrations(backend: Backend) -> list[Datum]:
    pairs = zip(PROMPTS, ("4+2=6, 1+3=4", "85", "11, that is eleven"), strict=True)
    return [demonstration(backend, prompt, response) for prompt, response in pairs]


def loss_of(backend: Backend, data: Sequence[Datum]) -> float:
    return backend.forward_backward(data, "cross_entropy", {}).result(WAIT).loss


def logprobs_of(backend: Backend, data: Sequence[Datum]) -> np.ndarray:
    return np.concatenate(backend.forward_backward(data, "cross_entropy", {}).result(WAIT).logprobs)


def train(backend: Backend, data: Sequence[Datum], steps: int = 1) -> None:
    for _ in range(steps):
        trained, stepped = backend.forward_backward(data, "cross_entropy", {}), backend.optim_step(ADAM)
        trained.result(WAIT)
        stepped.result(WAIT)


OFF = ((1.0, -0.4), (-0.5, 0.4), (0.25, 0.0), (-1.0, 0.0), (0.5, 0.0), (0.0, 0.0))
"""Advantage of a rollout, and how much likelier its sampler, as it is told, found each token on average."""


def rollouts_off_policy(backend: Backend) -> list[Datum]:
    """Rollouts of one prompt whose sampler, as it is told, was another policy. The first two are to be clipped."""
    generator, draw = np.random.default_rng(0), request(backend, PROMPTS[0], n=len(OFF))
    data = []
    for drawn, (advantage, shift) in zip(sample(backend.sampler(), draw)[0], OFF, strict=True):
        told = tuple(drawn.logprobs + generator.normal(shift, 0.3, len(drawn.tokens)))
        data.append(policy_datum(draw.tokens, replace(drawn, logprobs=told), advantage))
    return data
