"""Requests for samples as a vLLM server takes them, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from justtinker_core import Sample, SampleRequest, SamplingError
from justtinker_plugins.backends._local.model import Policy
from justtinker_plugins.backends._local.sampling import check_request, split_stops

NEUTRAL = {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
"""What vLLM would otherwise take from the model's generation_config.json; no log-probability would show it."""
GREEDY = {"n": 1, "temperature": 0.0}
"""vLLM refuses several greedy samples, which would all be the same."""


def body_of(policy: Policy, request: SampleRequest, context: int) -> dict[str, Any]:
    """A request as the server takes it; the same tokens stop it that stop `local` itself."""
    limit = check_request(policy, request, context)
    tokens, texts = split_stops(policy, request.stop)
    body = {
        "prompt": list(request.tokens),
        "n": request.n,
        "max_tokens": limit,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "logprobs": 1,  # of the drawn token, and of the likeliest
        "stop_token_ids": list(tokens),
        "stop": list(texts),
        "ignore_eos": True,  # it is one of the stops, or does not stop
        "include_stop_str_in_output": True,
        "skip_special_tokens": False,
        "return_token_ids": True,
        **NEUTRAL,
    }
    return body | GREEDY if request.temperature == 0 else body


def samples_of(answer: Mapping[str, Any], request: SampleRequest) -> list[Sample]:
    """The samples of an answer. SamplingError if it lacks some, or their log-probabilities."""
    try:
        choices = sorted(answer["choices"], key=lambda choice: int(choice["index"]))
        samples = [sample_of(choice) for choice in choices]
    except (KeyError, TypeError, ValueError) as error:
        raise SamplingError(
            f"vLLM's answer has no tokens with log-probabilities ({error!r}): expected vLLM 0.10.2 or newer"
        ) from error
    if request.temperature == 0:
        samples *= request.n
    if len(samples) != request.n:
        raise SamplingError(f"vLLM sent {len(samples)} samples; expected {request.n}")
    return samples


def sample_of(choice: Mapping[str, Any]) -> Sample:
    """One choice as a sample."""
    tokens, logprobs = choice["token_ids"], choice["logprobs"]["token_logprobs"]
    if choice["finish_reason"] not in ("stop", "length") or len(tokens) != len(logprobs):
        raise ValueError(f"finish_reason {choice['finish_reason']}, {len(tokens)} tokens, {len(logprobs)} logprobs")
    return Sample(tuple(map(int, tokens)), tuple(map(float, logprobs)), choice["finish_reason"] == "stop")
