from __future__ import annotations

import gzip
import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import PluginError, Problem
from justtinker_core.options import configure
from justtinker_core.types import DataSpec
from justtinker_plugins.datasets.files import Files, as_json

ROWS = [
    {"problem": "1+1=?", "answer": "2", "subject": "sums"},
    {"problem": "Was ist 2·3?", "answer": "6", "subject": "products"},
]
PROBLEMS = [
    Problem("mine-1", "1+1=?", "2", meta={"subject": "sums"}),
    Problem("mine-2", "Was ist 2·3?", "6", meta={"subject": "products"}),
]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


def load(path: Path | list[Path], **options: Any) -> list[Problem]:
    paths = [str(p) for p in path] if isinstance(path, list) else str(path)
    spec = DataSpec("train", "train", "files", options)
    return list(configure(Files, spec.table, {"path": paths, **options}).load_problems(spec))


def written(tmp_path: Path, name: str, content: Any) -> Path:
    """Write a file: bytes as they are, text as UTF-8, rows in the format that the name says."""
    path = tmp_path / name
    if isinstance(content, list) and name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(content), path)
    elif isinstance(content, list):
        path.write_text("".join(json.dumps(row) + "\n" for row in content))
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.jsonl", LINES),
        ("mine.jsonl", "\ufeff" + LINES.replace("\n", "\r\n\r\n")),
        ("mine.jsonl.gz", gzip.compress(LINES.encode(), mtime=0)),
        ("mine.jsonl.zst", zstandard.compress(LINES.encode())),
        ("mine.jsonl.zst", b"".join(zstandard.compress(line.encode()) for line in LINES.splitlines(keepends=True))),
        ("mine.json", json.dumps(ROWS, indent=2)),
        ("mine.csv", "problem,answer,subject\n1+1=?,2,sums\n\nWas ist 2·3?,6,products\n"),
        (
            "mine.csv.gz",
            gzip.compress("answer,problem,subject\r\n2,1+1=?,sums\r\n6,Was ist 2·3?,products".encode(), mtime=0),
        ),
        ("mine.parquet", ROWS),
    ],
)
def test_formats(tmp_path: Path, name: str, content: Any) -> None:
    assert load(written(tmp_path, name, content)) == PROBLEMS


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (
            {"id": 7, "question": "1+1=?", "solution": 2, "response": "<think>1+1</think>2"},
            Problem("7", "1+1=?", "2", demonstration="<think>1+1</think>2"),
        ),
        ({"prompt": "1+1=?", "ground_truth": 2.5}, Problem("x-1", "1+1=?", "2.5")),
        ({"prompt": "1+1=?", "demonstration": "2"}, Problem("x-1", "1+1=?", demonstration="2")),
        ({"problem": "1+1=?", "answer": "2", "response": None}, Problem("x-1", "1+1=?", "2")),
        (
            {
                "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1=?"}],
                "reward_model": {"ground_truth": "2", "style": "rule"},
            },
            Problem("x-1", "1+1=?", "2", meta={"reward_model": {"ground_truth": "2", "style": "rule"}}),
        ),
    ],
)
def test_usual_columns(tmp_path: Path, row: dict[str, Any], problem: Problem) -> None:
    assert load(written(tmp_path, "x.jsonl", [row])) == load(written(tmp_path, "x.parquet", [row])) == [problem]


def test_columns_and_kind_are_options(tmp_path: Path) -> None:
    row = {"problem": "not this", "q": {"text": "1+1=?"}, "gold": "2", "work": "1+1=2", "key": "a"}
    path = written(tmp_path, "x.jsonl", [row])
    columns = {
        "problem_column": "q.text",
        "answer_column": "gold",
        "demonstration_column": "work",
        "id_column": "key",
    }
    (problem,) = load(path, kind="exact", **columns)
    assert problem == Problem("a", "1+1=?", "2", "exact", "1+1=2", {"problem": "not this", "q": {"text": "1+1=?"}})


@pytest.mark.parametrize(
    ("name", "meant"),
    [("question_column", "problem_column"), ("prompt_column", "problem_column"), ("solution_column", "answer_column"),
     ("ground_truth_column", "answer_column"), ("response_column", "demonstration_column"),
     ("probelm_column", "problem_column")],
)  # fmt: skip
def test_a_mistaken_column_option_gets_the_right_hint(name: str, meant: str) -> None:
    with pytest.raises(PluginError, match=rf"^\[data.train\] has no option '{name}'; did you mean '{meant}'\?$"):
        configure(Files, "data.train", {name: "q"}, other_names=Files.other_names)


def test_several_files_in_order(tmp_path: Path) -> None:
    first = written(tmp_path, "a.jsonl", ROWS)
    second = written(tmp_path, "b.parquet", ROWS[:1])
    assert [p.id for p in load([second, first])] == ["b-1", "a-1", "a-2"]


def test_a_long_cell_of_a_csv_is_not_broken(tmp_path: Path) -> None:
    [problem] = load(written(tmp_path, "x.csv", f"problem,response\n1+1=?,{'1' * 200_000}\n"))
    assert problem.demonstration == "1" * 200_000


def test_files_whose_names_differ_after_a_dot_get_different_ids(tmp_path: Path) -> None:
    paths = [
        written(tmp_path, "a.part1.jsonl", ROWS[:1]),
        written(tmp_path, "a.part2.jsonl.gz", gzip.compress(LINES.encode(), mtime=0)),
    ]
    assert [p.id for p in load(paths)] == ["a.part1-1", "a.part2-1", "a.part2-2"]


def test_metadata_fit_into_json(tmp_path: Path) -> None:
    row = {**ROWS[0], "day": date(2025, 1, 31), "score": float("nan"), "tags": ["a", None]}
    (problem,) = load(written(tmp_path, "x.parquet", [row]))
    assert problem.meta == {"subject": "sums", "day": "2025-01-31", "score": None, "tags": ["a", None]}


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(st.dictionaries(st.text(max_size=5), SCALARS | st.lists(SCALARS, max_size=3), max_size=4))
def test_json_metadata_stay_as_they_are(cells: dict[str, Any]) -> None:
    assert as_json(cells) == cells


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("x.txt", "", {}, "x.txt: the name must end in .jsonl, .json, .csv, .parquet; text may be packed: .gz, .zst"),
        ("x.parquet.gz", "", {}, "x.parquet.gz: the name must end in .jsonl, .json, .csv, .parquet; text may be "),
        ("x.jsonl", "", {}, "x.jsonl has no rows"),
        ("x.csv", "problem,answer\n", {}, "x.csv has no rows"),
        ("x.json", "[]", {}, "x.json has no rows"),
        ("x.jsonl", LINES + '{"a" 1}', {}, "x.jsonl, line 3: broken JSON: Expecting ':' delimiter at column 6"),
        ("x.jsonl", LINES + "[1]", {}, "x.jsonl, line 3: expected an object, got list"),
        ("x.json", LINES, {}, "x.json, a list of objects (one object a line goes into .jsonl): broken JSON: "),
        ("x.json", "{}", {}, "x.json: expected a list of objects, got dict"),
        ("x.jsonl", b'{"problem": "\xe9"}', {}, "x.jsonl, line 1: not UTF-8 (byte 0xe9 at position 14)"),
        ("x.csv", "problem,answer\n1+1=?,2,3\n", {}, "x.csv, line 2: expected 2 cells, one for each column, got 3"),
        ("x.csv", "answer,answer\n1,2\n", {}, "x.csv: the first line names a column twice: answer, answer"),
        ("x.csv", "Aufgabe;Loesung;stufe\n1+1=?;2;1\n", {}, "x.csv, line 1: semicolons seem to separate its columns; "
         "save it with commas: 'Aufgabe;Loesung;stufe'"),
        ("x.csv", "problem\tanswer\n1+1=?\t2\n", {"problem_column": "problem"}, "x.csv, line 1: tabs seem to "),
        ("x.csv", 'problem,answer\n"1+1=?,2\n', {}, "x.csv, line 2: broken CSV: unexpected end of data"),
        ("x.jsonl.gz", gzip.compress(LINES.encode(), mtime=0)[:-9], {}, "x.jsonl.gz cannot be unpacked, perhaps "),
        ("x.jsonl.gz", LINES, {}, "x.jsonl.gz cannot be unpacked, perhaps cut off: Not a gzipped file"),
        (
            "x.jsonl.zst",
            zstandard.compress(LINES.encode())[:-3],
            {},
            "x.jsonl.zst cannot be unpacked, perhaps cut off: the last frame has no end",
        ),
        ("x.jsonl.zst", LINES, {}, "x.jsonl.zst cannot be unpacked, perhaps cut off: "),
        ("x.parquet", "", {}, "x.parquet is not a complete Parquet file, perhaps cut off: "),
        (
            "x.jsonl",
            [{"text": "1+1=?", "info": {"gold": "2"}, "answer": "2"}],
            {},
            "x.jsonl: no column for the problem (looked for problem, question, prompt); "
            "it has text, info.gold, answer: set problem_column to one of them",
        ),
        (
            "x.parquet",
            [{"problem": "1+1=?"}],
            {},
            "x.parquet: no column for the answer (looked for answer, solution, ground_truth, "
            "reward_model.ground_truth); it has problem: set answer_column to one of them",
        ),
        (
            "x.jsonl",
            ROWS,
            {"answer_column": "anwser"},
            "x.jsonl: answer_column = 'anwser' is not in the file; did you mean 'answer'?",
        ),
        (
            "x.jsonl",
            [*ROWS, {"problem": "1+2=?", "answer": ["3"]}],
            {},
            "x.jsonl, line 3, column 'answer': expected text or a number, got list; as text it is \"[\\\"3\\\"]\"",
        ),
        (
            "x.parquet",
            [{"problem": "When?", "answer": [date(2024, 5, 1)]}],
            {},
            "x.parquet, row 1, column 'answer': expected text or a number, got list; as text it is "
            '"[\\"2024-05-01\\"]"',
        ),
        (
            "x.jsonl",
            [{"problem": "1<2?", "answer": True}],
            {},
            "x.jsonl, line 1, column 'answer': expected text or a number, got bool",
        ),
        (
            "x.jsonl",
            [*ROWS, {"problem": "1+1=? \ud83d", "answer": "2"}],
            {},
            r"x.jsonl, line 3, column 'problem': half a character ('\ud83d'); correct or drop the row",
        ),
        (
            "x.jsonl",
            [{"prompt": [{"role": "user", "content": "\ude00 1+1=?"}], "answer": "2"}],
            {},
            r"x.jsonl, line 1, column 'prompt': half a character ('\ude00'); correct or drop the row",
        ),
        (
            "x.jsonl",
            [{"prompt": [{"role": "system", "content": "1+1=?"}], "answer": "2"}],
            {},
            "x.jsonl, line 1, column 'prompt': expected one message with a text from the user, got 0 from the user "
            "among 1 messages",
        ),
    ],
)  # fmt: skip
def test_bad_files_are_refused(tmp_path: Path, name: str, content: Any, options: dict[str, Any], message: str) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(PluginError) as error:
        load(path, **options)
    assert str(error.value).startswith(f"{tmp_path}{os.sep}{message}")


@pytest.mark.parametrize(
    ("name", "content", "options", "skipped"),
    [
        ("x.jsonl", [*ROWS, {"problem": "1+2=?"}, {"answer": "3"}, {"problem": " ", "answer": "4"}], {},
         {"nothing in the column 'answer'": 1, "nothing in the column 'problem'": 2}),
        ("x.csv", "problem,answer\n1+1=?,2\n1+3=?,4\n1+1=?, \n", {}, {"nothing in the column 'answer'": 1}),
        ("x.parquet", [{"problem": "1+1=?", "answer": a} for a in (2.0, 3.0, float("nan"))], {},
         {"nothing in the column 'answer'": 1}),
        ("x.jsonl", [*ROWS, {"problem": "1" * 13, "answer": "2"}], {"max_characters": 12},
         {"longer than 12 characters": 1}),
        ("x.jsonl", [{"problem": "1+1=?", "answer": "", "response": r} for r in ("two", "2", None)], {},
         {"nothing in the column 'answer'": 1}),
        ("x.jsonl", [{"problem": "1+1=?", "response": r} for r in ("two", "2", "")], {},
         {"nothing in the column 'demonstration'": 1}),
    ],
)  # fmt: skip
def test_rows_that_give_no_problem_are_counted_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, content: Any, options: dict[str, Any],
    skipped: dict[str, int],
) -> None:  # fmt: skip
    path = written(tmp_path, name, content)
    spec = DataSpec("train", "train", "files", {})
    files = configure(Files, spec.table, {"path": str(path), **options})
    for _ in range(2):
        assert len(list(files.load_problems(spec))) == 2
        assert files.skipped == skipped
    [message, again] = [r.getMessage() for r in caplog.records]
    assert (
        message
        == again
        == f"[data.train] {path}: 2 problems; rows left out: "
        + "; ".join(f"{reason}: {count}" for reason, count in files.skipped.most_common())
    )


def test_a_file_of_nothing_usable_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "x.jsonl", [{"problem": "1+2=?", "answer": None}] * 3)
    with pytest.raises(PluginError) as error:
        load(path)
    assert str(error.value) == f"{path} gives no problem at all (nothing in the column 'answer': 3)"


def test_truncated_parquet_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    whole = written(tmp_path, "whole.parquet", ROWS * 100).read_bytes()
    for end in (4, len(whole) // 2, len(whole) - 1):
        path = written(tmp_path, "cut.parquet", whole[:end])
        with pytest.raises(PluginError) as error:
            load(path)
        assert str(error.value).startswith(f"{path} is not a complete Parquet file, perhaps cut off: ")


@pytest.mark.parametrize("column", ["problem", "note"])
def test_parquet_text_that_is_not_utf8_is_named_by_row_and_column(tmp_path: Path, column: str) -> None:
    cells = pa.array([b"fine"] * 300 + [b"caf\xe9"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(cells), cells.buffers())
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"problem": ["1+1=?"] * 301, "answer": ["2"] * 301} | {column: text}), path)
    with pytest.raises(PluginError) as error:
        load(path)
    assert str(error.value).startswith(
        f"{path}, row 301: the cell in the column {column!r} cannot be read: 'utf-8' codec can't decode byte 0xe9"
    )


def test_a_missing_file_a_folder_and_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.jsonl").mkdir()
    for path, message in [
        ("no.jsonl", "there is no file no.jsonl"),
        ("folder.jsonl", "folder.jsonl is a folder; name the files in it"),
    ]:
        with pytest.raises(PluginError) as error:
            load(Path(path))
        assert str(error.value) == message
    with pytest.raises(PluginError) as error:
        load([])
    assert str(error.value) == "[data.train] use = 'files' needs path = 'FILE' or ['FILE', …]"


def test_two_rows_with_one_id_are_refused(tmp_path: Path) -> None:
    first = written(tmp_path, "a.jsonl", [{**ROWS[0], "id": 1}, {**ROWS[1], "id": 2}])
    second = written(tmp_path, "b.jsonl", [{**ROWS[0], "id": "2"}])
    with pytest.raises(PluginError) as error:
        load([first, second])
    assert str(error.value) == (
        f"{second}, line 1 and {first}, line 2 have the same id '2'; ids must be unique: "
        "name another column as id_column (without one, rename the file)"
    )


@pytest.mark.skipif(not os.environ.get("JUSTTINKER_DATA"), reason="JUSTTINKER_DATA names no folder of real data")
@pytest.mark.parametrize(
    ("name", "count", "first_id", "first_answer"),
    [
        ("aime24", 30, "aime24-1", "\\boxed{204}"),
        ("aime25", 30, "aime25-1", "70"),
        ("amc23", 40, "amc23-1", "27"),
        ("brumo25", 30, "brumo25-1", "2^{99}"),
        ("cmimc25", 40, "cmimc25-1", "\\frac{13}{32}"),
        ("hmmt25", 30, "hmmt25-1", "103"),
        ("math_500", 500, "test/precalculus/807.json", "\\left( 3, \\frac{\\pi}{2} \\right)"),
        ("minerva", 272, "minerva-1", "1.6"),
        ("olympiad_bench", 674, "olympiad_bench-1", "2"),
    ],
)
def test_published_evaluation_sets(name: str, count: int, first_id: str, first_answer: str) -> None:
    problems = load(Path(os.environ["JUSTTINKER_DATA"], "eval", f"{name}.parquet"))
    assert len({p.id for p in problems}) == len(problems) == count
    assert (problems[0].id, problems[0].answer) == (first_id, first_answer)
    assert json.loads(json.dumps([p.meta for p in problems])) == [p.meta for p in problems]
