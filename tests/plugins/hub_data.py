"""Small copies of hub data sets on disk, and loading them as a run does: through `datasets`, without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from justtinker_core import Problem
from justtinker_core.options import configure
from justtinker_core.types import DataSpec


def write(directory: Path, files: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Parquet files of these rows, e.g. ``algebra/train-00000-of-00001``; the directory, as `source` takes it."""
    for name, rows in files.items():
        path = directory / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return str(directory)


def load(cls: type[Any], purpose: str = "train", **options: Any) -> tuple[list[Problem], dict[str, int]]:
    """The problems, and how many rows were left out by reason."""
    spec = DataSpec("held_out", "train" if purpose == "train" else "eval", cls.__name__, options)
    plugin = configure(cls, spec.table, options)
    return list(plugin.load_problems(spec)), dict(plugin.skipped)
