"""kill -9 at random moments of real runs on the local backend: whatever it leaves, resuming ends with the same records.

The processes are forked from a server that has imported torch and transformers already; from there on each is a whole
``justtinker train``, with its threads and its grading processes. A seed draws the moments; it is printed, and
JUSTTINKER_KILL_SEED sets it (the machine's load still has a say in what a moment hits).
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import time
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the local backend needs torch: install the extra 'local'")
pytest.importorskip("transformers", reason="the local backend needs transformers: install the extra 'local'")

pytestmark = pytest.mark.xdist_group("kill")  # one server, one series to compare with
KILLS = 12
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    ["torch", "transformers.generation", "transformers.models.qwen3.modeling_qwen3", "sympy", "rich.console",
     "justtinker_plugins.backends.local", "justtinker_core.cli"]
)  # fmt: skip

COMMON = """
[run]
name = "{name}"
model = "tiny"
steps = 6
[optimizer]
learning_rate = 1e-3
[sampling]
max_tokens = 12
[evaluation]
every = 3
[checkpoints]
every = 2
[data.train]
use = "arithmetic"
count = 60
[data.eval.held_out]
use = "arithmetic"
limit = 4
"""
SFT = """
[plugins]
enable = ["local", "chatml_think", "sft", "math_verify", "thinking", "console"]
[plugins.sft]
batch_size = 4
require_thinking = false
"""
RL = """
[plugins]
enable = ["local", "chatml_think", "grpo", "math_verify", "thinking", "digits", "group_mean", "console"]
[plugins.grpo]
problems_per_step = 2
rollouts_per_problem = 4
lag = 1                      # steps 2 and 6 are sampled ahead; the others follow a checkpoint
[local_plugins]
digits = "digits.py:Digits"
"""
DIGITS = Path(__file__).parents[1] / "digits.py"
SERIES = ("train", "sft.toml", "rl.toml", "--dir")
RUNS = ("1-sft", "2-rl")
STEPS = 12


def justtinker(folder: Path, arguments: tuple[str, ...]) -> None:
    """The command line in a process of its own."""
    os.chdir(folder)
    with Path("output.txt").open("a") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    from justtinker_core.cli import main

    main(arguments)


def start(folder: Path, *arguments: str) -> BaseProcess:
    process = FORKED.Process(target=justtinker, args=(folder, arguments))
    process.start()
    return process


def finish(folder: Path, *arguments: str) -> None:
    process = start(folder, *arguments)
    process.join(120)
    assert process.exitcode == 0, (folder / "output.txt").read_text()


def arguments_for(folder: Path, run: str) -> tuple[str, ...]:
    """The command that goes on with a run, or begins it."""
    return ("train", "--resume", run) if (folder / run).exists() else (*SERIES, run)


def records(run: Path) -> dict[str, list[dict[str, Any]]]:
    """Everything that the runs of a series recorded, times aside; what was set aside is no part of it."""
    found = {}
    for file in [run / name / f"{kind}.jsonl" for name in RUNS for kind in ("steps", "evals", "checkpoints")]:
        text = file.read_text() if file.exists() else ""
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        found[f"{file.parent.name}/{file.name}"] = [{k: v for k, v in r.items() if k != "seconds"} for r in lines]
    return found


def recorded_steps(run: Path) -> int:
    """How many steps of both stages are recorded."""
    files = [run / name / "steps.jsonl" for name in RUNS]
    return sum(file.read_bytes().count(b"\n") for file in files if file.exists())


def wait_for(steps: int, run: Path, process: BaseProcess) -> None:
    """Until so many steps of a run are recorded, or it has ended."""
    while process.is_alive() and recorded_steps(run) < steps:
        time.sleep(0.02)


def weights(run: Path) -> list[bytes]:
    """The bytes of every file of the last checkpoint."""
    path = run / "2-rl" / records(run)["2-rl/checkpoints.jsonl"][-1]["path"]
    return [file.read_bytes() for file in sorted(path.rglob("*") if path.is_dir() else [path]) if file.is_file()]


@pytest.mark.slow
def test_the_records_are_worth_comparing(whole: tuple[Path, float]) -> None:
    found = records(whole[0])
    assert [r["step"] for r in found["1-sft/steps.jsonl"]] == [1, 2, 3, 4, 5, 6]
    assert [r["step"] for r in found["2-rl/steps.jsonl"]] == [1, 2, 3, 4, 5, 6]
    assert [r["step"] for r in found["2-rl/evals.jsonl"]] == [0, 3, 6]
    assert all(r["metrics"]["trained"] > 0 for r in found["2-rl/steps.jsonl"])
    assert len({r["metrics"]["reward"] for r in found["2-rl/steps.jsonl"]}) > 3
    assert [r["metrics"]["sampler_age"] for r in found["2-rl/steps.jsonl"]] == [0, 1, 0, 0, 0, 1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A series that nobody kills, and how long it took."""
    folder = tmp_path_factory.mktemp("kill")
    (folder / "sft.toml").write_text(COMMON.format(name="sft") + SFT)
    (folder / "rl.toml").write_text(COMMON.format(name="rl") + RL)
    shutil.copy(DIGITS, folder)
    finish(folder, *SERIES, "warm")  # the fork server imports torch
    begun = time.monotonic()
    finish(folder, *SERIES, "whole")
    return folder / "whole", time.monotonic() - begun


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_any_moment_and_resumed_equals_never_killed(whole: tuple[Path, float]) -> None:
    (run, duration), folder = whole, whole[0].parent
    seed = int(os.environ.get("JUSTTINKER_KILL_SEED") or random.SystemRandom().randrange(10**6))
    rng, killed = random.Random(seed), Counter[int]()
    for attempt in range(3 * KILLS):
        name = f"killed{attempt}"
        process = start(folder, *arguments_for(folder, name))
        wait_for(attempt % STEPS, folder / name, process)
        time.sleep(rng.uniform(0, duration / STEPS))
        process.kill()
        process.join()
        if process.exitcode == -9:
            killed[recorded_steps(folder / name)] += 1
            finish(folder, *arguments_for(folder, name))
        assert records(folder / name) == records(run), f"{name}, seed {seed}"
        assert weights(folder / name) == weights(run), f"{name}, seed {seed}"
        if killed.total() == KILLS:
            break
    print(f"\nseed {seed}, {duration:.1f} s a series; killed after so many steps: {dict(sorted(killed.items()))}")
    assert killed.total() == KILLS
    assert len(killed) > 5, "moments of all sorts"
