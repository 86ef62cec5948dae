"""Malformed rows give problems, counts or a clear error in every set of the hub, and nothing else."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_core import PluginError
from justtinker_plugins.datasets._hub import HubSet
from justtinker_plugins.datasets.aime_2024 import Aime2024
from justtinker_plugins.datasets.dapo_math_17k import DapoMath17k
from justtinker_plugins.datasets.gsm8k import Gsm8k
from justtinker_plugins.datasets.hendrycks_math import HendrycksMath
from justtinker_plugins.datasets.math500 import Math500
from justtinker_plugins.datasets.openr1_math import Openr1Math
from tests.plugins.hub_data import load
from tests.plugins.test_aime_2024 import ROW as AIME
from tests.plugins.test_dapo_math_17k import row as dapo
from tests.plugins.test_hendrycks_math import row as math
from tests.plugins.test_math500 import ROW as MATH500
from tests.plugins.test_openr1_math import row as openr1

SETS: list[tuple[type[HubSet], str, dict[str, Any], dict[str, Any]]] = [
    (Gsm8k, "main/train.jsonl", {"question": "1+1=?", "answer": "#### 2"}, {}),
    (Math500, "test.jsonl", MATH500, {}),
    (HendrycksMath, "algebra/train.jsonl", math("1+1=?"), {"subjects": ["algebra"]}),
    (DapoMath17k, "train.jsonl", dapo("1+1=?"), {}),
    (Aime2024, "train.jsonl", AIME, {}),
    (Openr1Math, "default/train.jsonl", openr1(1), {}),
]
TEXT = st.text(max_size=6)
SCALARS = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | TEXT
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(TEXT, SCALARS, max_size=2)


def rows_like(row: dict[str, Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Copies of a row, in each of which one column holds anything at all or is missing."""

    def spoil(column: str, value: Any, drop: bool) -> dict[str, Any]:
        return {k: value if k == column else v for k, v in row.items() if not (drop and k == column)}

    return st.lists(st.builds(spoil, st.sampled_from(["", *row]), VALUES, st.booleans()), max_size=4)


@pytest.mark.parametrize(("cls", "name", "row", "options"), SETS, ids=[cls.__name__ for cls, *_ in SETS])
@settings(max_examples=12)
@given(st.data())
def test_problems_counts_or_a_clear_error(
    cls: type[HubSet], name: str, row: dict[str, Any], options: dict[str, Any], data: st.DataObject
) -> None:
    rows = data.draw(rows_like(row))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, name)
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        try:
            problems, skipped = load(cls, source=directory, **options)
        except PluginError as error:
            message = str(error)
        else:
            message = ""
    if message:
        assert message.startswith(f"[data.train] {directory}")
        return
    assert len(problems) + sum(skipped.values()) == len(rows)
    assert len({p.id for p in problems}) == len(problems) > 0
    for problem in problems:
        assert problem.question.strip()
        assert problem.answer is None or problem.answer.strip()
        assert json.loads(json.dumps(dict(problem.meta))) == problem.meta
