"""What the tests of the `tinker` backend share: a server, backends that talk to it, a config of whole runs."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import config_files, loop
from justtinker_core.enabling import open_plugins
from justtinker_core.options import configure
from justtinker_core.run import Run
from justtinker_core.rundir import RunDir
from justtinker_core.testing.backends import request
from justtinker_plugins.backends._tinker.backend import TinkerBackend
from justtinker_plugins.backends.tinker import Tinker
from tests.plugins.tinker_server import KEY, MODEL, TinkerServer, served

Open = Callable[..., TinkerBackend]


@pytest.fixture(scope="module")
def tokenizer_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokenizer")


def set_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a key, and let nobody ask the internet."""
    monkeypatch.setenv("TINKER_API_KEY", KEY)
    monkeypatch.setenv("TINKER_TELEMETRY", "0")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # of subprocesses
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # else 49 seconds of trying


@pytest.fixture
def server(tokenizer_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinkerServer]:
    set_environment(monkeypatch)
    with served(tokenizer_directory) as world:
        yield world


def tinker_run(model: str = MODEL, seed: int = 0, start_from: str | None = None, saved: tuple[Any, ...] = ()) -> Any:
    """What the plugin reads of a run."""
    section = types.SimpleNamespace(name="wire", model=model, seed=seed, start_from=start_from, budget_usd=None)
    files = types.SimpleNamespace(read=lambda name: list(saved), manifest=dict)
    return types.SimpleNamespace(config=types.SimpleNamespace(run=section), files=files, dir=Path("nowhere"), step=0)


@pytest.fixture
def opened(server: TinkerServer) -> Iterator[Open]:
    backends: list[TinkerBackend] = []

    def open_one(model: str = MODEL, **options: Any) -> TinkerBackend:
        plugin = configure(Tinker, "plugins.tinker", {"base_url": server.url, **options})
        backends.append(plugin.open_backend(tinker_run(model)))  # type: ignore[arg-type]
        return backends[-1]

    yield open_one
    for backend in backends:
        backend.close()


def draws(backend: TinkerBackend, *texts: str, **changes: Any) -> list[Any]:
    return backend.sampler().sample([request(backend, text, **changes) for text in texts])


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
limit = 200
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


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def run_loop(directory: Path) -> str:
    configured = config_files.read(directory)
    with loop.opened(Run(configured, open_plugins(configured), RunDir(directory))) as run:
        return loop.train(run)
