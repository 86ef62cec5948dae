from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from justtinker_core import PluginError, Problem
from justtinker_plugins.datasets.math500 import Math500
from tests.plugins.hub_data import load, write

ROW: dict[str, Any] = {
    "problem": "What is $1+1$?",
    "solution": "$\\boxed{2}$",
    "answer": "2",
    "subject": "Prealgebra",
    "level": 1,
    "unique_id": "test/prealgebra/1.json",
}


def test_a_row_whatever_the_table_is_for(tmp_path: Path) -> None:
    source = write(
        tmp_path, {"test-00000-of-00001": [ROW, {**ROW, "answer": None, "unique_id": "test/algebra/2.json"}]}
    )
    meta = {"subject": "Prealgebra", "level": 1}
    problem = Problem("test/prealgebra/1.json", "What is $1+1$?", "2", meta=meta)
    assert (
        load(Math500, "train", source=source) == load(Math500, "eval", source=source) == ([problem], {"no answer": 1})
    )


def test_one_id_twice_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path, {"test": [ROW, ROW]})
    with pytest.raises(PluginError) as error:
        load(Math500, "eval", source=source)
    assert str(error.value) == (
        f"[data.eval.held_out] {source} (test), row 2: an earlier row has the same id 'test/prealgebra/1.json'"
    )


@pytest.mark.skipif(not os.environ.get("JUSTTINKER_DATA"), reason="JUSTTINKER_DATA names no folder of real data")
def test_the_500(tmp_path: Path) -> None:
    published = pq.read_table(Path(os.environ["JUSTTINKER_DATA"], "eval", "math_500.parquet")).to_pylist()
    texts = [(r["id"], r["prompt"][0]["content"], r["reward_model"]["ground_truth"]) for r in published]
    rows = [{**ROW, "unique_id": name, "problem": problem, "answer": answer} for name, problem, answer in texts]
    problems, skipped = load(Math500, "eval", source=write(tmp_path, {"test": rows}))
    assert [(p.id, p.question, p.answer) for p in problems] == texts
    assert (len(problems), skipped) == (500, {})
