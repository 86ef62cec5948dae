"""The golds of the nine evaluation sets, in their two column shapes."""

from __future__ import annotations

from pathlib import Path


def load_golds(folder: Path) -> list[tuple[str, str]]:
    """(set, gold) of every problem of the parquet files in a folder."""
    import pyarrow.parquet as pq

    golds = []
    for path in sorted(folder.glob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            golds.append((path.stem, row["answer"] if "answer" in row else row["reward_model"]["ground_truth"]))
    return golds
