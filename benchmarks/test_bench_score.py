"""`justtinker score`: rollouts a second and the most memory, with the default stack, after the same numbers twice.

    JUSTTINKER_DATA=... pytest -s benchmarks/test_bench_score.py

The rollouts are made up: 4,000 tokens each (about 16,000 characters of prose with mathematics in it), in groups of 8,
one box at the end that holds the gold, an equivalent, or something else. With JUSTTINKER_DATA also the 256 real ones of
rollout_batch_256, many times over. Before anything is timed, one process and all of them must agree. Memory is that of
the command and all of its children together, shared pages divided among them (PSS; Linux only). Speed is asserted by
``-m slow``, for a quiet machine with two cores.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from justtinker_plugins.commands.bench import made_up_texts
from tests.plugins.reasoning_data import labelled

GROUP = 8
STACK = """
[run]
name = "default"
model = "none"
steps = 0
[plugins]
enable = ["math_verify", "thinking", "correct", "format", "redundancy", "group_mean"]
"""
ANSWERS = {
    "42": ["42", "42.0", "6 \\cdot 7", "41", "x + 42"],
    "\\frac{1}{2}": ["\\frac{1}{2}", "0.5", "\\frac{2}{4}", "2"],
    "\\max(a, b)": ["\\max(b, a)", "\\max(a, b)", "\\min(a, b)"],  # for the verifier's own processes
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config, and 2,048 rollouts of 4,000 tokens in four files."""
    folder = tmp_path_factory.mktemp("score")
    (folder / "stack.toml").write_text(STACK)
    dice = random.Random(0)
    texts = made_up_texts(256, 2600)
    for number in range(4):
        write(folder / f"step_{number:06d}.jsonl.zst", (group(dice, texts, number) for _ in range(64)))
    return folder


def group(dice: random.Random, texts: list[str], step: int) -> dict[str, Any]:
    gold = dice.choice([*ANSWERS])
    rollouts = [
        {"text": f"<think>{dice.choice(texts)}</think>\\boxed{{{dice.choice(ANSWERS[gold])}}}", "tokens": 4000}
        for _ in range(GROUP)
    ]
    return {"step": step, "index": 0, "problem": {"id": "1", "question": "?", "answer": gold}, "rollouts": rollouts}


def write(path: Path, groups: Iterator[dict[str, Any]]) -> None:
    path.write_bytes(zstandard.compress("".join(json.dumps(g) + "\n" for g in groups).encode()))


class Peak:
    """The most memory of a process and its children, in MiB, looked at ten times a second."""

    def __init__(self, pid: int) -> None:
        self.most, self._pid = 0.0, pid
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while family := [pid for pid in pids_of(self._pid) if Path(f"/proc/{pid}").exists()]:
            self.most = max(self.most, sum(map(pss, family)) / 1024)
            time.sleep(0.1)


def pids_of(pid: int) -> list[int]:
    """A process and all that descend from it."""
    try:
        children = [
            int(c) for task in Path(f"/proc/{pid}/task").iterdir() for c in (task / "children").read_text().split()
        ]
    except OSError:
        return []
    return [pid, *(p for child in children for p in pids_of(child))]


def pss(pid: int) -> int:
    """Its share of memory in KiB; 0 if it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def score(folder: Path, *arguments: str) -> tuple[dict[str, Any], float, float, float]:
    """The summary, seconds on the clock, CPU seconds, and peak memory in MiB of the command line."""
    command = [sys.executable, "-m", "justtinker_core.cli", "score", *arguments]
    command += ["--config", "stack.toml", "--json", "summary.json"]
    before, begun = os.times(), time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    peak = Peak(process.pid)
    assert process.wait(timeout=900) == 0
    seconds, after = time.perf_counter() - begun, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return json.loads((folder / "summary.json").read_text()), seconds, cpu, peak.most


def shown(what: str, rollouts: int, seconds: float, cpu: float, memory: float) -> None:
    print(
        f"\n{what}: {rollouts:,} rollouts in {seconds:.1f} s, {rollouts / seconds:,.0f} a second "
        f"({rollouts / cpu:,.0f} a CPU second), start included; at most {memory:.0f} MiB"
    )


def test_one_process_and_all_agree(folder: Path) -> None:
    one, all_of_them = (score(folder, "step_000000.jsonl.zst", "--jobs", jobs)[0] for jobs in ("1", "2"))
    assert one == all_of_them
    assert one["rollouts"] == 64 * GROUP
    assert 0.2 < one["config"]["accuracy"] < 0.9


@pytest.mark.slow  # asserts seconds of wall clock: for a quiet machine with two cores
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from /proc")
def test_generated_rollouts(folder: Path) -> None:
    files = [file.name for file in sorted(folder.glob("step_*"))]
    found, seconds, cpu, memory = score(folder, *files * 4)
    shown("generated", found["rollouts"], seconds, cpu, memory)
    assert memory < 1024
    assert found["rollouts"] / seconds >= 300


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from /proc")
def test_real_rollouts(folder: Path) -> None:
    texts = labelled("rollout_batch_256")[0]
    rows = [{"text": text, "tokens": len(text) // 4} for text in texts]
    problem = {"id": "1", "question": "?", "answer": "\\frac{11}{36}"}
    groups = [{"step": 1, "problem": problem, "rollouts": rows[i : i + GROUP]} for i in range(0, len(rows), GROUP)]
    write(folder / "real.jsonl.zst", iter(groups * 8))
    found, seconds, cpu, memory = score(folder, *["real.jsonl.zst"] * 4)
    shown("real", found["rollouts"], seconds, cpu, memory)
    assert memory < 1024
    assert found["rollouts"] / seconds >= 300
