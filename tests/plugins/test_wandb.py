from __future__ import annotations

import importlib.util
import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import PluginError
from justtinker_plugins.reporters.wandb import Wandb
from tests.core.conftest import RunOf, cast, go, problems, records

installed = pytest.mark.skipif(
    importlib.util.find_spec("wandb") is None, reason="needs wandb: install the extra of that name"
)


def logged(folder: Path) -> list[dict[str, Any]]:
    """The rows of an offline run's file, which wandb's own process completes a moment after the run."""
    from wandb.proto import wandb_internal_pb2

    (file,) = folder.glob("offline-run-*/*.wandb")
    deadline = time.monotonic() + 30
    while True:
        found = []
        for data in framed(file.read_bytes()):
            found.append(wandb_internal_pb2.Record())
            found[-1].ParseFromString(data)
        if any(record.WhichOneof("record_type") == "exit" for record in found):
            break
        assert time.monotonic() < deadline, "the run was never finished"
        time.sleep(0.05)
    histories = [record.history.item for record in found if record.WhichOneof("record_type") == "history"]
    return [{i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in items} for items in histories]


def framed(content: bytes) -> Iterator[bytes]:
    """The records of a LevelDB log: 32 KiB blocks of (checksum, length, type), after wandb's header of 7 bytes."""
    place, parts = 7, b""
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        if place + 7 + length > len(content):
            return
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole one, or the last part of one
            yield parts
            parts = b""


@installed
def test_an_offline_run_holds_what_the_records_hold(
    run_of: RunOf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / "wandb-home"))
    sets = {"train": problems(), "held": problems(2, kind="math")}
    run = run_of(*cast(), Wandb(mode="offline"), config={"run.steps": 2}, problems=sets)
    assert go(run) == "finished"
    rows = logged(run.dir / "wandb")
    steps = {row["step"]: row for row in rows if "train/reward" in row}
    for record in records(run.dir, "steps.jsonl"):
        row = steps[record["step"]]
        assert {f"train/{name}": value for name, value in record["metrics"].items()}.items() <= row.items()
    evals = {row["step"]: row["eval_held/accuracy"] for row in rows if "eval_held/accuracy" in row}
    assert evals == {e["step"]: e["metrics"]["accuracy"] for e in records(run.dir, "evals.jsonl")}


def test_without_the_package_nothing_is_spent(run_of: RunOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"needs a package: pip install 'justtinker\[wandb\]'"):
        go(run_of(*cast(), Wandb()))


@installed
def test_without_a_key_nothing_is_spent(run_of: RunOf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    with pytest.raises(PluginError, match="no key for wandb: run wandb login, or set mode offline"):
        go(run_of(*cast(), Wandb()))
