from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError, Problem, plugin
from justtinker_core.types import DataSpec
from justtinker_plugins.datasets._hub import HubSet, Part, Row
from tests.plugins.hub_data import load, write


@plugin
class Sums(HubSet):
    columns: ClassVar[tuple[str, ...]] = ("problem", "info")
    splits: ClassVar[Mapping[str, str]] = {"train": "train", "eval": "test"}

    source: str = "somebody/sums"

    def problem(self, row: Row, spec: DataSpec) -> Problem | str:
        answer = row.text("info.gold")
        return Problem(row.text("id") or str(row.number), row.text("problem"), answer) if answer else "no answer"


@plugin
class EasySums(Sums):
    hub_config: ClassVar[str | None] = "easy"


def sums(*pairs: tuple[Any, Any], **cells: Any) -> list[dict[str, Any]]:
    return [{"Problem": problem, "info": {"gold": gold}, **cells} for problem, gold in pairs]


SPEC = DataSpec("train", "train", "sums", {})
README = "---\nconfigs:\n- config_name: easy\n  data_files:\n  - split: train\n    path: data/easy.parquet\n---\n"


@pytest.mark.parametrize(
    ("layout", "cls"),
    [
        ("a folder for the config", EasySums),
        ("the hub's README", EasySums),
        ("no config", Sums),
        ("json lines", Sums),
    ],
)
def test_the_shapes_of_a_local_copy(tmp_path: Path, layout: str, cls: type[Sums]) -> None:
    rows = sums(("1+1=?", 2), ("1+2=?", 3))
    if layout == "a folder for the config":
        write(tmp_path, {"easy/train-00000-of-00001": rows, "hard/train-00000-of-00001": sums(("9^9=?", 0))})
    elif layout == "the hub's README":
        write(tmp_path, {"data/easy": rows, "data/hard": sums(("9^9=?", 0))})
        (tmp_path / "README.md").write_text(README)
    elif layout == "no config":
        write(tmp_path, {"data/train-00000-of-00002": rows[:1], "data/train-00001-of-00002": rows[1:]})
    else:
        (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    problems, skipped = load(cls, source=str(tmp_path))
    assert problems == [Problem("1", "1+1=?", "2"), Problem("2", "1+2=?", "3")]
    assert skipped == {}


def test_a_configuration_that_is_not_there_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path, {"hard/train": sums(("9^9=?", 0))})
    with pytest.raises(PluginError) as error:
        load(EasySums, source=source)
    assert str(error.value) == (
        f"[data.train] {source} (easy, train) cannot be loaded: ValueError: there is neither a folder {source}/easy "
        "nor a README.md that defines easy"
    )


def test_purpose_and_option_choose_the_split(tmp_path: Path) -> None:
    source = write(tmp_path, {"train": sums(("1+1=?", 2), id="a"), "test": sums(("1+2=?", 3), id="b")})
    assert [p.id for p in load(Sums, source=source)[0]] == ["a"]
    assert [p.id for p in load(Sums, "eval", source=source)[0]] == ["b"]
    assert [p.id for p in load(Sums, source=source, split="test + train")[0]] == ["b", "a"]


def test_rows_left_out_are_counted_and_logged_in_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = sums(("1+1=?", "2"), ("1+2=?", None), ("1+3=?", " "), (" ", "4"), (None, "4"), ("1+1+1+1=?", "4"))
    source = write(tmp_path, {"train": rows})
    problems, skipped = load(Sums, source=source, max_characters=8)
    assert [p.question for p in problems] == ["1+1=?"]
    assert skipped == {"no answer": 2, "no problem": 2, "longer than 8 characters": 1}
    assert [r.getMessage() for r in caplog.records if r.name == "justtinker"] == [
        f"[data.train] {source}: 1 problems; rows left out: no answer: 2; no problem: 2; longer than 8 characters: 1"
    ]


def test_loading_twice_counts_anew(tmp_path: Path) -> None:
    source = write(tmp_path, {"train": sums(("1+1=?", "2"), ("1+2=?", None))})
    sums_, spec = Sums(source=source), SPEC
    assert list(sums_.load_problems(spec)) == list(sums_.load_problems(spec))
    assert sums_.skipped == {"no answer": 1}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (sums(("1+1=?", None), (None, "2")), "{source} gives no problem at all (no answer: 1; no problem: 1)"),
        (sums(("1+1=?", True)), "{source} (train), row 1, column 'info.gold': expected text or a number, got bool"),
        (sums((["1"], "2")), "{source} (train), row 1, column 'problem': expected text or a number, got list"),
        (sums(("1", "2"), ("2", "3"), id="a"), "{source} (train), row 2: an earlier row has the same id 'a'"),
        ([{"problems": "1+1=?", "info": 2}], "{source} (train) has no column 'problem'; did you mean 'problems'"),
        ([{"problem": "1+1=?", "inf": 2}], "{source} (train) has no column 'info'; did you mean 'inf'?"),
    ],
)
def test_unfit_rows_are_refused(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    source = write(tmp_path, {"train": rows})
    with pytest.raises(PluginError) as error:
        load(Sums, source=source)
    assert str(error.value).startswith("[data.train] " + message.format(source=source))


def test_a_set_without_rows_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path, {"train": sums(("1+1=?", "2"))})
    path = Path(source, "train.parquet")
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(PluginError) as error:
        load(Sums, source=source)
    assert str(error.value) == f"[data.train] {source} gives no problem at all (it has no rows)"


def test_mixed_types_in_json_are_refused(tmp_path: Path) -> None:
    rows = [*sums(("1+1=?", "2")), {"Problem": {"text": "1+2=?"}, "info": {"gold": "3"}}]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(PluginError) as error:
        load(Sums, source=str(tmp_path))
    assert str(error.value) == (
        f"[data.train] {tmp_path} (train), row 2, column 'problem': expected text or a number, got dict"
    )


def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    path = Path(write(tmp_path, {"train": sums(*[(f"{i}+1=?", i + 1) for i in range(2000)])}), "train.parquet")
    whole = path.read_bytes()
    for end in (0, 4, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(PluginError) as error:
            load(Sums, source=str(tmp_path))
        assert str(error.value).startswith(f"[data.train] {path} is not a complete Parquet file, perhaps cut off: ")


def test_text_that_is_not_utf8_is_named_by_file_row_and_column(tmp_path: Path) -> None:
    cells = pa.array([b"1+1=?", b"caf\xe9"], pa.binary())
    problems = pa.Array.from_buffers(pa.string(), len(cells), cells.buffers())
    pq.write_table(pa.table({"problem": problems, "info": [{"gold": "2"}] * 2}), tmp_path / "train.parquet")
    with pytest.raises(PluginError) as error:
        load(Sums, source=str(tmp_path))
    assert str(error.value).startswith(
        f"[data.train] {tmp_path}/train.parquet, row 2: the cell in the column 'problem' cannot be read: 'utf-8' codec"
    )


def test_a_directory_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError) as error:
        load(Sums, source=str(tmp_path))
    assert str(error.value).startswith(f"[data.train] {tmp_path} (train) cannot be loaded: ")


def test_an_unknown_split_and_a_file_are_refused(tmp_path: Path) -> None:
    source = write(tmp_path, {"train": sums(("1+1=?", "2"))})
    with pytest.raises(PluginError) as error:
        load(Sums, source=source, split="tset")
    assert str(error.value).startswith(f"[data.train] {source} (tset) cannot be loaded: ValueError: ")
    assert "train" in str(error.value)
    with pytest.raises(PluginError) as error:
        load(Sums, source=f"{source}/train.parquet")
    assert str(error.value) == (
        f"[data.train] {source}/train.parquet is a file: name its directory, or use the data set 'files'"
    )


# Offline: in one fresh process, since `datasets` reads its settings when it is imported, and takes a second for that.


def at(source_: str, fallback_: str | None = None, config: str | None = None) -> type[Sums]:
    @plugin
    class Elsewhere(Sums):
        fallback: ClassVar[tuple[str, str | None] | None] = (fallback_, None) if fallback_ else None
        hub_config: ClassVar[str | None] = config

        source: str = source_

    return Elsewhere


OFFLINE: Mapping[str, tuple[type[Sums], dict[str, Any]]] = {
    "not cached": (at("no/sums"), {}),
    "fallback not cached either": (at("no/sums", "no/either"), {}),
    "cached": (at("kept/sums", "kept/others"), {}),
    "another configuration cached": (at("kept/hard", config="easy"), {}),
    "fallback cached": (at("no/sums", "kept/others"), {}),
    "a slice": (at("kept/sums"), {"split": "train[:1]"}),
    "a source of one's own": (at("no/sums", "kept/others"), {"source": "no/such"}),
}


def load_them_all() -> None:
    """Print what each of `OFFLINE` logs and gives, as JSON."""
    output = {}
    for name, (cls, options) in OFFLINE.items():
        logging.basicConfig(stream=(log := io.StringIO()), format="%(name)s %(levelname)s %(message)s", force=True)
        try:
            answer = str([problem.question for problem in load(cls, **options)[0]])
        except PluginError as error:
            answer = str(error)
        output[name] = log.getvalue() + answer
    print(json.dumps(output))


def in_a_process(code: str, cache: Path) -> str:
    """What the code prints in a fresh process, offline, with that cache."""
    paths = [str(Path(__file__).parents[2]), *filter(None, sys.path)]
    settings = {"HF_HOME": str(cache), "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(paths)}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")} | settings
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=cache, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What `OFFLINE` logs and gives if the cache holds kept/sums, kept/others and kept/hard's configuration hard."""
    cache = tmp_path_factory.mktemp("cache")
    copy = write(cache / "copy", {"train": sums(("1+1=?", "2"), ("1+2=?", "3"))})
    in_a_process(f"import datasets; datasets.load_dataset({copy!r})", cache)
    (loaded,) = (cache / "datasets").glob("copy/default/0.0.0/*/")
    for hub_id, config in (("kept/sums", "default"), ("kept/others", "default"), ("kept/hard", "hard")):
        file_as_hub_set(loaded, hub_id, config, cache)
    output = in_a_process("from tests.plugins.test_hub import load_them_all; load_them_all()", cache)
    return dict(json.loads(output.splitlines()[-1]))


def file_as_hub_set(loaded: Path, hub_id: str, config: str, cache: Path) -> None:
    """Put what `datasets` keeps of a set under the name of a set of the hub, as if it had been downloaded."""
    owner, name = hub_id.split("/")
    target = cache / "datasets" / f"{owner}___{name}" / config / "0.0.0" / ("0" * 40)
    target.mkdir(parents=True)
    info = json.loads((loaded / "dataset_info.json").read_text()) | {"dataset_name": name, "config_name": config}
    (target / "dataset_info.json").write_text(json.dumps(info))
    for file in loaded.glob("*.arrow"):
        shutil.copy(file, target / file.name.replace("copy", name, 1))


def test_offline_and_not_cached_says_why_and_what_to_do(offline: dict[str, str]) -> None:
    assert offline["not cached"] == (
        "[data.train] no/sums (train) is not in the cache and cannot be loaded from the hub: "
        "ConnectionError: Couldn't reach 'no/sums' on the Hub (OfflineModeIsEnabled). Either load it once with "
        "network access (HF_HUB_OFFLINE unset; it is kept under HF_HOME), or copy it and set source = 'DIRECTORY' "
        "(there is no directory no/sums)"
    )


def test_offline_with_a_fallback_that_is_not_cached_names_both(offline: dict[str, str]) -> None:
    output = offline["fallback not cached either"]
    assert "[data.train] no/sums (train) is not in the cache" in output
    assert "Its fallback fails too: no/either (train) is not in the cache" in output


def test_a_cached_set_is_used_offline(offline: dict[str, str]) -> None:
    assert offline["cached"].endswith("['1+1=?', '1+2=?']")
    assert "justtinker WARNING" not in offline["cached"]


def test_a_slice_of_a_split_is_refused_not_read_as_all_of_it(offline: dict[str, str]) -> None:
    assert offline["a slice"].endswith(
        "[data.train] kept/sums (train[:1]) cannot be loaded: ValueError: there is no split 'train[:1]', only train; "
        "set limit instead"
    )


def test_offline_with_another_configuration_in_the_cache(offline: dict[str, str]) -> None:
    output = offline["another configuration cached"]
    assert "[data.train] kept/hard (easy, train) is not in the cache" in output
    assert "Available configs in the cache: ['hard']" in output


def test_a_fallback_is_logged_and_never_replaces_a_source_of_ones_own(offline: dict[str, str]) -> None:
    assert offline["fallback cached"].endswith("['1+1=?', '1+2=?']")
    assert (
        "justtinker WARNING [data.train] no/sums (train) CANNOT BE REACHED; "
        "using its fallback kept/others (train) instead"
    ) in offline["fallback cached"]
    assert offline["a source of one's own"].startswith("[data.train] no/such (train) is not in the cache")


CELLS = st.none() | st.text(max_size=4) | st.integers(-9, 9) | st.floats() | st.booleans() | st.lists(st.text())


@given(st.lists(st.fixed_dictionaries({"problem": CELLS, "info": CELLS | st.fixed_dictionaries({"gold": CELLS})})))
def test_every_row_is_a_problem_or_counted_or_refused(cells: list[dict[str, Any]]) -> None:
    rows = [Row(Part("x", None, "train"), number, row) for number, row in enumerate(cells, start=1)]
    sums_ = Sums()
    bad = [r for r in rows if any(not_text(r.cell(c)) for c in ("info.gold", "id", "problem"))]
    if bad and any(not_text(r.cell("info.gold")) for r in bad):
        with pytest.raises(PluginError, match="expected text or a number, got "):
            list(sums_.usable(rows, SPEC))
        return
    with contextlib.suppress(PluginError) if bad else contextlib.nullcontext():
        problems = [problem for _, problem in sums_.usable(rows, SPEC)]
        assert len(problems) + sums_.skipped.total() == len(rows)
        assert all(p.question.strip() and p.answer and p.answer.strip() for p in problems)


def not_text(value: Any) -> bool:
    return isinstance(value, bool | list)
