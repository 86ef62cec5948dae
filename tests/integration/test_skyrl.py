"""The whole pipeline through the official SDK, over HTTP, against SkyRL's open-source Tinker server on the CPU.

docs/self-hosting.md starts the server and uses it first; `run_skyrl.sh` makes the environment that this needs. No test
leans on the values of losses or on speed: the model is tiny and random, and every new shape of a batch is compiled.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1500)]

for needed in ("skyrl", "jax", "tinker", "torch"):
    if importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed: run tests/integration/run_skyrl.sh", allow_module_level=True)

PAGE = Path(__file__).parents[2] / "docs" / "self-hosting.md"
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


def script(heading: str, port: int) -> str:
    """The commands under a heading of docs/self-hosting.md, for another port."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    return "\n".join(["set -euo pipefail", f"export PORT={port}", *blocks]).replace("PORT=8000 ", "")


@dataclass(frozen=True)
class World:
    """A running server."""

    folder: Path
    port: int

    @property
    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return os.environ | {"PATH": path, "TINKER_TELEMETRY": "0"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The page's server, started as the page says."""
    running = World(tmp_path_factory.mktemp("skyrl"), free_port())
    with (running.folder / "start.log").open("w") as output:
        # Its own session: the server and its engine must end with it.
        started = subprocess.Popen(
            ["bash", "-c", script("Start it", running.port)],
            cwd=running.folder, env=running.environment, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
        try:
            assert started.wait(timeout=240) == 0, "the server did not start"
            yield running
        except (AssertionError, subprocess.TimeoutExpired):
            logs = [path for path in (running.folder / "start.log", running.folder / "server/log") if path.exists()]
            pytest.fail("\n".join(path.read_text()[-3000:] for path in logs))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)


def test_the_page_trains(world: World) -> None:
    trained = subprocess.run(
        ["bash", "-c", script("Train on it", world.port)],
        cwd=world.folder, env=world.environment, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert "Nothing stands in the way" in trained.stdout
    steps = records(world.folder / "runs/served-rl/steps.jsonl")
    assert [step["step"] for step in steps] == [1, 2, 3]
    assert all(step["metrics"]["trained"] > 0 for step in steps), "the page says that its reward trains"


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


def test_sft_then_rl_killed_resumed_and_evaluated(tmp_path: Path, world: World) -> None:
    common = {"url": f"http://127.0.0.1:{world.port}", "model": world.folder / "server/model"}
    (tmp_path / "digits.py").write_text(DIGITS)
    (tmp_path / "sft.toml").write_text(COMMON.format(name="sft", start="", **common) + SFT)
    (tmp_path / "rl.toml").write_text(COMMON.format(name="rl", start='start_from = "sft"', **common) + RL)

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
