from __future__ import annotations

from pathlib import Path

import pytest

from justtinker_core import PluginError, Problem
from justtinker_plugins.datasets.gsm8k import Gsm8k
from tests.plugins.hub_data import load, write

WORK = "He sold 48/2 = <<48/2=24>>24 clips in May.\nSo 48+24 = <<48+24=72>>72.\n#### "


def test_a_row(tmp_path: Path) -> None:
    source = write(tmp_path, {"main/train-00000-of-00001": [{"question": "How many?", "answer": WORK + "72"}]})
    assert load(Gsm8k, source=source) == ([Problem("gsm8k/train/1", "How many?", "72", meta={"steps": 2})], {})


@pytest.mark.parametrize(
    ("gold", "answer"),
    [("1,234,567", "1234567"), (" -5 ", "-5"), ("0.5", "0.5"), ("$1,000", "$1000"), ("1 #### 2", "2")],
)
def test_the_gold_follows_the_last_mark_without_commas(tmp_path: Path, gold: str, answer: str) -> None:
    source = write(tmp_path, {"main/test": [{"question": "How many?", "answer": WORK + gold}]})
    assert [p.answer for p in load(Gsm8k, "eval", source=source)[0]] == [answer]


def test_rows_without_gold_are_counted(tmp_path: Path) -> None:
    answers = ["72", WORK, "#### ,", None, "#### 1"]
    source = write(tmp_path, {"main/train": [{"question": "How many?", "answer": a} for a in answers]})
    problems, skipped = load(Gsm8k, source=source)
    assert [p.id for p in problems] == ["gsm8k/train/5"]
    assert skipped == {"no answer after ####": 4}


def test_another_set_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path, {"main/train": [{"question": "How many?", "answers": WORK}]})
    with pytest.raises(PluginError) as error:
        load(Gsm8k, source=source)
    assert str(error.value) == f"[data.train] {source} (main, train) has no column 'answer'; did you mean 'answers'?"
