from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_core.errors import PluginError
from justtinker_core.options import configure
from justtinker_core.rundir import RunDir
from justtinker_core.types import Adam, Datum, SampleRequest
from justtinker_plugins.backends._local import model as models
from justtinker_plugins.backends._local.sampling import Job, row_batches
from justtinker_plugins.backends.local import Local, LocalBackend
from justtinker_plugins.shared.prompts import decode, encode

pytest.importorskip("torch", reason="the local backend needs the 'local' extra")

from justtinker_core.testing.backends import (
    ADAM,
    BackendConformance,
    demonstrations,
    policy_datum,
    request,
    sample,
    tokens,
    train,
)

Open = Callable[..., LocalBackend]
CHATML = (
    "<|im_start|>system\nYou are a helpful mathematical assistant. Think step by step before answering.<|im_end|>\n"
    "<|im_start|>user\nSolve the following math problem.\n\nProblem: 47+38=?<|im_end|>\n<|im_start|>assistant\n"
)


def open_local(directory: Path, model: str = "tiny", seed: int = 0, **options: Any) -> LocalBackend:
    run = types.SimpleNamespace(
        config=types.SimpleNamespace(run=types.SimpleNamespace(model=model, seed=seed)),
        dir=directory,
        report_progress=lambda stage, done, total: None,
    )
    return configure(Local, "plugins.local", options).open_backend(run)  # type: ignore[arg-type, return-value]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    backends: list[LocalBackend] = []

    def open_one(*arguments: Any, **options: Any) -> LocalBackend:
        backends.append(open_local(tmp_path / str(len(backends)), *arguments, **options))
        return backends[-1]

    yield open_one
    for backend in backends:
        backend.close()


class TestAllWeights(BackendConformance):
    @pytest.fixture
    def fresh(self, opened: Open) -> Open:
        return opened


class TestLora(BackendConformance):
    @pytest.fixture
    def fresh(self, opened: Open) -> Open:
        return lambda: opened(lora_rank=4)


class TestSmallPieces(BackendConformance):
    """Micro-batches, chunks of log-probabilities and sampling batches, all smaller than the data."""

    @pytest.fixture
    def fresh(self, opened: Open) -> Open:
        return lambda: opened(max_batch_tokens=40, logprob_chunk=7, sample_batch=2)


class TestRecomputed(BackendConformance):
    """Activations are computed again for the backward pass."""

    @pytest.fixture
    def fresh(self, opened: Open) -> Open:
        return lambda: opened(checkpoint_activations=True)


class TestPadded(BackendConformance):
    """A model whose tokens cannot be packed, as its layers have sliding windows."""

    @pytest.fixture
    def fresh(self, opened: Open, tmp_path: Path) -> Open:
        from transformers import MistralConfig, MistralForCausalLM

        config = MistralConfig(
            vocab_size=120, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            intermediate_size=64, max_position_embeddings=1024, sliding_window=16,
        )  # fmt: skip
        MistralForCausalLM(config).save_pretrained(tmp_path / "mistral")
        models.tiny_tokenizer().save_pretrained(tmp_path / "mistral")
        return lambda: opened(str(tmp_path / "mistral"))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as it comes from the hub: tied embeddings, a tokenizer, no trace of this project."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    path, tokenizer = tmp_path_factory.mktemp("models") / "tied", models.tiny_tokenizer()
    torch.manual_seed(5)
    config = Qwen3Config(
        vocab_size=128, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
        intermediate_size=32, max_position_embeddings=64, tie_word_embeddings=True, attention_dropout=0.5,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.mark.slow
class TestDirectory(BackendConformance):
    @pytest.fixture
    def fresh(self, opened: Open, directory: Path) -> Open:
        return lambda: opened(str(directory))


@pytest.mark.slow
class TestDirectoryWithLora(BackendConformance):
    @pytest.fixture
    def fresh(self, opened: Open, directory: Path) -> Open:
        return lambda: opened(str(directory), lora_rank=2, lora_targets=["q_proj", "v_proj"])


def weights(backend: LocalBackend) -> dict[str, np.ndarray]:
    return {name: p.detach().numpy().copy() for name, p in backend.policy.model.named_parameters()}


def same(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> bool:
    return one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)


# -- the tiny model --------------------------------------------------------------------------------------------------


def test_the_tiny_model_is_drawn_from_the_seed(opened: Open) -> None:
    one, again, other = opened(seed=1), opened(seed=1), opened(seed=2)
    assert same(weights(one), weights(again))
    assert not same(weights(one), weights(other))
    assert 105_000 < sum(w.size for w in weights(one).values()) < 115_000
    assert one.end_token == "<|im_end|>"


def test_the_recipe_prompt_is_short_for_the_tiny_model(opened: Open) -> None:
    backend = opened()
    assert len(backend.encode(CHATML)) == 17
    assert backend.decode(backend.encode(CHATML)) == CHATML
    user = {"role": "user", "content": "Solve the following math problem.\n\nProblem: 47+38=?"}
    system = "You are a helpful mathematical assistant. Think step by step before answering."
    assert backend.render([{"role": "system", "content": system}, user]).text == CHATML
    assert backend.decode(backend.encode("3 é 4")) == "3 <unk> 4"


@given(text=st.text(alphabet=[chr(c) for c in range(32, 127)] + ["\n"], max_size=60))
def test_the_tiny_tokenizer_loses_no_ascii(tokenizer: Any, text: str) -> None:
    assert decode(tokenizer, encode(tokenizer, text)) == text


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return models.tiny_tokenizer()


@pytest.mark.parametrize("again", [False, True])
def test_activations_are_computed_again_if_asked(opened: Open, again: bool) -> None:
    backend, calls = opened(checkpoint_activations=again), []
    backend.policy.model.model.layers[0].self_attn.register_forward_hook(lambda *_: calls.append(1))
    tokens = tuple(backend.encode("1+1=2"))
    datum = Datum(tokens[:-1], tokens[1:], weights=(1.0,) * (len(tokens) - 1))
    backend.forward_backward([datum], "cross_entropy", {}).result()
    assert len(calls) == 1 + again


def test_small_steps_of_bfloat16_weights_add_up(opened: Open) -> None:
    """A step of 1e-5 is below what bfloat16 can tell; the optimizer's own weights are float32, and are saved."""
    backend, adam = opened(dtype="bfloat16"), Adam(1e-5)
    tokens = tuple(backend.encode("1+1=2"))
    datum = Datum(tokens[:-1], tokens[1:], weights=(1.0,) * (len(tokens) - 1))
    head = backend.policy.model.lm_head.weight
    before = head.detach().clone()
    for _ in range(60):
        backend.forward_backward([datum], "cross_entropy", {})
        backend.optim_step(adam).result()
    assert (head - before).abs().max().item() > 3e-4
    path = backend.save("here").result()
    resumed = opened(dtype="bfloat16")
    resumed.restore(path, optimizer=True)
    for each in (backend, resumed):
        each.forward_backward([datum], "cross_entropy", {})
        each.optim_step(adam).result()
    masters = [each._optimizer.masters[-1] for each in (backend, resumed)]
    assert masters[0].dtype.itemsize == 4
    assert (masters[0] == masters[1]).all()


# -- sampling --------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(
    st.lists(st.floats(-4, 4).map(lambda x: round(x, 3)), min_size=2, max_size=6),  # alike, or clearly not
    st.floats(0.3, 2),
    st.floats(0.05, 1),
)
def test_draws_follow_the_heated_nucleus(logits: list[float], temperature: float, top_p: float) -> None:
    """An even grid of uniform numbers gives each token its share of the distribution, written here in numpy."""
    import torch

    from justtinker_plugins.backends._local.drawing import draw_tokens

    size = 4000
    rows = torch.tensor(logits, dtype=torch.float32).expand(size, -1)
    heat, nucleus = (torch.full((size, 1), x, dtype=torch.float64) for x in (temperature, top_p))
    drawn, logprobs = draw_tokens(rows, (torch.arange(size, dtype=torch.float64) + 0.5) / size, heat, nucleus)

    plain = np.exp(rows[0].double().numpy() - np.logaddexp.reduce(rows[0].double().numpy()))
    heated = plain ** (1 / temperature) / (plain ** (1 / temperature)).sum()
    order = np.argsort(-heated, kind="stable")
    before = np.cumsum(heated[order]) - heated[order]
    if np.abs(before - top_p).min() > 1e-6:  # no tie at the nucleus' edge
        expected = np.zeros_like(heated)
        expected[order] = np.where(before < top_p, heated[order], 0)
        shares = np.bincount(drawn.numpy(), minlength=len(logits)) / size
        np.testing.assert_allclose(shares, expected / expected.sum(), atol=2 / size)
    np.testing.assert_allclose(logprobs.numpy(), np.log(plain)[drawn.numpy()], atol=1e-5)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.3, 0.9, 1.0])), min_size=1, max_size=6),
    st.integers(0, 2**31),
    st.sampled_from([5, 700]),
)
def test_a_draw_does_not_depend_on_the_rows_beside_it(
    settings: list[tuple[float, float]], seed: int, vocabulary: int
) -> None:
    import torch

    from justtinker_plugins.backends._local.drawing import draw_tokens

    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(len(settings), vocabulary, generator=generator)
    uniform = torch.rand(len(settings), generator=generator, dtype=torch.float64)
    heat, nucleus = torch.tensor(settings, dtype=torch.float64).split(1, dim=1)
    together = draw_tokens(logits, uniform, heat, nucleus)
    for row in range(len(settings)):
        alone = draw_tokens(*(x[row : row + 1] for x in (logits, uniform, heat, nucleus)))
        assert [x[row] for x in together] == [x[0] for x in alone]


def test_the_first_token_has_the_models_distribution(opened: Open) -> None:
    backend = opened()
    draw = request(backend, "12+34=?", n=4000, max_tokens=1)
    samples = sample(backend.sampler(), draw)[0]
    counts: dict[int, int] = {}
    chance: dict[int, float] = {}
    for s in samples:
        counts[s.tokens[0]] = counts.get(s.tokens[0], 0) + 1
        chance[s.tokens[0]] = np.exp(s.logprobs[0])
    for token, p in chance.items():
        assert abs(counts[token] / 4000 - p) < 5 * np.sqrt(p / 4000)


def test_the_context_cuts_a_sample(opened: Open, directory: Path) -> None:
    backend = opened(str(directory))
    prompt = backend.encode("1" * 60)
    draw = SampleRequest(tuple(prompt), ("<unk>",), 2, max_tokens=50, temperature=1.0, top_p=1.0, seed=0)
    assert [len(s.tokens) for s in sample(backend.sampler(), draw)[0]] == [4, 4]


def test_a_small_cache_samples_fewer_at_a_time_and_the_same(opened: Open) -> None:
    roomy, tight = opened(), opened(cache_gib=1e-5)
    requests = [request(roomy, text, seed=i) for i, text in enumerate(("1+1=?", "12+34=?", "What is 47+38?"))]
    expected = [tokens(group) for group in sample(roomy.sampler(), *requests)]
    assert [tokens(group) for group in sample(tight.sampler(), *requests)] == expected


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1), st.integers(1, 60))
def test_a_batch_at_its_widest_fits_the_cache(sizes: list[tuple[int, int]], most: int) -> None:
    jobs = [Job(SampleRequest((5,) * n, (), 1, limit, 1, 1, 0), Future(), limit, (), ()) for n, limit in sorted(sizes)]
    rows = [(job, 0) for job in jobs]
    cut = list(row_batches(rows, 5, most))
    assert [row for batch in cut for row in batch] == rows
    for batch in cut:
        width = max(len(job.request.tokens) for job, _ in batch) + max(job.limit for job, _ in batch)
        assert len(batch) == 1 or (len(batch) <= 5 and len(batch) * width <= most)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"tokens": ()}, "a prompt has 0 tokens; expected 1 to 1023, to leave room"),
        ({"tokens": (5,) * 1024}, "a prompt has 1024 tokens; expected 1 to 1023, to leave room"),
        ({"tokens": (5000,)}, "a token outside the model's vocabulary of 107"),
        ({"max_tokens": 0}, "max_tokens = 0: expected at least 1"),
    ],
)
def test_requests_that_make_no_sense(opened: Open, change: dict[str, Any], text: str) -> None:
    backend = opened()
    good, bad = backend.sampler().sample([request(backend, "1+1=?"), replace(request(backend, "1+1=?"), **change)])
    with pytest.raises(PluginError, match=text):
        bad.result(60)
    assert len(good.result(60)) == 3


def test_a_sampler_refuses_once_its_weights_are_gone(opened: Open) -> None:
    backend = opened()
    sampler = backend.sampler()
    train(backend, demonstrations(backend))
    with pytest.raises(PluginError, match=r"keeps one set.*get a new sampler from backend.sampler"):
        sampler.sample([request(backend, "1+1=?")])


def test_ruined_weights_are_an_error_in_every_future(opened: Open) -> None:
    backend = opened()
    next(iter(backend.policy.model.parameters())).data.fill_(float("nan"))
    for future in backend.sampler().sample([request(backend, "1+1=?"), request(backend, "2+2=?")]):
        with pytest.raises(PluginError, match="probabilities are not finite"):
            future.result(60)


def test_closing_wakes_everybody_who_waits(opened: Open) -> None:
    backend = opened()
    long = request(backend, "1+1=?", n=64, max_tokens=1000, stop=("no such text",))
    futures = [f for _ in range(3) for f in backend.sampler().sample([long])]
    backend.close()
    for future in futures:
        with pytest.raises(PluginError, match="the backend was closed"):
            future.result(60)
    with pytest.raises(PluginError, match="the local backend is closed"):
        backend.sampler().sample([long])


def test_closing_does_not_wait_for_the_batches_of_a_step(opened: Open) -> None:
    backend = opened()
    datum = Datum((5,) * 1000, (6,) * 1000, weights=(1.0,) * 1000)
    futures = [backend.forward_backward([datum] * 100, "cross_entropy", {}) for _ in range(2)]
    while not futures[0].running():
        time.sleep(0.01)
    backend.close()
    with pytest.raises(PluginError, match="the backend was closed while it was training"):
        futures[0].result(0)
    assert futures[1].cancelled()


# -- training --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "loss", "config", "text"),
    [
        ({}, "ppo", {"clip_low": 0.8}, "loss 'ppo' has no setting 'clip_low'; it has clip_low_threshold"),
        ({}, "dpo", {}, "unknown loss 'dpo'; expected one of cross_entropy"),
        ({}, "ppo", {}, "datum 0: ppo expects 2 logprobs, one an input; got none"),
        ({"weights": (1.0,)}, "cross_entropy", {}, "datum 0: cross_entropy expects 2 weights, one an input; got 1"),
        ({"targets": (1,)}, "cross_entropy", {}, "datum 0: cross_entropy expects 2 targets, one an input; got 1"),
        ({"targets": (1, 107)}, "cross_entropy", {}, "datum 0 has a token outside the model's vocabulary of 107"),
        ({"inputs": ()}, "cross_entropy", {}, "datum 0 has 0 tokens; expected 1 to 1024"),
        ({"weights": (1.0, float("nan"))}, "cross_entropy", {}, "the cross_entropy loss is nan: gradients dropped"),
    ],
)
def test_data_that_make_no_sense(
    opened: Open, change: dict[str, Any], loss: Any, config: dict[str, float], text: str
) -> None:
    backend = opened()
    before = weights(backend)
    datum = replace(Datum((1, 2), (2, 3), weights=(1.0, 1.0)), **change)
    with pytest.raises(PluginError, match=text):
        backend.forward_backward([datum], loss, config).result(60)
    backend.optim_step(ADAM).result(60)
    assert same(weights(backend), before)


def test_no_data_is_no_gradient(opened: Open) -> None:
    backend = opened()
    assert backend.forward_backward([], "ppo", {}).result(60).loss == 0
    assert backend.optim_step(ADAM).result(60) == {"grad_norm": 0.0}


def test_a_gradient_that_is_not_finite_changes_nothing(opened: Open) -> None:
    backend = opened()
    before = weights(backend)
    backend.forward_backward([Datum((1, 2), (2, 3), weights=(3e37, 3e37))], "cross_entropy", {}).result(60)
    with pytest.raises(PluginError, match=r"gradient's norm is (inf|nan); the gradient was dropped"):
        backend.optim_step(ADAM).result(60)
    assert same(weights(backend), before)
    train(backend, demonstrations(backend))


def test_clipping_bounds_the_gradient_and_reports_its_norm(opened: Open) -> None:
    """With eps far above the gradient, Adam's first step is lr x gradient / eps: its length shows the clipping."""
    free, clipped = opened(), opened()
    moved, norms = [], []
    for backend, most in ((free, 0.0), (clipped, 0.5)):
        before = weights(backend)
        backend.forward_backward(demonstrations(backend), "cross_entropy", {})
        norms.append(backend.optim_step(Adam(1.0, eps=1e4, grad_clip_norm=most)).result(60)["grad_norm"])
        after = weights(backend)
        moved.append(1e4 * np.sqrt(sum(((after[k] - before[k]).astype(float) ** 2).sum() for k in before)))
    assert norms[0] == pytest.approx(norms[1])
    assert norms[0] > 0.5
    assert moved == pytest.approx([norms[0], 0.5], rel=1e-2)


def test_policy_metrics_count_only_what_is_trained(opened: Open) -> None:
    backend = opened()
    draw = request(backend, "1+1=?", n=1)
    sampled = sample(backend.sampler(), draw)[0][0]
    shifted = replace(sampled, logprobs=tuple(x - 0.5 for x in sampled.logprobs))
    result = backend.forward_backward([policy_datum(draw.tokens, shifted, 1.0)], "ppo", {}).result(60)
    assert result.metrics["loss:sum"] == pytest.approx(-1.2 * len(sampled.tokens), rel=1e-4)
    assert result.metrics["tokens:sum"] == len(sampled.tokens)
    assert result.metrics["clipped:mean"] == 1.0
    assert result.metrics["approx_kl:mean"] == pytest.approx(np.exp(0.5) - 1.5, rel=1e-3)
    assert all(name.count(":") == 1 for name in result.metrics)


def test_a_model_that_caps_its_logits(opened: Open, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Gemma, logits are more than the unembedding of the last hidden state."""
    from transformers import Qwen3ForCausalLM

    forward = Qwen3ForCausalLM.forward

    @functools.wraps(forward)
    def capped(self: Any, *arguments: Any, **more: Any) -> Any:
        output = forward(self, *arguments, **more)
        output.logits = 0.1 * (output.logits / 0.1).tanh()
        return output

    monkeypatch.setattr(Qwen3ForCausalLM, "forward", capped)
    backend = opened(str(directory))
    draw = request(backend, "1+1=?")
    samples = sample(backend.sampler(), draw)[0]
    result = backend.forward_backward([policy_datum(draw.tokens, s, 1.0) for s in samples], "ppo", {}).result(60)
    for s, recomputed in zip(samples, result.logprobs, strict=True):
        assert recomputed[len(draw.tokens) - 1 :] == pytest.approx(s.logprobs, abs=1e-4)


# -- LoRA ------------------------------------------------------------------------------------------------------------


def test_lora_trains_the_adapter_alone_and_unmerges_without_loss(opened: Open, directory: Path) -> None:
    backend = opened(str(directory), lora_rank=2)
    before = weights(backend)
    for _ in range(3):
        train(backend, demonstrations(backend))
        sample(backend.sampler(), request(backend, "1+1=?"))
    train(backend, demonstrations(backend))
    after = weights(backend)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed
    assert all("lora_" in name for name in changed)
    assert any("lm_head" in name for name in changed)


def test_an_adapter_is_merged_only_where_that_is_exact_and_faster(opened: Open) -> None:
    def layers_merged(backend: LocalBackend) -> set[bool]:
        sample(backend.sampler(), request(backend, "1+1=?"))
        return {module.merged for module in backend.policy.adapter.modules() if hasattr(module, "merged_adapters")}

    assert layers_merged(opened(lora_rank=2)) == {True}
    rounded = opened(lora_rank=2, dtype="bfloat16")
    assert layers_merged(rounded) == {False}, "the sum of both would be rounded to bfloat16"
    on_gpu = opened(lora_rank=2)
    on_gpu.policy.device = types.SimpleNamespace(type="cuda")
    assert not on_gpu.policy.merges_to_sample


def test_lora_without_the_unembedding(opened: Open) -> None:
    backend = opened(lora_rank=2, train_unembed=False)
    adapted = {name for name in weights(backend) if "lora_" in name}
    assert not any("lm_head" in name for name in adapted)
    assert len(adapted) == 2 * 2 * 7


def test_lora_targets_that_the_model_does_not_have(opened: Open) -> None:
    with pytest.raises(PluginError, match=r"lora_targets = \('query',\).*the model has down_proj, gate_proj"):
        opened(lora_rank=2, lora_targets=["query"], train_unembed=False)
    with pytest.raises(PluginError, match="lora_targets = 'q_proj': expected 'all-linear' or a list"):
        opened(lora_targets="q_proj")


# -- opening and checkpoints -----------------------------------------------------------------------------------------


def test_a_model_that_is_not_there(opened: Open, tmp_path: Path) -> None:
    with pytest.raises(
        PluginError, match=r"^\[run\] model = 'tinny': there is no such directory; did you mean 'tiny'\?$"
    ):
        opened("tinny")
    with pytest.raises(PluginError, match=r"model = '.*nothing': transformers cannot load it .*or 'tiny'"):
        opened(str(tmp_path / "nothing"))


def test_a_device_that_is_not_there(opened: Open) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(PluginError, match="device = 'cuda': torch finds no GPU here"):
        opened(device="cuda")


def test_a_checkpoint_of_another_model(opened: Open, directory: Path) -> None:
    tiny, other, lora = opened(), opened(str(directory)), opened(lora_rank=4)
    path = tiny.save("end").result(60)
    before = weights(other)
    with pytest.raises(PluginError, match=r"width 64, 2 layers.*but this run's model is .*width 32, 1 layer"):
        other.restore(path, optimizer=True)
    assert same(weights(other), before)
    with pytest.raises(PluginError, match="LoRA rank 4 alpha 32 on"):
        lora.restore(path, optimizer=True)


@pytest.mark.parametrize("name", ["meta.json", "training.pt"])
def test_a_damaged_checkpoint_changes_nothing(opened: Open, name: str) -> None:
    backend = opened()
    path = Path(backend.save("end").result(60))
    train(backend, demonstrations(backend))
    before = weights(backend)
    (path / name).write_bytes((path / name).read_bytes()[:20])
    with pytest.raises(PluginError, match=r"end is damaged \(.*\); use an older one"):
        backend.restore(str(path), optimizer=True)
    assert same(weights(backend), before)


def complaint_about(backend: LocalBackend, start: str | Path, tmp_path: Path) -> str:
    """What the preflight says about the weights to start from."""
    config = types.SimpleNamespace(run=types.SimpleNamespace(start_from=str(start)))
    run: Any = types.SimpleNamespace(config=config, files=RunDir(tmp_path), dir=tmp_path, backend=backend)
    return "\n".join(backend.options.preflight(run))


def test_starting_weights_are_looked_at_before_the_run(opened: Open, tmp_path: Path) -> None:
    lora, other = opened(lora_rank=4), opened(lora_rank=8)
    path = Path(lora.save("end").result(60))
    assert complaint_about(lora, path, tmp_path) == ""
    begin = f"[run] start_from = '{path}': "
    assert re.fullmatch(
        re.escape(begin + f"checkpoint {path} is of ") + ".*LoRA rank 4 alpha 32 on .*, but this run's model is .*LoRA "
        "rank 8 .*; use the model and the LoRA options that it was saved with",
        complaint_about(other, path, tmp_path),
    )
    for name in ("adapter_model.safetensors", "training.pt", "meta.json"):
        whole = (path / name).read_bytes()
        (path / name).write_bytes(whole[: len(whole) // 2])
        damaged = complaint_about(lora, path, tmp_path)
        assert damaged.startswith(f"{begin}checkpoint {path} is damaged ("), name
        assert damaged.endswith("); use an older one")
        (path / name).write_bytes(whole)
    assert complaint_about(lora, path, tmp_path) == ""


def test_an_adapter_of_a_model_of_the_same_shape_with_other_weights(
    opened: Open, directory: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    own = opened(str(directory), lora_rank=4)
    path = Path(own.save("end").result(60))
    moved, alike = tmp_path / "moved", tmp_path / "alike"
    shutil.copytree(directory, moved)
    shutil.copytree(directory, alike)
    torch.manual_seed(6)
    AutoModelForCausalLM.from_config(own.policy.model.config).save_pretrained(alike)
    for same_model in ({}, {"dtype": "bfloat16"}):
        assert complaint_about(opened(str(moved), lora_rank=4, **same_model), path, tmp_path) == ""
    other = opened(str(alike), lora_rank=4)
    text = f"is an adapter of a model with other weights than {alike}: use the model that it was trained on"
    assert text in complaint_about(other, path, tmp_path)
    with pytest.raises(PluginError, match="is an adapter of a model with other weights"):
        other.restore(str(path), optimizer=True)
    meta = json.loads((path / "meta.json").read_text())
    (path / "meta.json").write_text(json.dumps({key: meta[key] for key in meta if key != "base"}))
    assert complaint_about(other, path, tmp_path) == "", "an older checkpoint does not name its base"


def test_starting_weights_that_are_none(opened: Open, directory: Path, tmp_path: Path) -> None:
    backend = opened()
    assert complaint_about(backend, tmp_path / "gone", tmp_path).startswith(
        f"[run] start_from = '{tmp_path / 'gone'}': expected a checkpoint or a run directory, got"
    )
    ends = f"no checkpoint at {directory}: it is a model, so name it as run.model"
    assert ends in complaint_about(backend, directory, tmp_path)
    assert "it has no meta.json; a run directory has its checkpoints in" in complaint_about(backend, tmp_path, tmp_path)
    assert "a checkpoint of a server, which the backend local cannot load" in complaint_about(
        backend, "tinker://a/weights/b", tmp_path
    )


def test_a_checkpoint_that_cannot_be_written(opened: Open) -> None:
    backend = opened()
    backend.directory.parent.mkdir()
    backend.directory.write_text("in the way")
    with pytest.raises(PluginError, match=r"cannot write checkpoint .*checkpoints/end: .*File exists"):
        backend.save("end").result(60)


def test_the_random_state_comes_back_with_the_optimizer(opened: Open) -> None:
    import torch

    backend = opened()
    path = backend.save("end").result(60)
    expected = torch.rand(3)
    backend.restore(path, optimizer=False)
    assert not torch.equal(torch.rand(3), expected)
    backend.restore(path, optimizer=True)
    assert torch.equal(torch.rand(3), expected)


def test_saving_again_replaces_and_leaves_nothing_behind(opened: Open, tmp_path: Path) -> None:
    backend = opened()
    backend.save("last").result(60)
    train(backend, demonstrations(backend))
    path = Path(backend.save("last").result(60))
    assert [p.name for p in path.parent.iterdir()] == ["last"]
    trained = weights(backend)
    again = opened()
    again.restore(str(path), optimizer=True)
    assert same(weights(again), trained)
    with pytest.raises(PluginError, match="checkpoint name: expected a plain file name, got "):
        backend.save("../last")


def test_transformers_and_peft_load_what_was_saved(opened: Open, directory: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    backend = opened(str(directory))
    train(backend, demonstrations(backend))
    saved = backend.save("end").result(60)
    again = opened(saved)
    assert same(weights(again), weights(backend))
    assert again.decode(again.encode(CHATML)) == CHATML

    lora = opened(str(directory), lora_rank=2)
    data = demonstrations(lora)
    train(lora, data)
    adapter = lora.save("end").result(60)
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(directory), adapter).eval()
    import torch

    with torch.no_grad():
        logprobs = loaded(torch.tensor([data[0].inputs])).logits[0].log_softmax(-1).numpy()
    expected = lora.forward_backward(data[:1], "cross_entropy", {}).result(60).logprobs[0]
    np.testing.assert_allclose(logprobs[np.arange(len(expected)), list(data[0].targets)], expected, atol=1e-4)


def test_a_checkpoint_knows_what_it_is_of(opened: Open) -> None:
    path = Path(opened().save("end").result(60))
    meta = json.loads((path / "meta.json").read_text())
    assert meta["architecture"].startswith("Qwen3ForCausalLM with 112,384 parameters")


def test_listing_the_plugin_needs_no_torch() -> None:
    code = "import sys, justtinker_plugins.backends.local; sys.exit('torch' in sys.modules)"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_opening_a_model_imports_only_what_it_needs() -> None:
    """Without an adapter no peft; and what was imported is no more looked through for garbage."""
    code = (
        "import gc, sys\n"
        "from justtinker_plugins.backends._local.model import open_policy\n"
        "open_policy('tiny', seed=0, device='cpu', dtype='float32', lora=None)\n"
        "assert 'torch' in sys.modules and not {'peft', 'datasets', 'math_verify'} & {*sys.modules}\n"
        "assert gc.isenabled() and gc.get_freeze_count() > len(gc.get_objects())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_learning_in_a_few_seconds(opened: Open) -> None:
    """Not a benchmark: gradients, optimizer and sampler together can learn three answers by heart."""
    backend = opened()
    data = demonstrations(backend)
    train(backend, data, 60)
    greedy = sample(backend.sampler(), request(backend, "12+34=?", temperature=0.0, max_tokens=12))[0][0]
    assert backend.decode(greedy.tokens) == "4+2=6, 1+3=4"
