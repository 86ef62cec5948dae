from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from justtinker_core import Problem
from justtinker_plugins.datasets.aime_2024 import Aime2024
from tests.plugins.hub_data import load, write

URL = "https://artofproblemsolving.com/wiki/index.php/2024_AIME_II_Problems/Problem_4"
ROW: dict[str, Any] = {"id": 63, "problem": "How many?", "solution": "", "answer": "033", "url": URL, "year": "2024"}
OTHER: dict[str, Any] = {"ID": "2024-II-4", "Problem": "How many?", "Solution": "", "Answer": 33}


def test_a_row_of_the_set_and_of_its_fallback(tmp_path: Path) -> None:
    (problem,), _ = load(Aime2024, "eval", source=write(tmp_path / "a", {"data/train-00000-of-00001": [ROW]}))
    meta = {"year": 2024, "exam": "II", "url": URL}
    assert problem == Problem("2024-II-4", "How many?", "33", meta=meta)
    (problem,), _ = load(Aime2024, "eval", source=write(tmp_path / "b", {"train": [OTHER]}))
    assert problem == Problem("2024-II-4", "How many?", "33", meta={**meta, "url": None})


def test_without_a_url_the_row_names_the_problem(tmp_path: Path) -> None:
    source = write(tmp_path, {"train": [{**ROW, "url": None, "id": 1}]})
    (problem,), _ = load(Aime2024, "train", source=source)
    assert (problem.id, problem.meta["year"]) == ("aime_2024-1", 2024)


def test_a_malformed_year_is_unknown(tmp_path: Path) -> None:
    source = write(tmp_path, {"train": [{**ROW, "url": None, "year": "MMXXIV"}]})
    assert load(Aime2024, source=source)[0][0].meta["year"] is None


def test_answers_that_are_not_integers_from_0_to_999_are_counted(tmp_path: Path) -> None:
    answers = ["0", "999", "1000", "-1", "1.5", "\\boxed{3}", None, " 7 ", "²"]
    rows = [{**ROW, "answer": answer, "url": None, "id": i} for i, answer in enumerate(answers)]
    problems, skipped = load(Aime2024, "eval", source=write(tmp_path, {"train": rows}))
    assert [p.answer for p in problems] == ["0", "999", "7"]
    assert skipped == {"the answer is not an integer from 0 to 999": 6}


@pytest.mark.skipif(not os.environ.get("JUSTTINKER_DATA"), reason="JUSTTINKER_DATA names no folder of real data")
def test_the_thirty(tmp_path: Path) -> None:
    published = pq.read_table(Path(os.environ["JUSTTINKER_DATA"], "eval", "aime24.parquet")).to_pylist()
    texts = [(r["prompt"][0]["content"], r["reward_model"]["ground_truth"][7:-1]) for r in published]
    rows = [{**ROW, "problem": problem, "answer": answer, "url": None} for problem, answer in texts]
    problems, skipped = load(Aime2024, "eval", source=write(tmp_path, {"train": rows}))
    assert [(p.question, p.answer) for p in problems] == [(problem, str(int(answer))) for problem, answer in texts]
    assert (len(problems), skipped) == (30, {})
