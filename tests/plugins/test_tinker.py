from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import config_files, loop
from justtinker_core.enabling import open_plugins, resolved
from justtinker_core.errors import PluginError, SamplingError
from justtinker_core.options import configure
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.types import Adam

pytest.importorskip("tinker", reason="the tinker backend needs the tinker SDK")

from justtinker_core.testing.backends import (
    ADAM,
    PROMPTS,
    WAIT,
    BackendConformance,
    demonstrations,
    policy_datum,
    request,
    train,
)
from justtinker_plugins.backends._tinker import wire
from justtinker_plugins.backends._tinker.backend import TinkerBackend
from justtinker_plugins.backends._tinker.calls import explained, is_gone
from justtinker_plugins.backends._tinker.preflight import start_complaints
from justtinker_plugins.backends.tinker import Tinker
from tests.core.conftest import cli
from tests.plugins.tinker_server import KEY, MODEL, TinkerServer, Weights, served

pytestmark = [
    pytest.mark.filterwarnings("error::FutureWarning"),
    pytest.mark.filterwarnings("error::DeprecationWarning:justtinker_plugins"),
]

Open = Callable[..., TinkerBackend]
STEP = ("forward_backward", "optim_step", "save_weights_for_sampler", "asample")


@pytest.fixture(scope="module")
def tokenizer_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokenizer")


@pytest.fixture
def server(tokenizer_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinkerServer]:
    monkeypatch.setenv("TINKER_API_KEY", KEY)
    monkeypatch.setenv("TINKER_TELEMETRY", "0")
    with served(tokenizer_directory) as world:
        yield world


def run_of(model: str = MODEL, seed: int = 0, start_from: str | None = None, saved: tuple[Any, ...] = ()) -> Any:
    section = types.SimpleNamespace(model=model, seed=seed, start_from=start_from, budget_usd=None)
    files = types.SimpleNamespace(read=lambda name: list(saved))
    return types.SimpleNamespace(config=types.SimpleNamespace(run=section), files=files, dir=Path("nowhere"))


@pytest.fixture
def opened(server: TinkerServer) -> Iterator[Open]:
    backends: list[TinkerBackend] = []

    def open_one(model: str = MODEL, **options: Any) -> TinkerBackend:
        plugin = configure(Tinker, "plugins.tinker", {"base_url": server.url, **options})
        backends.append(plugin.open_backend(run_of(model)))  # type: ignore[arg-type]
        return backends[-1]

    yield open_one
    for backend in backends:
        backend.close()


class TestOverTheWire(BackendConformance):
    bit_for_bit = True

    @pytest.fixture
    def fresh(self, opened: Open) -> Open:
        return opened


# -- what goes over the wire -----------------------------------------------------------------------------------------


def draws(backend: TinkerBackend, *texts: str, **changes: Any) -> list[Any]:
    return backend.sampler().sample([request(backend, text, **changes) for text in texts])


def test_a_new_adapter_is_as_the_options_say(server: TinkerServer, opened: Open) -> None:
    opened().encode("1")
    opened(lora_rank=8, train_unembed=False, seed=5).encode("1")
    sent = [body["lora_config"] for body in server.bodies("create_model")]
    assert [(c["rank"], c["train_unembed"], c["seed"]) for c in sent] == [(128, True, 0), (8, False, 5)]


def test_a_group_is_one_request_and_all_are_sent_before_any_is_answered(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    server.hold = {PROMPTS[0]: threading.Event(), PROMPTS[2]: threading.Event()}
    groups = draws(backend, *PROMPTS, n=5, temperature=0.5, top_p=0.9, stop=("</think>",))
    assert len(groups[1].result(WAIT)) == 5
    assert [group.done() for group in groups] == [False, True, False]
    for event in server.hold.values():
        event.set()
    assert [len(group.result(WAIT)) for group in groups] == [5, 5, 5]
    sent = server.bodies("asample")
    assert [body["num_samples"] for body in sent] == [5, 5, 5]
    expected = {"max_tokens": 8, "seed": 7, "stop": backend.encode("</think>"), "temperature": 0.5, "top_p": 0.9}
    assert {k: v for k, v in sent[0]["sampling_params"].items() if k != "top_k"} == expected


def test_stops_of_several_tokens_are_sent_as_texts(server: TinkerServer, opened: Open) -> None:
    draws(opened(), PROMPTS[0], stop=("</think>", "so:"))[0].result(WAIT)
    assert server.bodies("asample")[0]["sampling_params"]["stop"] == ["</think>", "so:"]


def test_a_response_is_cut_where_the_context_ends(server: TinkerServer, opened: Open) -> None:
    backend = opened(context_length=10)
    sampled = draws(backend, PROMPTS[0], max_tokens=100)[0].result(WAIT)
    assert {len(s.tokens) for s in sampled} == {10 - len(backend.encode(PROMPTS[0]))}
    assert not any(s.stopped for s in sampled)


def test_the_chain_of_a_step_is_sent_without_waiting(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    backend.encode("1")
    first = len(server.seen)
    data = demonstrations(backend)
    trained, stepped = backend.forward_backward(data, "cross_entropy", {}), backend.optim_step(ADAM)
    draw = backend.sampler().sample([request(backend, PROMPTS[0])])
    assert not trained.cancel()
    assert not stepped.cancel()
    assert not draw[0].cancel()
    draw[0].result(WAIT)
    names = [name for name, _ in server.seen[first:] if name in STEP]
    assert names == list(STEP)


def test_an_unclipped_step_reports_its_gradient_norm_too(opened: Open) -> None:
    backend = opened()
    norms = []
    for clip in (0.0, 1e-3):
        backend.forward_backward(demonstrations(backend), "cross_entropy", {}).result(WAIT)
        norms.append(backend.optim_step(Adam(learning_rate=0.0, grad_clip_norm=clip)).result(WAIT)["grad_norm"])
    assert norms[0] == pytest.approx(norms[1])
    assert norms[0] > 1


def test_clip_thresholds_reach_the_server(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    sampled = draws(backend, PROMPTS[0])[0].result(WAIT)[0]
    data = [policy_datum(backend.encode(PROMPTS[0]), sampled, 1.0)]
    clip = {"clip_low_threshold": 0.5, "clip_high_threshold": 1.5}
    backend.forward_backward(data, "ppo", clip).result(WAIT)
    sent = server.bodies("forward_backward")[0]
    assert sent["loss_fn_config"] == clip
    assert sent["data"][0]["advantages"].dtype.kind == "f"


@pytest.mark.parametrize(
    ("loss", "config", "complaint"),
    [
        ("dpo", {}, "unknown loss 'dpo'"),
        ("ppo", {"clip_hi": 2.0}, "no setting 'clip_hi'"),
        ("ppo", {}, "ppo expects 18 logprobs, one an input; got none"),
    ],
)
def test_what_the_loss_does_not_know_is_refused(opened: Open, loss: Any, config: Any, complaint: str) -> None:
    backend = opened()
    with pytest.raises(PluginError, match=complaint):
        backend.forward_backward(demonstrations(backend), loss, config).result(WAIT)


def test_a_checkpoint_goes_with_its_time_to_live(server: TinkerServer, opened: Open) -> None:
    path = opened().save("step_000001", 7200).result(WAIT)
    assert path == "tinker://session0:train:0/weights/step_000001"
    assert server.bodies("save_weights")[0]["ttl_seconds"] == 7200


def test_the_samplers_weights_stay_while_training_goes_on(opened: Open) -> None:
    backend = opened()
    sampler, draw = backend.sampler(), request(backend, PROMPTS[0])
    before = sampler.sample([draw])[0].result(WAIT)
    train(backend, demonstrations(backend), 3)
    assert sampler.sample([draw])[0].result(WAIT) == before
    assert backend.sampler().sample([draw])[0].result(WAIT) != before


def test_the_sdk_types_have_the_keywords_that_are_used() -> None:
    from tinker.types import AdamParams

    with pytest.raises(TypeError, match="AdamParams has no learning_rat"):
        wire.make_strictly(AdamParams, learning_rat=1.0)


# -- faults ----------------------------------------------------------------------------------------------------------


def nan(sequences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    sequences[1]["logprobs"][2] = float("nan")
    return sequences


def short(sequences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    sequences[0]["logprobs"].pop()
    return sequences


def no_logprobs(sequences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**sequence, "logprobs": None} for sequence in sequences]


def refuse(sequences: list[dict[str, Any]]) -> Any:
    raise RuntimeError("the engine fell over")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (nan, "sample 1 of the server's reply: log-probability 2 is nan"),
        (short, "sample 0 of the server's reply has 7 log-probabilities for 8 tokens"),
        (no_logprobs, "sample 0 of the server's reply has no log-probabilities for 8 tokens"),
        (
            lambda sequences: sequences[:2],
            "returned 2 of 3 samples|3 sequence ids for 2",
        ),  # newer SDKs see it themselves
        (refuse, r"gave up on the request \(category server\).*the engine fell over"),
    ],
)
def test_a_poisoned_group_fails_alone(server: TinkerServer, opened: Open, change: Any, complaint: str) -> None:
    server.poison = {PROMPTS[0]: change}
    bad, good = draws(opened(), *PROMPTS[:2])
    assert len(good.result(WAIT)) == 3
    with pytest.raises(SamplingError, match=complaint):
        bad.result(WAIT)


def test_a_prompt_that_leaves_no_room_fails_alone(opened: Open) -> None:
    backend = opened(context_length=5)
    bad, good = draws(backend, "1+2=345", "1=")
    assert len(good.result(WAIT)) == 3
    with pytest.raises(SamplingError, match="the prompt has 7 tokens, but the model takes 5, response included"):
        bad.result(WAIT)


@pytest.mark.parametrize(("status", "kind"), [(429, SamplingError), (500, SamplingError), (402, PluginError)])
def test_errors_of_one_group_and_of_every_request_have_different_types(status: int, kind: type[PluginError]) -> None:
    import httpx
    from tinker import APIStatusError

    response = httpx.Response(status, request=httpx.Request("POST", "http://127.0.0.1"))
    assert type(explained(APIStatusError("no", response=response, body=None), SamplingError)) is kind


@pytest.mark.parametrize(
    ("status", "fix"),
    [(401, "create one in the Tinker console"), (403, "use a key of the project"), (404, "may have expired")],
)
def test_errors_name_the_fix_and_never_the_key(server: TinkerServer, opened: Open, status: int, fix: str) -> None:
    backend = opened()
    backend.encode("1")
    server.answers["optim_step"] = (status, f"no such luck with {KEY}")
    with pytest.raises(PluginError) as raised:
        backend.optim_step(ADAM).result(WAIT)
    assert fix in str(raised.value)
    assert str(status) in str(raised.value)
    trace = "".join(traceback.format_exception(raised.value))
    assert KEY not in trace
    assert "no such luck with ***" in trace


@pytest.mark.parametrize("status", [402, 429])
def test_faults_that_the_sdk_waits_out_are_explained_too(status: int) -> None:
    import httpx
    from tinker import APIStatusError

    response = httpx.Response(status, request=httpx.Request("POST", "http://127.0.0.1"))
    error = explained(APIStatusError(f"said {KEY}", response=response, body=None))
    assert isinstance(error, PluginError)
    assert f"Tinker ({status})" in str(error)
    assert "resume" in str(error)
    assert KEY not in str(error)


def refused_while_waiting(server: TinkerServer, backend: TinkerBackend, status: int) -> list[PluginError]:
    """The errors of an optimizer step and a sampling, if the server changes its mind before they are done."""
    sampler = backend.sampler()
    sampler.sample([request(backend, PROMPTS[1])])[0].result(WAIT)  # the weights are there
    server.answers["retrieve_future"] = (status, f"no such luck with {KEY}")
    waiting = backend.optim_step(ADAM), sampler.sample([request(backend, PROMPTS[0])])[0]
    errors = [future.exception(WAIT) for future in waiting]
    assert all(isinstance(error, PluginError) for error in errors)
    return errors  # type: ignore[return-value]


def test_a_key_refused_while_waiting_for_an_answer_ends_the_run(server: TinkerServer, opened: Open) -> None:
    for error in refused_while_waiting(server, opened(), 401):
        assert type(error) is PluginError, "no failure of one group: it concerns all"
        assert str(error).startswith("Tinker (401): the key in TINKER_API_KEY is not accepted; create one")
        assert KEY not in str(error)


def test_a_lost_request_is_not_a_lost_checkpoint(server: TinkerServer, opened: Open) -> None:
    trained, sampled = refused_while_waiting(server, opened(), 404)
    assert type(sampled) is SamplingError, "one group's request"
    assert not is_gone(trained)


@pytest.mark.parametrize("path", ["asample", "optim_step", "retrieve_future"])
@pytest.mark.parametrize("faults", [[0, 500, 429], [408]])
def test_the_sdk_makes_up_for_cut_connections_500_429_and_time_outs(
    server: TinkerServer, opened: Open, path: str, faults: list[int]
) -> None:
    backend = opened()
    backend.encode("1")
    server.faults[path] = list(faults)
    train(backend, demonstrations(backend))
    assert len(draws(backend, PROMPTS[0])[0].result(WAIT)) == 3
    assert server.faults[path] == []
    assert len(server.bodies("optim_step")) == 1


def test_a_path_of_another_backend(opened: Open) -> None:
    with pytest.raises(FileNotFoundError, match="runs/x is not a checkpoint on a Tinker server"):
        opened().restore("runs/x", optimizer=True)


def test_closing_leaves_nobody_waiting(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    server.hold = {PROMPTS[0]: threading.Event()}
    waiting = draws(backend, PROMPTS[0])[0]
    backend.close()
    with pytest.raises(PluginError, match="closed before the answer came"):
        waiting.result(WAIT)
    with pytest.raises(PluginError, match="backend is closed"):
        backend.optim_step(ADAM)
    server.hold[PROMPTS[0]].set()


# -- preflight -------------------------------------------------------------------------------------------------------


def complaints(backend: TinkerBackend, **about: Any) -> list[str]:
    run = run_of(**about)
    run.backend = backend
    return backend.options.preflight(run)


def test_preflight_finds_nothing_wrong_with_a_good_setup(opened: Open) -> None:
    assert complaints(opened()) == []


def test_preflight_lists_key_and_server_at_once(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINKER_API_KEY")
    key, silent = complaints(opened(base_url="http://127.0.0.1:9"))
    assert key == "TINKER_API_KEY is not set: create a key in the Tinker console and export it"
    assert silent.startswith("no server answers at http://127.0.0.1:9 (")
    assert "check base_url in [plugins.tinker]" in silent


def test_preflight_names_the_nearest_model(server: TinkerServer, opened: Open) -> None:
    (complaint,) = complaints(opened("tiny/bigam"))
    assert complaint == f"[run] model = 'tiny/bigam' is not offered by {server.url}; did you mean 'tiny/bigram'?"


def test_preflight_names_what_replaces_a_retired_model(
    server: TinkerServer, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    retired = "Qwen/Qwen3-32B"
    (complaint,) = complaints(opened(retired))
    assert complaint.endswith("; known: tiny/bigram"), "the service's successors are of no use here"
    server.models = (MODEL, "Qwen/Qwen3.8-27B")
    (complaint,) = complaints(opened(retired))
    assert complaint == (
        f"[run] model = '{retired}' is not offered by {server.url}: the Tinker service retired it on 2026-06-12; "
        "use Qwen/Qwen3.8-27B: --set run.model=Qwen/Qwen3.8-27B"
    )
    monkeypatch.setattr("justtinker_plugins.backends._tinker.server.SERVICE", server.url)
    server.models = (MODEL,)
    (complaint,) = complaints(opened(retired, price_file=""))
    assert complaint.endswith("retired it on 2026-06-12; see what it offers: justtinker models")
    server.models = (MODEL, retired)
    assert not [c for c in complaints(opened(retired, price_file="")) if "retired" in c], "the server's list decides"


def test_preflight_needs_no_sdk_to_look_for_the_key(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINKER_API_KEY")
    monkeypatch.setitem(sys.modules, "tinker", None)
    key, sdk = complaints(opened())
    assert key.startswith("TINKER_API_KEY is not set")
    assert sdk == "the tinker SDK is not installed: pip install 'justtinker[tinker]'"


def test_preflight_says_which_prices_are_missing(opened: Open) -> None:
    (complaint,) = complaints(opened(prices={"sampled": 1.0}))
    assert complaint == "[plugins.tinker] prices: no others are known for tiny/bigram: set prefill, sampled and trained"


def test_preflight_with_a_key_that_no_header_can_carry(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINKER_API_KEY", KEY + "\n")
    begun = time.monotonic()
    (complaint,) = complaints(opened())
    assert complaint == "TINKER_API_KEY starts or ends with white space, perhaps a newline: remove it"
    assert time.monotonic() - begun < 30, "the SDK would try for five minutes"


def test_preflight_at_an_address_that_does_not_speak_http(opened: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH\r\n")
                connection.recv(4096)

        threading.Thread(target=greet, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        (complaint,) = complaints(opened(base_url=url))
    assert complaint == (
        f"no server answers at {url} (SSH-2.0-OpenSSH\r\n): check base_url in [plugins.tinker] and the network"
    )


def test_preflight_at_a_server_other_than_tinker(server: TinkerServer, opened: Open) -> None:
    server.answers = dict.fromkeys(("client/config", "get_server_capabilities", "create_session"), (404, "no page"))
    (complaint,) = complaints(opened())
    assert complaint.startswith(f"{server.url} (base_url in [plugins.tinker]) does not list its models: Tinker (404): ")


def test_preflight_with_a_key_that_is_refused(server: TinkerServer, opened: Open) -> None:
    server.answers = dict.fromkeys(("client/config", "get_server_capabilities", "create_session"), (401, "bad key"))
    (complaint,) = complaints(opened())
    assert "the key in TINKER_API_KEY is not accepted" in complaint


def test_preflight_finds_the_starting_weights(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    there = backend.save("start").result(WAIT)
    gone = there.replace("start", "gone")
    assert complaints(backend, start_from=there) == []
    (complaint,) = complaints(backend, start_from=gone)
    assert complaint.startswith(f"[run] start_from = '{gone}' cannot be loaded from {server.url}: Tinker (404): ")
    assert start_complaints(opened("tiny/other"), there) == [
        f"[run] start_from = '{there}' is a checkpoint of tiny/bigram, but [run] model = 'tiny/other'"
    ]


def test_preflight_finds_the_starting_weights_of_a_run_directory(opened: Open, tmp_path: Path) -> None:
    backend = opened()
    gone = backend.save("start").result(WAIT).replace("start", "gone")
    RunDir.create(tmp_path / "before", "").append("checkpoints.jsonl", {"step": 1, "path": gone})
    (complaint,) = complaints(backend, start_from=str(tmp_path / "before"))
    assert complaint.startswith(f"[run] start_from = '{gone}' cannot be loaded")


def test_preflight_refuses_weights_of_another_backend(opened: Open, tmp_path: Path) -> None:
    local = RunDir.create(tmp_path / "local", "")
    local.append("checkpoints.jsonl", {"step": 1, "path": "checkpoints/step_000001"})
    for start, path in ((local.path, local.path / "checkpoints/step_000001"), (tmp_path, tmp_path)):
        (complaint,) = complaints(opened(), start_from=str(start))
        assert complaint == (
            f"[run] start_from: {path} is not a checkpoint on a Tinker server (tinker://...); "
            "name one, or a run directory that has one"
        )


def test_start_from_does_not_matter_once_the_run_has_a_checkpoint(opened: Open) -> None:
    backend = opened()
    gone = backend.save("start").result(WAIT).replace("start", "gone")
    assert complaints(backend, start_from=gone, saved=({"step": 3},)) == []
    assert complaints(backend, start_from="../1-coldstart") == [], "the run before, which may not have begun yet"


def test_check_lists_data_key_server_and_disk_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: TinkerServer
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TINKER_API_KEY")
    monkeypatch.setattr("shutil.disk_usage", lambda path: types.SimpleNamespace(free=1))
    (tmp_path / "wire.toml").write_text(wire_config("http://127.0.0.1:9"))
    begun = time.monotonic()
    result = cli("check", "wire.toml", "--set", "data.train.use=files", "--set", "data.train.path=nowhere.jsonl",
                 "-p", "early_stopping", "--set", "plugins.early_stopping.evaluation=math",
                 "-p", "no:exact", "-p", "choice")  # fmt: skip
    assert time.monotonic() - begun < 30, "nobody waits for a server that is known to be silent"
    assert result.exit_code == 1
    data, key, silent, monitor, disk, verifier = result.output[result.output.index("Error: ") :].splitlines()
    assert "nowhere.jsonl" in data
    assert key.startswith("TINKER_API_KEY is not set")
    assert silent.startswith("no server answers at http://127.0.0.1:9")
    assert monitor.startswith("[plugins.early_stopping] evaluation = 'math': there is no table [data.eval.math]")
    assert disk.startswith("only 0 MiB are free")
    assert verifier.startswith("[data.eval.held_out] no verifier takes problem"), "no model is needed to see that"


def test_check_shows_the_prompt_and_samples_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: TinkerServer
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wire.toml").write_text(wire_config(server.url))
    server.context_length = 512
    result = cli("check", "wire.toml")
    assert result.exit_code == 0, result.output
    first = "The first prompt: 17 tokens; the response stops at '<|im_end|>', or after 8 tokens; "
    assert f"{first}the model's context has 512." in result.output
    spent = {"asample", "forward_backward", "optim_step", "save_weights", "save_weights_for_sampler"}
    assert spent.isdisjoint(path for path, _ in server.seen)


def test_the_context_length_is_the_servers_or_the_options(server: TinkerServer, opened: Open) -> None:
    assert opened().context_length == 64
    assert opened(context_length=32).context_length == 32
    server.context_length = None
    (complaint,) = complaints(opened())
    assert complaint.endswith("how many tokens tiny/bigram takes: set context_length in [plugins.tinker]")


def test_the_sdk_is_imported_only_when_it_is_used() -> None:
    code = (
        "import sys, justtinker_plugins.backends.tinker as t\n"
        "t.Tinker()\n"
        "assert not {'tinker', 'transformers', 'torch'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- money -----------------------------------------------------------------------------------------------------------


def test_tokens_cached_by_the_server_are_reported(opened: Open) -> None:
    backend = opened()
    draw = request(backend, PROMPTS[0], n=1)
    reply = types.SimpleNamespace(prompt_cache_hit_tokens=2, sequences=[sequence([5, 6])])
    assert [s.cached for s in wire.samples(draw, reply)] == [2]
    reply = types.SimpleNamespace(sequences=[sequence([5, 6])])  # older SDKs do not report it
    assert [s.cached for s in wire.samples(draw, reply)] == [0]


def sequence(tokens: list[int]) -> types.SimpleNamespace:
    return types.SimpleNamespace(tokens=tokens, logprobs=[-1.0] * len(tokens), stop_reason="stop")


@pytest.mark.parametrize("what", ["the api_key JWT has expired", "host not found"])
def test_other_errors_are_not_a_lost_checkpoint(what: str) -> None:
    assert not is_gone(explained(RuntimeError(what)))
    assert is_gone(explained(RuntimeError("checkpoint tinker://a:train:0/weights/x has expired")))


def test_an_expired_key_is_not_a_lost_checkpoint(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    path = backend.save("start").result(WAIT)
    server.answers["load_weights"] = (403, "the API key has expired")
    with pytest.raises(PluginError, match=rf"cannot restore {path}: Tinker \(403\): the key in TINKER_API_KEY may not"):
        backend.restore(path, optimizer=True)


# -- with the core's own loop ----------------------------------------------------------------------------------------

CONFIG = """
[run]
name = "wire"
model = "tiny/bigram"
steps = 4
[optimizer]
learning_rate = 1e-2
[sampling]
max_tokens = 8
[checkpoints]
every = 1
[data.train]
use = "arithmetic"
[data.eval.held_out]
use = "arithmetic"
limit = 2
[plugins]
enable = ["wire", "chatml_think", "sft", "exact"]
[plugins.wire]
base_url = "{url}"
[plugins.sft]
batch_size = 4
[local_plugins]
wire = "{plugin}:Tinker"
"""


def wire_config(url: str) -> str:
    return CONFIG.format(url=url, plugin=sys.modules[Tinker.__module__].__file__)


def run_loop(directory: Path) -> str:
    configured = config_files.read(directory)
    with loop.opened(Run(configured, open_plugins(configured), RunDir(directory))) as run:
        return loop.train(run)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_run_resumes_from_the_newest_checkpoint_that_has_not_expired(server: TinkerServer, tmp_path: Path) -> None:
    server.context_length = 512
    file = tmp_path / "wire.toml"
    file.write_text(wire_config(server.url))
    run_dir = RunDir.create(tmp_path / "run", resolved(config_files.read(file)).dump()).path
    assert run_loop(run_dir) == "finished"
    whole = [without_times(step) for step in lines(run_dir / "steps.jsonl")]
    assert whole[-1]["metrics"]["loss"] < whole[0]["metrics"]["loss"]
    saved = lines(run_dir / "checkpoints.jsonl")
    for path in {record["path"] for record in saved if record["step"] > 2}:
        del server.saved[path]
    assert run_loop(run_dir) == "finished"
    kinds = [(record["step"], record["kind"]) for record in lines(run_dir / "checkpoints.jsonl")]
    assert kinds == [(1, "periodic"), (2, "periodic"), (3, "periodic"), (4, "final"), (4, "best")]
    assert [without_times(step) for step in lines(run_dir / "steps.jsonl")] == whole
    assert KEY not in "".join(path.read_text() for path in run_dir.rglob("*.*") if path.suffix in (".jsonl", ".toml"))


def failing(server: TinkerServer, tmp_path: Path) -> str:
    """The error of a run of four steps, without the advice on how to go on."""
    server.context_length = 512
    (tmp_path / "wire.toml").write_text(wire_config(server.url))
    result = cli("train", tmp_path / "wire.toml", "--dir", tmp_path / "run")
    assert result.exit_code == 1
    assert [step["step"] for step in lines(tmp_path / "run/checkpoints.jsonl")] == [1, 2]
    *_, error, advice = result.output.splitlines()
    again = f"justtinker train --resume {tmp_path / 'run'}"
    assert advice == f"failed; fix the cause, then resume with the same config: {again}"
    return error


LAST_GOOD = "; the last good checkpoint is of step 2: tinker://session0:train:0/weights/step_000002"


def test_a_poisoned_training_result_ends_the_run(
    server: TinkerServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Weights.forward_backward

    def poisoned(weights: Weights, *arguments: Any) -> list[Any]:
        outputs = whole(weights, *arguments)
        outputs[0][-1] = float("nan") if weights.steps == 2 else outputs[0][-1]
        return outputs

    monkeypatch.setattr(Weights, "forward_backward", poisoned)
    error = failing(server, tmp_path)
    assert error.startswith("Error: training failed at step 3: the cross_entropy loss, from the server's log-prob")
    assert error.endswith(LAST_GOOD)


def test_a_checkpoint_that_the_server_cannot_save_ends_the_run(
    server: TinkerServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = TinkerServer.save_weights

    def full(world: TinkerServer, body: dict[str, Any]) -> Any:
        return save(world, body) if len(world.saved) < 2 else world.future({"error": "full", "category": "server"})

    monkeypatch.setattr(TinkerServer, "save_weights", full)
    error = failing(server, tmp_path)
    assert error.startswith(
        f"Error: cannot save the checkpoint of step 3 in {tmp_path / 'run'}: Tinker gave up on the request"
    )
    assert error.endswith(LAST_GOOD)


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "seconds"}


RL = CONFIG.replace('"sft", "exact"', '"grpo", "exact", "correct", "group_mean"').replace(
    "[plugins.sft]\nbatch_size = 4",
    "[plugins.grpo]\nproblems_per_step = 10\nrollouts_per_problem = 3",
)


def test_a_poisoned_group_of_a_run_is_left_out_and_counted(server: TinkerServer, tmp_path: Path) -> None:
    server.context_length = 512
    file = tmp_path / "rl.toml"
    file.write_text(RL.format(url=server.url, plugin=sys.modules[Tinker.__module__].__file__))
    run_dir = RunDir.create(tmp_path / "run", resolved(config_files.read(file, ["run.steps=1"])).dump()).path
    configured = config_files.read(run_dir)
    with loop.opened(Run(configured, open_plugins(configured), RunDir(run_dir))) as run:
        first = run.draw(1, 10, run.train_problems)[0]
        server.poison = {run.prompt(first).text: nan}
        assert loop.train(run) == "finished"
    [step] = lines(run_dir / "steps.jsonl")
    assert step["metrics"]["failed_groups"] == 1
    assert step["metrics"]["rollouts"] == 27
