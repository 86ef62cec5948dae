"""The problems of the nine evaluation sets, in their two column shapes."""

from __future__ import annotations

from pathlib import Path


def load_problems(folder: Path) -> list[tuple[str, str, str]]:
    """(set, question, gold) of every problem of the parquet files in a folder."""
    import pyarrow.parquet as pq

    problems = []
    for path in sorted(folder.glob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            if "answer" in row:
                problems.append((path.stem, row["problem"], row["answer"]))
            else:
                problems.append((path.stem, row["prompt"][0]["content"], row["reward_model"]["ground_truth"]))
    return problems


def load_golds(folder: Path) -> list[tuple[str, str]]:
    """(set, gold) of every problem of the parquet files in a folder."""
    return [(name, gold) for name, _, gold in load_problems(folder)]
