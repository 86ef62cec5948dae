"""Packed tokens: the layout's indices, and the same log-probabilities and gradients as one sequence at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the local backend needs the 'local' extra")

import torch
import transformers

from justtinker_core import Datum, SampleRequest
from justtinker_plugins.backends._local.packing import batches, layout_of
from tests.plugins.test_local import Open, opened

__all__ = ["opened"]

SHAPE = {
    "vocab_size": 120, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


def datum(prompt: tuple[int, ...], response: tuple[int, ...]) -> Datum:
    tokens = prompt + response
    return Datum(tokens[:-1], tokens[1:], weights=(0.0,) * (len(prompt) - 1) + (1.0,) * len(response))


def tokens(least: int, most: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(st.integers(3, 9), min_size=least, max_size=most).map(tuple)


def groups() -> st.SearchStrategy[list[Datum]]:
    """Data of a few prompts, each with a few responses."""
    group = st.tuples(tokens(1, 6), st.lists(tokens(1, 7), min_size=1, max_size=4))
    return st.lists(group, min_size=1, max_size=4).map(lambda all_: [datum(p, r) for p, some in all_ for r in some])


@given(groups(), st.integers(1, 60))
def test_a_layout_holds_every_sequence(data: list[Datum], most: int) -> None:
    seen = []
    for batch in batches(data, most):
        layout = layout_of(data, batch)
        seen += layout.order
        read = layout.hidden[layout.expand]  # the token that predicts each target
        assert layout.tokens[read].tolist() == [t for i in layout.order for t in data[i].inputs]
        assert layout.targets[layout.expand].tolist() == [t for i in layout.order for t in data[i].targets]
        assert layout.positions[read].tolist() == [p for i in layout.order for p in range(len(data[i].inputs))]
        trained = [w != 0 for i in layout.order for w in data[i].weights or ()]
        assert (layout.expand < layout.trained)[trained].all()
        assert len(layout.tokens) == layout.prefixes.sum() + layout.rows.sum()
        assert len(layout.tokens) <= most or len(batch) == len(layout.order) == 1
    assert sorted(seen) == list(range(len(data)))


def test_a_group_has_its_prompt_once() -> None:
    data = [datum((5, 6, 7), (8, 9)), datum((3, 3), (4,)), datum((5, 6, 7), (9, 9, 9))]
    (batch,) = batches(data, 100)
    layout = layout_of(data, batch)
    assert layout.order == [1, 0, 2]
    assert layout.tokens.tolist() == [3, 3, 5, 6, 7, 8, 9, 9]  # what predicts nothing is not read
    assert layout.prefixes.tolist() == [2, 3]


@settings(max_examples=15, deadline=None)
@given(groups())
def test_packing_changes_no_gradient(data: list[Datum]) -> None:
    policy = policy_of(transformers.LlamaConfig(**SHAPE))
    assert policy.packs
    found = [gradients(policy, data, most) for most in (1000, 1)]  # all together; each sequence alone
    for together, alone in zip(*found, strict=True):
        np.testing.assert_allclose(together, alone, atol=1e-5)


def policy_of(config: Any) -> Any:
    from justtinker_plugins.backends._local import model as models
    from justtinker_plugins.backends._local.attention import can_pack

    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    for parameter in model.parameters():
        parameter.data.uniform_(-0.3, 0.3)
    policy = models.Policy(model, None, torch.device("cpu"))
    policy.plain_head = models.has_plain_head(model, policy.device)
    policy.packs = policy.plain_head and can_pack(policy)
    return policy


def gradients(policy: Any, data: list[Datum], most: int) -> list[np.ndarray]:
    """The log-probabilities of all targets, then the gradient of each weight."""
    from justtinker_plugins.backends._local.logprobs import target_logprobs

    logprobs: dict[int, Any] = {}
    for order, flat in target_logprobs(policy, data, most, None):
        parts = torch.split(flat, [len(data[i].inputs) for i in order])
        logprobs |= {i: part.detach() for i, part in zip(order, parts, strict=True)}
        sum((p * torch.tensor(data[i].weights)).sum() for i, p in zip(order, parts, strict=True)).backward()
    found = [p.grad.numpy() for p in policy.model.parameters()]
    policy.model.zero_grad()
    return [torch.cat([logprobs[i] for i in range(len(data))]).numpy(), *found]


@pytest.mark.parametrize(
    ("name", "more", "packs"),
    [
        ("LlamaConfig", {}, True),
        ("Qwen2Config", {}, True),
        ("Phi3Config", {}, True),
        ("MistralConfig", {"sliding_window": None}, True),
        ("MistralConfig", {"sliding_window": 8}, False),
        ("Gemma2Config", {"head_dim": 8}, False),  # caps scores and logits
        ("MambaConfig", {}, False),  # has no attention
    ],
)
def test_an_architecture_is_packed_if_it_can_be_and_computed_the_same(
    name: str, more: dict[str, Any], packs: bool
) -> None:
    policy = policy_of(getattr(transformers, name)(**SHAPE, **more))
    assert policy.packs == packs
    data = [datum(tuple(range(3, 20)), tuple((7 * i * n) % 110 + 3 for i in range(n))) for n in (1, 9, 30)]
    got = gradients(policy, data, 1000)[0]
    policy.config._attn_implementation = "eager"
    with torch.no_grad():
        logits = [policy.model(torch.tensor([d.inputs])).logits[0].float().log_softmax(-1) for d in data]
    expected = [x[range(len(d.targets)), list(d.targets)].numpy() for x, d in zip(logits, data, strict=True)]
    np.testing.assert_allclose(got, np.concatenate(expected), atol=1e-4)


def test_the_cache_grows_and_rows_leave_it(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts of different lengths and limits: rows end at all times, and each is sampled as if it were alone."""
    backend = opened()
    plenty = sampled(backend)
    monkeypatch.setattr("justtinker_plugins.backends._local.cache.ROOM", 2)
    monkeypatch.setattr("justtinker_plugins.backends._local.sampling.WASTE", 0.0)
    assert [s.tokens for s in sampled(backend)] == [s.tokens for s in plenty]
    backend.options.sample_batch = 1
    for alone, together in zip(sampled(backend), plenty, strict=True):
        assert alone.tokens == together.tokens
        assert alone.logprobs == pytest.approx(together.logprobs, abs=1e-4)


def sampled(backend: Any) -> list[Any]:
    texts = ["1+1=?", "12+34=?", "What is 123+456+789?"]
    requests = [
        SampleRequest(tuple(backend.encode(text)), ("\n",), 3, 5 * (i + 1), 1.0, 1.0, i) for i, text in enumerate(texts)
    ]
    return [s for future in backend.sampler().sample(requests) for s in future.result()]
