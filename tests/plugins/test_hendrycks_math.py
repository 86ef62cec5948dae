from __future__ import annotations

import doctest
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError, Problem, data
from justtinker_core.discovery import Found
from justtinker_core.types import DataSpec
from justtinker_plugins.datasets import hendrycks_math
from justtinker_plugins.datasets.hendrycks_math import (
    SUBJECTS,
    HendrycksMath,
    boxed_answer,
    fingerprint,
    math500_fingerprints,
)
from tests.plugins.hub_data import load, write


def row(problem: str, solution: str = "So $\\boxed{2}$.", level: str = "Level 3") -> dict[str, Any]:
    return {"problem": problem, "level": level, "type": "Counting & Probability", "solution": solution}


def copy(directory: Path, split: str = "train") -> str:
    """One row a subject."""
    return write(directory, {f"{s}/{split}-00000-of-00001": [row(f"A question of {s}?")] for s in SUBJECTS})


def test_a_row(tmp_path: Path) -> None:
    source = copy(tmp_path)
    (problem,), skipped = load(HendrycksMath, source=source, subjects=["geometry"])
    meta = {"subject": "Counting & Probability", "level": 3}
    assert problem == Problem("train/geometry/1", "A question of geometry?", "2", meta=meta)
    assert skipped == {}


def test_subjects_and_splits(tmp_path: Path) -> None:
    source = copy(tmp_path)
    copy(tmp_path, "test")
    assert [p.id for p in load(HendrycksMath, source=source)[0]] == [f"train/{s}/1" for s in SUBJECTS]
    assert [p.id for p in load(HendrycksMath, "eval", source=source)[0]] == [f"test/{s}/1" for s in SUBJECTS]
    both = load(HendrycksMath, source=source, split="train+test", subjects=["algebra", "algebra"])[0]
    assert [p.id for p in both] == ["train/algebra/1", "test/algebra/1"]


def test_unknown_and_no_subjects_are_refused() -> None:
    with pytest.raises(PluginError, match=r"\[data.train\] subjects.0 = 'topology': input should be 'algebra', 'count"):
        load(HendrycksMath, subjects=["topology"])
    with pytest.raises(PluginError, match=r"\[data.train\] subjects = \[\]: "):
        load(HendrycksMath, subjects=[])


def test_a_missing_subject_is_an_error(tmp_path: Path) -> None:
    source = write(tmp_path, {"algebra/train": [row("1+1=?")]})
    with pytest.raises(PluginError) as error:
        load(HendrycksMath, source=source, subjects=["algebra", "geometry"])
    assert str(error.value).startswith(
        f"[data.train] {source} (geometry, train) cannot be loaded: ValueError: there is neither a folder "
    )


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        ("so $x=\\boxed{\\frac{1}{\\sqrt{2}}}$.", "\\frac{1}{\\sqrt{2}}"),
        ("$\\boxed{1}$ and, better, $\\boxed{2}$", "2"),
        ("so $x=\\boxed 5$.", "5"),
        ("so $x=\\boxed\\frac12$.", "\\frac12"),
        ("$\\boxed{1}$, no, $\\boxed 2$", "2"),
        ("$\\boxed 1$, no, $\\boxed{2}$", "2"),
        ("$\\boxed {7}$", "7"),
        ("$\\fbox{8}$", "8"),
        ("\\[\\boxed{\\{1,2\\}}\\]", "\\{1,2\\}"),
        ("$\\boxed{ 3 }$", "3"),
        ("$\\boxed{3", ""),
        ("$\\boxed{}$", ""),
        ("no box", ""),
        ("$\\boxedx$", ""),
    ],
)
def test_the_last_box_is_the_answer(solution: str, answer: str) -> None:
    assert boxed_answer(solution) == answer


BALANCED = st.recursive(
    st.text("abc123+\\ ", min_size=1).map(lambda t: t.replace("\\", "\\pi ")), lambda inner: inner.map("{{{}}}".format)
)


@given(st.text("ab$ {}\n"), BALANCED)
def test_braces_may_nest_as_they_like(before: str, content: str) -> None:
    assert boxed_answer(f"{before} $\\boxed{{{content}}}$.") == content.strip()


def test_documented_examples() -> None:
    result = doctest.testmod(hendrycks_math)
    assert (result.failed, result.attempted) == (0, 1)


def test_a_limit_keeps_the_proportions_of_the_subjects(tmp_path: Path) -> None:
    sizes = {"algebra": 60, "geometry": 30, "precalculus": 10}
    rows = {f"{s}/test": [{**row(f"{s} {i}?"), "type": s} for i in range(n)] for s, n in sizes.items()}
    options = {"source": write(tmp_path, rows), "subjects": list(sizes)}
    spec = DataSpec("math", "eval", "hendrycks_math", options, limit=20, stratify_by="subject")
    where = "justtinker_plugins.datasets.hendrycks_math:HendrycksMath"
    problems = data.load(spec, {"hendrycks_math": Found("hendrycks_math", "datasets", where, "justtinker", "0")}, {})
    assert Counter(p.meta["subject"] for p in problems) == {"algebra": 12, "geometry": 6, "precalculus": 2}


@pytest.mark.parametrize(("level", "value"), [("Level 1", 1), ("Level ?", None), (None, None)])
def test_levels(tmp_path: Path, level: str, value: int | None) -> None:
    source = write(tmp_path, {"algebra/train": [row("1+1=?", level=level)]})
    assert load(HendrycksMath, source=source, subjects=["algebra"])[0][0].meta["level"] == value


def test_rows_without_a_box_are_counted(tmp_path: Path) -> None:
    source = write(tmp_path, {"algebra/train": [row("1+1=?", "It is 2."), row("1+2=?")]})
    problems, skipped = load(HendrycksMath, source=source, subjects=["algebra"])
    assert ([p.id for p in problems], skipped) == (["train/algebra/2"], {"no boxed answer": 1})


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_fingerprint_ignores_space_and_case(text: str) -> None:
    assert fingerprint(text) == fingerprint(f" {text}\n") == fingerprint("\t".join(text.split()))
    assert fingerprint("Find $x$.") == fingerprint("find  $X$.") != fingerprint("Find $y$.")


def test_there_are_500_fingerprints() -> None:
    assert len(math500_fingerprints()) == 500


@pytest.mark.skipif(not os.environ.get("JUSTTINKER_DATA"), reason="JUSTTINKER_DATA names no folder of real data")
def test_math500_is_left_out_of_training_whatever_the_split(tmp_path: Path) -> None:
    published = pq.read_table(Path(os.environ["JUSTTINKER_DATA"], "eval", "math_500.parquet")).to_pylist()
    rows = [row("  " + r["prompt"][0]["content"].replace(" ", "\n")) for r in published]
    source = write(tmp_path, {"algebra/test": [*rows, row("1+1=?")], "algebra/train": [row("1+2=?"), rows[7]]})
    problems, skipped = load(HendrycksMath, source=source, split="train+test", subjects=["algebra"])
    assert [p.id for p in problems] == ["train/algebra/1", "test/algebra/501"]
    assert skipped == {"one of MATH-500": 501}
    assert len(load(HendrycksMath, "eval", source=source, subjects=["algebra"])[0]) == 501
