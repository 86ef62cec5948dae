"""How much memory and time DAPO-Math-17k takes, on a made-up set of its shape: 1,791,700 rows, row groups of 2**20.

Run ``python benchmarks/dapo_memory.py [ROWS]``; it takes 350 MB in the temporary folder. Figures: docs/data.md.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROWS, PROBLEMS, GROUP = 1_791_700, 17_400, 2**20
MESSAGE = pa.struct([("content", pa.string()), ("role", pa.string())])
SCHEMA = pa.schema(
    [
        ("data_source", pa.string()),
        ("prompt", pa.list_(MESSAGE)),
        ("reward_model", pa.struct([("ground_truth", pa.string()), ("style", pa.string())])),
        ("extra_info", pa.struct([("index", pa.string())])),
    ]
)


def generate(directory: Path, rows: int) -> None:
    """Write the set."""
    from justtinker_plugins.datasets.dapo_math_17k import AFTER, BEFORE

    rng, words = random.Random(0), [f"word{i}" for i in range(2000)]
    prompts = [f"{BEFORE}\n\n{' '.join(rng.choices(words, k=50))}\n\n{AFTER}" for _ in range(PROBLEMS)]
    file = directory / "data" / "train-00000-of-00001.parquet"
    file.parent.mkdir(parents=True)
    with pq.ParquetWriter(file, SCHEMA) as writer:
        for start in range(0, rows, GROUP):
            some = range(start, min(rows, start + GROUP))
            columns = {
                "data_source": ["math_dapo"] * len(some),
                "prompt": [[{"content": prompts[i % PROBLEMS], "role": "user"}] for i in some],
                "reward_model": [{"ground_truth": str(i % PROBLEMS), "style": "rule"} for i in some],
                "extra_info": [{"index": str(i)} for i in some],
            }
            writer.write_table(pa.table(columns, schema=SCHEMA), row_group_size=GROUP)


def load(directory: str) -> None:
    """Load it as a run does, and say what that took; in a process of its own."""
    from justtinker_core.data import load
    from justtinker_core.discovery import find
    from justtinker_core.types import DataSpec

    begun = time.perf_counter()
    problems = load(DataSpec("train", "train", "dapo_math_17k", {"source": directory}), find(), {})
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) / 1024  # ru_maxrss would count the process that started this one
    print(f"{len(problems):,} problems, {time.perf_counter() - begun:.0f} s, peak {peak:,.0f} MiB")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        load(sys.argv[2])
    else:
        with tempfile.TemporaryDirectory() as folder:
            generate(Path(folder), int(sys.argv[1]) if len(sys.argv) == 2 else ROWS)
            subprocess.run([sys.executable, __file__, "load", folder], check=True)
