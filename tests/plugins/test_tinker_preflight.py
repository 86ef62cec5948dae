"""What the `tinker` backend finds out before anything is spent."""

from __future__ import annotations

import socket
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

import pytest

from justtinker_core.rundir import RunDir

pytest.importorskip("tinker", reason="the tinker backend needs the tinker SDK")

from justtinker_core.testing.backends import WAIT
from justtinker_plugins.backends._tinker.backend import TinkerBackend
from justtinker_plugins.backends._tinker.preflight import start_complaints
from tests.core.conftest import cli
from tests.plugins.tinker_fixtures import Open, tinker_run, wire_config
from tests.plugins.tinker_server import KEY, TinkerServer

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


def test_preflight_needs_no_sdk_to_look_for_the_key(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINKER_API_KEY")
    monkeypatch.setitem(sys.modules, "tinker", None)
    key, sdk = complaints(opened())
    assert key.startswith("TINKER_API_KEY is not set")
    assert sdk == "the tinker SDK is not installed: pip install 'justtinker[tinker]'"


def test_preflight_says_which_prices_are_missing(opened: Open) -> None:
    (complaint,) = complaints(opened(prices={"sampled": 1.0}))
    assert complaint == "[plugins.tinker] prices: the table has none for tiny/bigram: set prefill, sampled and trained"


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
