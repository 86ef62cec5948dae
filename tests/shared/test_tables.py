from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from justtinker_core import DataSpec
from justtinker_core.testing import make_problem
from justtinker_plugins.shared.tables import problems_by_table


def test_tables_have_the_names_of_the_config() -> None:
    first, second = make_problem(), make_problem()
    run: Any = SimpleNamespace(train_problems=(first,), eval_problems={"held": (second,)})
    found = problems_by_table(run)
    assert found == {"data.train": (first,), "data.eval.held": (second,)}
    assert list(found) == [DataSpec("train", "train", "files", {}).table, DataSpec("held", "eval", "files", {}).table]
