"""The whole pipeline through the official SDK, over HTTP, against SkyRL's open-source Tinker server on the CPU.

`run_skyrl.sh` makes the environment that this needs. No test leans on the values of losses or on speed: the model is
tiny and random, and every new shape of a batch is compiled first.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1500)]

for needed in ("skyrl", "jax", "tinker", "torch"):
    if importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed: run tests/integration/run_skyrl.sh", allow_module_level=True)

DIGITS = '''
"""Pays for digits: something that a random model can be rewarded for."""
from justtinker_core import Group, hookimpl, plugin


@plugin
class Digits:
    default_weight = 1.0

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float]]:
        return {"digits": [sum(map(str.isdigit, r.text)) / (len(r.text) + 1) for r in group.rollouts]}
'''
COMMON = """
[run]
name = "{name}"
model = "{model}"
steps = 4
{start}
[optimizer]
learning_rate = 1e-3
[sampling]
max_tokens = 12
[evaluation]
temperature = 1.0
[checkpoints]
every = 1
[data.train]
use = "arithmetic"
[data.eval.held_out]
use = "arithmetic"
limit = 2
[plugins.tinker]
base_url = "{url}"
lora_rank = 8
context_length = 128
"""
SFT = """
[plugins]
enable = ["tinker", "chatml_think", "sft", "math_verify", "console"]
[plugins.sft]
batch_size = 4
"""
RL = """
[plugins]
enable = ["tinker", "chatml_think", "grpo", "math_verify", "group_mean", "digits", "console"]
[plugins.grpo]
problems_per_step = 2
rollouts_per_problem = 4
[local_plugins]
digits = "digits.py:Digits"
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def write_stand_ins(directory: Path) -> None:
    """What the server expects of the machine: a `uv` that starts this Python, and a TypedDict that pydantic takes."""
    uv = directory / "uv"
    uv.write_text(f'#!/bin/sh\nwhile [ "$1" != "-m" ]; do shift; done\n"{sys.executable}" "$@"\n')
    uv.chmod(0o755)
    (directory / "sitecustomize.py").write_text(
        "import typing, typing_extensions\ntyping.TypedDict = typing_extensions.TypedDict\n"
    )


def write_model(directory: Path) -> None:
    """A random Qwen3 of 112 k parameters, with its tokenizer."""
    import torch

    from justtinker_plugins.backends._local.model import tiny

    torch.manual_seed(0)
    for part in tiny():
        part.save_pretrained(directory)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A running server: its address and its model."""
    directory, port = tmp_path_factory.mktemp("skyrl"), free_port()
    write_stand_ins(directory)
    write_model(directory / "model")
    environment = os.environ | {
        "PATH": f"{directory}:{os.environ['PATH']}", "PYTHONPATH": str(directory), "JAX_PLATFORMS": "cpu",
    }  # fmt: skip
    settings = {
        "base-model": directory / "model", "backend": "jax", "host": "127.0.0.1", "port": port,
        "database-url": f"sqlite:///{directory / 'server.db'}", "checkpoints-base": directory / "checkpoints",
    }  # fmt: skip
    command = ["uv", "run", "python", "-m", "skyrl.tinker.api", *(f"--{k}={v}" for k, v in settings.items())]
    log = directory / "server.log"
    with log.open("w") as output:
        # Its own session: the server's own children must end with it.
        server = subprocess.Popen(
            command, env=environment, executable=directory / "uv", stdout=output, stderr=output, start_new_session=True
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/api/v1/healthz", server, log)
            yield {"url": f"http://127.0.0.1:{port}", "model": str(directory / "model")}
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"the server did not start:\n{log.read_text()[-3000:]}")


def justtinker(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "justtinker_core.cli", *arguments]
    environment = os.environ | {"TINKER_API_KEY": "tml-anything-goes-here", "TINKER_TELEMETRY": "0"}
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    return output


def records(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_sft_then_rl_killed_resumed_and_evaluated(tmp_path: Path, world: dict[str, str]) -> None:
    (tmp_path / "digits.py").write_text(DIGITS)
    (tmp_path / "sft.toml").write_text(COMMON.format(name="sft", start="", **world) + SFT)
    (tmp_path / "rl.toml").write_text(COMMON.format(name="rl", start='start_from = "sft"', **world) + RL)

    assert "Nothing stands in the way" in finish(justtinker("check", "sft.toml", cwd=tmp_path))
    finish(justtinker("train", "sft.toml", "--dir", "sft", cwd=tmp_path))
    steps = records(tmp_path / "sft/steps.jsonl")
    assert [step["step"] for step in steps] == [1, 2, 3, 4]
    assert all(step["metrics"]["grad_norm"] > 0 for step in steps)
    saved = records(tmp_path / "sft/checkpoints.jsonl")
    assert all(record["path"].startswith("tinker://") for record in saved)
    assert [record["kind"] for record in saved if record["kind"] != "best"][-1] == "final"

    process = justtinker("train", "rl.toml", "--dir", "rl", cwd=tmp_path)
    while len(records(tmp_path / "rl/checkpoints.jsonl")) < 2 and process.poll() is None:
        time.sleep(0.1)
    process.kill()
    process.communicate()
    assert len(records(tmp_path / "rl/steps.jsonl")) < 4
    finish(justtinker("train", "--resume", "rl", cwd=tmp_path))
    steps = records(tmp_path / "rl/steps.jsonl")
    assert [step["step"] for step in steps] == [1, 2, 3, 4]
    assert all(step["tokens"]["sampled"] > 0 for step in steps)
    assert sum(step["metrics"]["trained"] for step in steps) > 0
    assert [record["step"] for record in records(tmp_path / "rl/evals.jsonl")] == [0, 4]

    assert "accuracy" in finish(justtinker("eval", "rl", cwd=tmp_path))
