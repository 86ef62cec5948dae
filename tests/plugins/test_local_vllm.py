"""`sampler = "vllm"` of the backend `local`: weights go to a server, samples come back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the local backend needs the 'local' extra")

import torch

from justtinker_core import PluginError, SamplingError
from justtinker_core.options import configure
from justtinker_core.rundir import RunDir
from justtinker_core.testing.backends import ADAM, BackendConformance, demonstrations, request, sample, train
from justtinker_core.types import Sample, SampleRequest
from justtinker_plugins.backends._local import model as models
from justtinker_plugins.backends._local import vllm
from justtinker_plugins.backends.local import Local, LocalBackend
from tests.core.conftest import cli
from tests.plugins.test_local import Open, directory, opened
from tests.plugins.vllm_server import VllmStandIn, failing, vllm_server

__all__ = ["directory", "opened"]
Serve = Callable[..., VllmStandIn]
LORA = {"lora_rank": 4}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart's model as a directory, which a server can load."""
    path = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(5)
    for part in models.tiny():
        part.save_pretrained(path)
    return path


@pytest.fixture
def serve(base: Path) -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda model=base, **fields: stack.enter_context(vllm_server(model, **fields))


@pytest.fixture
def served(opened: Open, serve: Serve, base: Path) -> Callable[..., tuple[LocalBackend, VllmStandIn]]:
    """Open a backend with a server of its own."""

    def open_one(fields: dict[str, Any] | None = None, **options: Any) -> tuple[LocalBackend, VllmStandIn]:
        server = serve(**fields or {})
        return opened(str(base), sampler="vllm", vllm_url=server.url, **options), server

    return open_one


def wanted(backend: LocalBackend, **changes: Any) -> SampleRequest:
    return request(backend, "What is 2+3?", **changes)


def sampled(backend: LocalBackend, n: int = 2) -> list[Sample]:
    return sample(backend.sampler(), wanted(backend, n=n))[0]


class TestAdapter(BackendConformance):
    @pytest.fixture
    def fresh(self, served: Any) -> Open:
        return lambda: served(**LORA)[0]


class TestAllWeights(BackendConformance):
    @pytest.fixture
    def fresh(self, served: Any) -> Open:
        return lambda: served()[0]


@pytest.mark.parametrize("options", [{}, LORA])
def test_both_samplers_draw_the_same(opened: Open, served: Any, base: Path, options: dict[str, int]) -> None:
    (with_server, _), alone = served(**options), opened(str(base), **options)
    requests = [
        wanted(alone, seed=1, max_tokens=9),
        wanted(alone, seed=2, temperature=0.0),
        wanted(alone, seed=3, stop=("7", "ab"), max_tokens=30),
        wanted(alone, seed=4, temperature=0.7, top_p=0.8),
        wanted(alone, n=0),
    ]
    for steps in (0, 2):
        for backend in (with_server, alone):
            train(backend, demonstrations(backend), steps)
        one, other = (sample(backend.sampler(), *requests) for backend in (with_server, alone))
        assert [[s.tokens for s in samples] for samples in one] == [[s.tokens for s in samples] for samples in other]
        assert [[s.stopped for s in samples] for samples in one] == [[s.stopped for s in samples] for samples in other]
        for samples, others in zip(one, other, strict=True):
            for mine, yours in zip(samples, others, strict=True):
                assert mine.logprobs == pytest.approx(yours.logprobs, abs=1e-4)


def test_an_adapter_is_handed_over_once_a_version_and_taken_back(served: Any) -> None:
    backend, server = served(**LORA)
    for _ in range(2):
        for _ in range(2):
            sampled(backend)
        backend.optim_step(ADAM).result()
    sampled(backend)
    loaded = [body["lora_name"] for body in server.paths("/v1/load_lora_adapter")]
    assert len(loaded) == len(set(loaded)) == 3
    assert [body["lora_name"] for body in server.paths("/v1/unload_lora_adapter")] == loaded[:2]
    assert {body["model"] for body in server.paths("/v1/completions")} == set(loaded)
    backend.close()
    assert list(server.policies) == [str(server.base)]
    assert not backend.vllm.directory.exists()


def test_whole_weights_replace_the_servers_and_its_prefix_cache(served: Any) -> None:
    backend, server = served()
    for _ in range(2):
        for _ in range(2):
            sampled(backend)
        backend.optim_step(ADAM).result()
    control = [path for path, _ in server.asked if path in ("/collective_rpc", "/reset_prefix_cache")]
    assert control == ["/collective_rpc", "/reset_prefix_cache"] * 2
    assert not any(backend.vllm.directory.iterdir()), "the files are deleted once the server has read them"


@pytest.mark.parametrize("options", [{}, LORA])
def test_a_run_trains_on_what_the_server_samples(
    serve: Serve, base: Path, tmp_path: Path, options: dict[str, int]
) -> None:
    server = serve()
    settings = {"sampler": '"vllm"', "vllm_url": f'"{server.url}"', **options}
    changes = [f"plugins.local.{name}={value}" for name, value in settings.items()]
    changes += [f"run.model={base}", "run.steps=3", "sampling.max_tokens=12", "evaluation.at_end=false"]
    changes += ["plugins.grpo.problems_per_step=4", "plugins.grpo.train_on='all'", "plugins.grpo.updates_per_step=1"]
    sets = [part for change in changes for part in ("--set", change)]
    # every rollout is worth something else, so that every step trains
    cli("train", "quickstart-rl", "--dir", tmp_path / "run", "-p", "length", *sets, "--set", "plugins.length.weight=1")
    steps = RunDir(tmp_path / "run").read("steps.jsonl")
    assert len(steps) == 3
    for step in steps:
        assert step["metrics"]["ratio:max"] == pytest.approx(1, abs=1e-3), "the server has the weights of this step"
    assert not (tmp_path / "run" / "vllm").exists()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "PAUSES", (0.01, 0.01, 0.01))


def test_what_goes_wrong_on_the_way_is_tried_again(served: Any) -> None:
    backend, server = served(**LORA)
    server.faults = [lambda: failing(503, "busy"), lambda: failing(500, "an error")]
    assert len(sampled(backend)) == 2
    assert len(server.paths("/v1/completions")) == 3


def test_what_keeps_going_wrong_costs_a_group_not_the_run(served: Any) -> None:
    backend, server = served(**LORA)
    server.faults = [lambda: failing(503, "busy")] * 4
    with pytest.raises(SamplingError, match="answers 503: busy"):
        sampled(backend)


def test_a_server_that_was_restarted_gets_the_weights_again(served: Any) -> None:
    backend, server = served(**LORA)
    sampled(backend)
    (name,) = server.policies.keys() - {str(server.base)}
    del server.policies[name]
    backend.optim_step(ADAM).result()
    assert len(sampled(backend)) == 2, "that the old adapter is gone is no error"
    (name,) = server.policies.keys() - {str(server.base)}
    del server.policies[name]
    with pytest.raises(SamplingError, match=f"answers 404: The model `{name}` does not exist"):
        sampled(backend)
    assert len(sampled(backend)) == 2, "the same weights, under a new name"


def test_an_adapter_whose_answer_was_lost_is_loaded_again(served: Any) -> None:
    backend, server = served(**LORA)
    answer = server.change_adapters

    def answer_and_lose(path: str, body: dict[str, Any]) -> Any:
        answer(path, body)
        return failing(500, "lost")

    server.change_adapters = answer_and_lose
    with pytest.raises(PluginError, match="load_lora_adapter answers 500: lost"):
        sampled(backend)
    server.change_adapters = answer
    assert len(sampled(backend)) == 2


def test_a_server_that_does_not_see_the_files_says_so(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    backend, _ = served(**LORA)
    monkeypatch.setattr(vllm, "write_adapter", lambda *_: ())
    with pytest.raises(PluginError, match=r"load_lora_adapter answers 404: No adapter found for .*/vllm/justtinker-"):
        sampled(backend)


def test_a_server_may_take_fewer_tokens_than_the_model(served: Any) -> None:
    backend, server = served({"longest": 20}, **LORA)
    size = len(wanted(backend).tokens)
    (found,) = sample(backend.sampler(), wanted(backend, n=1, max_tokens=100))
    assert len(found[0].tokens) <= 20 - size == server.paths("/v1/completions")[0]["max_tokens"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (
            lambda a: a.clear(),
            r"has no tokens with log-probabilities \(KeyError\('choices'\)\): expected vLLM 0",
        ),
        (lambda a: a["choices"][0].update(token_ids=None), "vLLM's answer has no tokens with log-probabilities"),
        (lambda a: a["choices"][0].update(finish_reason="abort"), "finish_reason abort"),
        (lambda a: a["choices"].pop(), "vLLM sent 1 samples; expected 2"),
    ],
)
def test_an_answer_that_cannot_be_used(served: Any, change: Callable[[Any], None], error: str) -> None:
    backend, _ = served({"changes": change}, **LORA)
    with pytest.raises(PluginError, match=error):
        sampled(backend)


def test_a_bad_request_fails_alone(served: Any) -> None:
    backend, server = served(**LORA)
    server.faults = [lambda: failing(400, "no such thing")]
    good, bad, refused = wanted(backend), wanted(backend, tokens=()), wanted(backend)
    futures = backend.sampler().sample([bad, refused, good])
    with pytest.raises(PluginError, match="a prompt has 0 tokens"):
        futures[0].result()
    errors = [str(error) for future in futures[1:] if (error := future.exception())]
    assert errors == [f"{server.url}/v1/completions answers 400: no such thing"]


@pytest.mark.parametrize(
    ("fields", "options", "path"),
    [({"is_dev": False}, {}, "/collective_rpc"), ({"takes_adapters": False}, LORA, "/v1/load_lora_adapter")],
)
def test_a_server_that_was_started_without_what_is_needed(
    served: Any, fields: dict[str, bool], options: dict[str, int], path: str
) -> None:
    backend, server = served(fields, **options)
    told = f"{server.url}{path} is not there: the server was started without it"
    (found,) = complaints(backend)
    assert f"{told}; check vllm_url, or start it with: VLLM_" in found
    with pytest.raises(PluginError, match=told):
        sampled(backend)


def complaints(backend: LocalBackend) -> list[str]:
    assert backend.vllm is not None
    return backend.vllm.complaints(backend.policy)


def test_check_says_how_to_start_a_server(opened: Open, served: Any, base: Path) -> None:
    assert complaints(served()[0]) == complaints(served(**LORA)[0]) == []
    nowhere = {"sampler": "vllm", "vllm_url": "http://127.0.0.1:1"}
    (whole,), (adapter,) = complaints(opened(str(base), **nowhere)), complaints(opened(str(base), **nowhere, **LORA))
    assert "[plugins.local] sampler = 'vllm': no vLLM server answers at http://127.0.0.1:1 (" in whole
    serve_it = f"vllm serve {base} --host 127.0.0.1 --port 1 --dtype float32 --generation-config vllm"
    assert whole.endswith(f"; check vllm_url, or start it with: VLLM_SERVER_DEV_MODE=1 {serve_it}")
    more = "--enable-lora --max-lora-rank 8 --max-loras 2"
    assert adapter.endswith(f"start it with: VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 {serve_it} {more}")


def test_check_refuses_a_model_that_no_server_has(opened: Open) -> None:
    (found,) = complaints(opened(sampler="vllm"))
    assert found.endswith(
        "the model 'tiny' is made here, so no server has it: name a directory or a hub id as run.model"
    )


def test_check_compares_the_models(opened: Open, serve: Serve, base: Path, directory: Path) -> None:
    server = serve(directory)
    (found,) = complaints(opened(str(base), sampler="vllm", vllm_url=server.url))
    assert f"{server.url} serves {directory}, but the run's model is {base}; check vllm_url, or start it with" in found


def test_check_refuses_an_adapter_that_vllm_would(opened: Open, serve: Serve, directory: Path) -> None:
    server = serve(directory)
    tied = {"sampler": "vllm", "vllm_url": server.url, **LORA}
    (found,) = complaints(opened(str(directory), **tied))
    assert found.endswith("vLLM takes no adapter of that: set train_unembed = false")
    assert complaints(opened(str(directory), **tied, train_unembed=False)) == []


def test_the_key_is_sent_and_never_shown(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "right-secret")
    backend, server = served({"key": "right-secret"}, **LORA)
    assert len(sampled(backend)) == 2
    server.key = "another"
    with pytest.raises(PluginError, match=r"answers 401: Unauthorized: Bearer \[key\]$"):
        sampled(backend)
    (found,) = complaints(backend)
    assert "right-secret" not in found


def test_closing_ends_what_the_server_holds_up(served: Any) -> None:
    backend, server = served(**LORA)
    server.hold.clear()
    (future,) = backend.sampler().sample([wanted(backend)])
    while not server.paths("/v1/completions"):
        time.sleep(0.01)
    backend.close()
    with pytest.raises(PluginError, match="the backend was closed while it was sampling"):
        future.result(10)


def test_options() -> None:
    def error(url: str) -> str:
        with pytest.raises(PluginError) as raised:
            configure(Local, "plugins.local", {"vllm_url": url})
        return str(raised.value)

    assert "vllm_url = '127.0.0.1': expected http://HOST:PORT" in error("127.0.0.1")
    assert "vllm_url: expected http://HOST:PORT, got an address that cannot be read" in error("http://localhost:80x")
    told = error("http://me:secret@host")
    assert "vllm_url: expected no password and no query in it; put the key into VLLM_API_KEY" in told
    assert "secret" not in told
