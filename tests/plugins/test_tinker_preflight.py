"""What the `tinker` backend finds out before anything is spent."""

from __future__ import annotations

import socket
import sys
import threading
import types
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import config_files
from justtinker_core.enabling import resolved
from justtinker_core.errors import PluginError
from justtinker_core.rundir import RunDir

pytest.importorskip("tinker", reason="the tinker backend needs the tinker SDK")

from justtinker_core.testing.backends import ADAM, PROMPTS, WAIT, demonstrations, train
from justtinker_plugins.backends._local import model as models
from justtinker_plugins.backends._tinker.backend import TinkerBackend
from justtinker_plugins.backends._tinker.calls import Calls
from justtinker_plugins.backends._tinker.preflight import key_complaints, start_complaints
from justtinker_plugins.backends._tinker.protocol import mismatch, sdk_version
from justtinker_plugins.backends.tinker import labels
from tests.core.conftest import cli
from tests.plugins.tinker_fixtures import Open, draws, run_loop, tinker_run, wire_config
from tests.plugins.tinker_server import KEY, MODEL, TinkerServer

pytestmark = [
    pytest.mark.filterwarnings("error::FutureWarning"),
    pytest.mark.filterwarnings("error::DeprecationWarning:justtinker_plugins"),
]


def complaints(backend: TinkerBackend, **about: Any) -> list[str]:
    run = tinker_run(**about)
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
        "use Qwen/Qwen3.8-27B: --set run.model=Qwen/Qwen3.8-27B (and a run.start_from of that model, if any)"
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


def test_a_run_that_may_begin_records_its_prices(opened: Open, tmp_path: Path) -> None:
    prices = {"prefill": 1.0, "sampled": 2.0, "trained": 3.0}
    for own, kept in (({}, []), (prices, [prices | {"cached_prefill": 0.2}])):
        run = tinker_run()
        run.files = RunDir.create(tmp_path / f"run{len(own)}", "")
        run.backend = opened(prices=own)
        assert run.backend.options.preflight(run) == []
        assert [line["usd_per_million"] for line in run.files.read("prices.jsonl")] == kept
    (line,) = run.files.read("prices.jsonl")
    assert (line["model"], line["source"]) == (MODEL, "[plugins.tinker] prices")


def test_preflight_with_a_key_that_no_header_can_carry(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINKER_API_KEY", KEY + "\n")
    monkeypatch.setattr(Calls, "submit", None)  # the SDK would try for five minutes
    (complaint,) = complaints(opened())
    assert complaint == "TINKER_API_KEY starts or ends with white space, perhaps a newline: remove it"


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
    assert complaints(backend, start_from=gone, saved=({"step": 3, "path": gone},)) == []
    assert complaints(backend, start_from="../1-coldstart") == [], "the run before, which may not have begun yet"


def test_check_lists_key_server_and_disk_at_once_and_loads_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: TinkerServer
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TINKER_API_KEY")
    monkeypatch.setattr("shutil.disk_usage", lambda path: types.SimpleNamespace(free=1))
    (tmp_path / "wire.toml").write_text(wire_config("http://127.0.0.1:9"))
    monkeypatch.setattr(Calls, "submit", None)  # nobody waits for a server that is known to be silent
    result = cli("check", "wire.toml", "--set", "data.train.use=files", "--set", "data.train.path=nowhere.jsonl",
                 "-p", "early_stopping", "--set", "plugins.early_stopping.evaluation=math",
                 "-p", "no:exact", "-p", "choice")  # fmt: skip
    assert result.exit_code == 1
    key, silent, monitor, disk = result.output[result.output.index("Error: ") :].splitlines()
    assert key.startswith("Error: TINKER_API_KEY is not set")
    assert silent.startswith("no server answers at http://127.0.0.1:9")
    assert monitor.startswith("[plugins.early_stopping] evaluation = 'math': there is no table [data.eval.math]")
    assert disk.startswith("only 0 MiB are free")
    assert "assumed, as not all could be loaded: 4 characters a token" in " ".join(result.output.split())


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


# -- versions of the SDK ---------------------------------------------------------------------------------------------

INSTALLED = sdk_version()
OLD = INSTALLED.startswith("0.24.")
JSON_REPLY = {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/R"}}}}}}
LOADING = {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/L"}}}}}


def api(training: dict[str, Any], reply: list[str], loading: list[str]) -> dict[str, Any]:
    """A description as FastAPI makes it: `training` of forward_backward, the fields of a reply, those of a load."""
    endpoints = {"forward_backward": training, "asample": JSON_REPLY, "load_weights": LOADING}
    schemas = {"R": {"properties": {name: {} for name in reply}}, "L": {"required": loading}}
    return {
        "paths": {f"/api/v1/{name}": {"post": about} for name, about in endpoints.items()},
        "components": {"schemas": schemas},
    }


RAW = {"summary": "the handler reads the body by itself"}
SKYRL_3 = api({"requestBody": {"content": {"application/json": {}}}}, ["request_id"], ["model_id", "path"])
SKYRL_4 = api(RAW, ["request_id"], ["model_id", "path"])
WITH_IDS = api(RAW, ["request_id", "sample_sequence_ids"], ["model_id", "path"])
NEWEST = api(RAW, ["request_id", "sample_sequence_ids"], ["path"])
BOTH = api({"requestBody": {"content": {"application/json": {}, "application/x-protobuf": {}}}}, [], [])


@pytest.mark.parametrize(
    ("server", "version", "fix"),
    [
        (SKYRL_3, "0.24.1", None),
        (SKYRL_3, "0.25.0", "takes JSON, but SDK 0.25.0 sends protobuf: pip install 'tinker==0.24.1'"),
        (SKYRL_3, "0.38.0", "takes JSON, but SDK 0.38.0 sends protobuf: pip install 'tinker==0.24.1'"),
        (SKYRL_4, "0.24.1", "takes protobuf, but SDK 0.24.1 sends JSON: pip install 'tinker>=0.25,<0.26'"),
        (SKYRL_4, "0.25.0", None),
        (SKYRL_4, "0.38.0", "no sequence ids, which SDK 0.38.0 needs: pip install 'tinker>=0.25,<0.26'"),
        (WITH_IDS, "0.36.0", None),
        (WITH_IDS, "0.38.0", "one request, as SDK 0.38.0 asks it to: pip install 'tinker>=0.26.2,<0.38'"),
        (NEWEST, "0.38.0", None),
        (BOTH, "0.24.1", None),
        ({}, "0.38.0", None),
        ({"paths": "none", "components": []}, "1.0rc1", None),
    ],
)
def test_which_sdk_a_server_understands(server: dict[str, Any], version: str, fix: str | None) -> None:
    found = mismatch(server, version)
    assert found is None if fix is None else found and found.endswith(fix)


def test_preflight_names_the_sdk_for_a_server_that_takes_only_json(server: TinkerServer, opened: Open) -> None:
    server.json_only = True
    fix = f"the server takes JSON, but SDK {INSTALLED} sends protobuf: pip install 'tinker==0.24.1'"
    assert complaints(opened()) == ([] if OLD else [f"{server.url} (base_url in [plugins.tinker]): {fix}"])
    assert models_made(server) == (1 if OLD else 0)


def test_a_run_on_a_server_that_takes_only_json_names_the_sdk_too(server: TinkerServer, opened: Open) -> None:
    server.json_only = True
    backend = opened()
    [sampled] = draws(backend, PROMPTS[0])
    trained = backend.forward_backward(demonstrations(backend), "cross_entropy", {})
    if OLD:
        assert len(sampled.result(WAIT)) == 3
        assert trained.result(WAIT).loss > 0
        return
    for error in (sampled.exception(WAIT), trained.exception(WAIT)):
        assert type(error) is PluginError, "no failure of one group: it concerns all"
        assert f"takes JSON, but SDK {INSTALLED} sends protobuf: pip install 'tinker==0.24.1'" in str(error)


# -- the tokenizer, and how many models are made ---------------------------------------------------------------------


def models_made(server: TinkerServer) -> int:
    by_loading = [body for body in server.bodies("load_weights") if not body.get("model_id")]
    return len(server.bodies("create_model")) + len(by_loading)


def serve(server: TinkerServer, model: str, tokenizer: str | None) -> None:
    server.base_model, server.models, server.tokenizer_id = model, (model,), tokenizer


@pytest.mark.parametrize("named", [True, False], ids=["the model's name leads to it", "only the server knows it"])
def test_no_model_is_made_for_a_tokenizer_with_the_models_name_and_at_most_one_for_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: TinkerServer, named: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    server.context_length = 512
    if named:
        serve(server, server.tokenizer_directory, None)  # as a self-hosted server has it
    file = tmp_path / "wire.toml"
    file.write_text(wire_config(server.url).replace("tiny/bigram", server.base_model))

    def made(run: Callable[[], Any]) -> int:
        before = models_made(server)
        result = run()
        assert result == "finished" or result.exit_code == 0, result
        return models_made(server) - before

    def run_in(name: str, *changes: str) -> int:
        RunDir.create(tmp_path / name, resolved(config_files.read(file, changes)).dump())
        return made(lambda: run_loop(tmp_path / name))

    start = f"run.start_from={tmp_path / 'first'}"
    assert run_in("first", "run.steps=1") == 1
    assert run_in("second", "run.steps=1", start) == 1
    assert made(lambda: run_loop(tmp_path / "second")) == 1, "resumed"
    assert made(lambda: cli("check", file, "--set", start)) == (0 if named else 1)
    assert made(lambda: cli("eval", "second")) == 1


def test_a_client_made_from_other_weights_than_the_run_begins_with_is_not_used(
    server: TinkerServer, opened: Open
) -> None:
    first = opened()
    path = first.save("start").result(WAIT)
    before = models_made(server)
    backend = opened()
    backend.server.start = (path, True)
    backend.encode("1")
    backend.optim_step(ADAM).result(WAIT)  # without a restore: the run begins anew
    assert models_made(server) == before + 2


def test_a_checkpoint_that_is_gone_does_not_keep_the_tokenizer_back(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    backend.server.start = ("tinker://session9:train:0/weights/gone", False)
    assert backend.encode("1")


def other_tokenizer(tmp_path: Path) -> str:
    tokenizer = models.tiny_tokenizer()
    tokenizer.add_tokens(["<other>"])
    tokenizer.save_pretrained(tmp_path / "other")
    return str(tmp_path / "other")


def test_another_tokenizer_on_the_server_is_an_error_and_can_be_named(
    server: TinkerServer, opened: Open, tmp_path: Path
) -> None:
    serve(server, server.tokenizer_directory, other_tokenizer(tmp_path))
    backend = opened(server.base_model)
    backend.encode("1")
    with pytest.raises(PluginError) as raised:
        backend.optim_step(ADAM).result(WAIT)
    assert str(raised.value) == (
        f"the server's tokenizer of {server.base_model} is {server.tokenizer_id}, which differs from the one under the "
        f'model\'s name: set tokenizer = "{server.tokenizer_id}" in [plugins.tinker]'
    )
    named = opened(server.base_model, tokenizer=server.tokenizer_id)
    assert len(named.encode("<other>")) == 1
    train(named, demonstrations(named))


def test_a_tokenizer_that_cannot_be_loaded(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    [complaint] = complaints(opened(tokenizer=str(tmp_path / "empty")))
    assert complaint.startswith(
        f"the tokenizer of tiny/bigram cannot be loaded: [plugins.tinker] tokenizer = '{tmp_path / 'empty'}' cannot be "
    )


# -- rank, names, keys -----------------------------------------------------------------------------------------------


def test_preflight_tells_a_refused_rank_from_a_lost_tokenizer(server: TinkerServer, opened: Open) -> None:
    server.max_rank = 32
    [complaint] = complaints(opened())
    assert complaint.startswith(
        f"{server.url} refuses lora_rank = 128: set one that it allows in [plugins.tinker], the same in all stages, or "
        "raise the server's limit: "
    )
    assert "LoRA rank 128 must be between 1 and 32" in complaint
    assert complaints(opened(lora_rank=32)) == []


def test_a_refused_rank_ends_a_run_before_it_spends_anything(server: TinkerServer, opened: Open) -> None:
    server.max_rank = 32
    serve(server, server.tokenizer_directory, None)
    backend = opened(server.base_model)
    assert complaints(backend, model=server.base_model) == [], "no model is made to find out"
    with pytest.raises(PluginError, match="refuses lora_rank = 128"):
        draws(backend, PROMPTS[0])[0].result(WAIT)


def test_preflight_compares_the_adapter_of_the_starting_weights(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    path = backend.save("start").result(WAIT)
    server.lora = {"lora_rank": 32, "train_unembed": False}
    named = f"[run] start_from = '{path}' has"
    assert complaints(backend, start_from=path) == [
        f"{named} lora_rank = 32, but [plugins.tinker] lora_rank = 128: set it to 32",
        f"{named} train_unembed = false, but [plugins.tinker] train_unembed = true: set it to false",
    ]
    server.lora = {"lora_rank": 128}  # SkyRL does not say more
    assert complaints(backend, start_from=path) == []
    server.lora = {}
    assert complaints(backend, start_from=path) == []


def test_sessions_and_training_runs_carry_the_runs_name(server: TinkerServer, opened: Open) -> None:
    backend = opened()
    path = backend.save("start").result(WAIT)
    backend.restore(path, optimizer=True)
    about = {"run": "wire", "directory": "nowhere", "kind": "train", "justtinker": metadata.version("justtinker")}
    [session] = server.bodies("create_session")
    assert session["user_metadata"] == about
    assert session.get("display_name") == (None if OLD else "wire")
    made = [*server.bodies("create_model"), *(b for b in server.bodies("load_weights") if not b.get("model_id"))]
    assert [body["user_metadata"] for body in made] == [about, about]


def test_labels_tell_an_evaluation_and_no_path_of_this_machine(tmp_path: Path) -> None:
    files = RunDir.create(tmp_path / "evals", "")
    files.manifest(checkpoint="tinker://x")
    run = tinker_run()
    run.files, run.dir = files, files.path
    assert labels(run)["kind"] == "eval"
    assert str(tmp_path) not in str(labels(run))


def test_a_command_that_prints_a_key_is_as_good_as_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINKER_CREDENTIAL_CMD", "print-a-key")
    assert key_complaints("") == []


@pytest.mark.skipif(OLD, reason="this SDK stores no key")
def test_a_key_that_the_sdks_login_stored_is_accepted(
    server: TinkerServer, opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TINKER_API_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert complaints(opened()) == ["TINKER_API_KEY is not set: create a key in the Tinker console and export it"]
    store_key(KEY)
    assert complaints(opened()) == []


def store_key(key: str) -> None:
    from tinker.lib.credentials import JsonCredentialStore, ManualKey, default_credentials_path

    store = JsonCredentialStore(default_credentials_path())
    store.add_key("test", ManualKey(key=key, name="test"))
    store.set_default("test")
