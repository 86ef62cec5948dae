from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from justtinker_core import PluginError
from justtinker_plugins.reporters.tensorboard import Tensorboard
from tests.core.conftest import RunOf, cast, go, problems, records

installed = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="needs tensorboard: install the extra of that name"
)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What the event files of a folder hold."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util import tensor_util

    found: dict[str, list[tuple[int, float]]] = {}
    for file in sorted(folder.glob("events.*")):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                number = float(tensor_util.make_ndarray(value.tensor))
                found.setdefault(value.tag, []).append((event.step, number))
    return found


@installed
def test_the_event_files_hold_what_the_records_hold(run_of: RunOf) -> None:
    sets = {"train": problems(), "held": problems(2, kind="math")}
    run = run_of(*cast(), Tensorboard(), config={"run.steps": 3}, problems=sets)
    assert go(run) == "finished"
    found = scalars(run.dir / "tensorboard")
    for record in records(run.dir, "steps.jsonl"):
        for name, value in record["metrics"].items():
            assert (record["step"], pytest.approx(value, rel=1e-6)) in found[f"train/{name}"]
        for term, numbers in record["terms"].items():
            assert (record["step"], pytest.approx(numbers["raw"], rel=1e-6)) in found[f"terms/{term}/raw"]
    assert [step for step, _ in found["train/reward"]] == [1, 2, 3]
    evals = records(run.dir, "evals.jsonl")
    assert [step for step, _ in found["eval_held/accuracy"]] == [e["step"] for e in evals]
    low, high = evals[-1]["intervals"]["accuracy"]
    assert found["eval_held/accuracy/low"][-1][1] == pytest.approx(low, rel=1e-6)
    assert found["eval_held/accuracy/high"][-1][1] == pytest.approx(high, rel=1e-6)


def test_without_the_package_nothing_is_spent(run_of: RunOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"needs a package: pip install 'justtinker\[tensorboard\]'"):
        go(run_of(*cast(), Tensorboard()))
