"""``justtinker grade`` on tables with any columns, on rollouts of a run, and beside labels."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Scorer
from justtinker_plugins.commands._grade.tally import agreement
from tests.core.conftest import cli

DATA = os.environ.get("JUSTTINKER_DATA")
RIGHT, WRONG = r"<think>one and one</think>\boxed{2}", r"<think>one and one</think>\boxed{3}"
EXACT = {"plugins": {"enable": ["exact", "correct", "format"]}}
CONFIG = '[plugins]\nenable = ["exact", "correct", "format"]\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with exact.toml: a verifier without worker processes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "exact.toml").write_text(CONFIG)
    return tmp_path


def write(name: str, *rows: Any) -> str:
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    pack = {".gz": gzip.compress, ".zst": zstandard.compress}.get(Path(name).suffix, bytes)
    Path(name).write_bytes(pack(text))
    return name


def row(response: Any = RIGHT, answer: Any = "2", **more: Any) -> dict[str, Any]:
    return {"question": "1+1=?", "answer": answer, "response": response, **more}


def graded(*arguments: str, out: str = "out.jsonl") -> list[dict[str, Any]]:
    """Run the command, and return its records."""
    result = cli("grade", *arguments, "--config", "exact.toml", "--out", out)
    assert result.exit_code == 0, result.output
    if out.endswith("parquet"):
        return list(pq.read_table(out).to_pylist())
    return [json.loads(line) for line in Path(out).read_text().splitlines()]


def refused(*arguments: str) -> str:
    """Run the command, which must fail, and return what it says."""
    result = cli("grade", *arguments, "--config", "exact.toml", "--jobs", "1")
    assert result.exit_code == 1, result.output
    return result.output.removeprefix("Error: ").rstrip("\n")


# What is written


def test_each_response_has_a_verdict_its_terms_and_a_total() -> None:
    write("a.jsonl", row(), row(r"\boxed{2}"), row(WRONG), row("I do not know"))
    first, second, third, fourth = graded("a.jsonl")
    assert first == {
        "file": "a.jsonl",
        "row": 1,
        "index": 0,
        "outcome": "correct",
        "answer": "2",
        "rung": "boxed",
        "reason": "",
        "total": 1.0,
        "terms": {"correct": 1.0, "format": 0.0},
    }
    assert (second["total"], second["terms"]) == (0.9, {"correct": 1.0, "format": -1.0})
    assert (third["outcome"], third["answer"], third["total"]) == ("incorrect", "3", 0.0)
    assert (fourth["row"], fourth["answer"], fourth["terms"]) == (4, None, {"correct": 0.0, "format": None})


def test_what_could_not_be_graded_has_no_total() -> None:
    write("a.jsonl", row(answer=None), row(answer=" "), row(None), row([RIGHT, None, WRONG]))
    records = graded("a.jsonl")
    assert [r["outcome"] for r in records] == ["unscored"] * 3 + ["correct", "unscored", "incorrect"]
    assert [r["total"] for r in records] == [None, None, None, 1.0, None, 0.0]
    assert records[4]["reason"] == "the cell is empty: there is no response"
    assert [(r["row"], r["index"]) for r in records] == [(1, 0), (2, 0), (3, 0), (4, 0), (4, 1), (4, 2)]


def test_parquet_has_a_column_for_each_term() -> None:
    write("a.jsonl", row(answer=None), row(), row("\ud83d"))
    lines, table = graded("a.jsonl"), graded("a.jsonl", out="out.parquet")
    assert [{k: v for k, v in r.items() if not k.startswith("terms.")} for r in table] == [
        {k: v for k, v in r.items() if k != "terms"} for r in lines
    ]
    assert [(r["terms.correct"], r["terms.format"]) for r in table] == [(None, None), (1.0, 0.0), (0.0, None)]
    assert str(pq.read_schema("out.parquet").field("total").type) == "double"


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.json", "a.csv", "a.parquet"])
def test_every_kind_of_file_is_read(name: str) -> None:
    rows = [row(), row(WRONG)]
    if name == "a.json":
        Path(name).write_text(json.dumps(rows))
    elif name == "a.csv":
        Path(name).write_text("question,answer,response\n" + "".join(f"1+1=?,2,{r['response']}\n" for r in rows))
    elif name == "a.parquet":
        pq.write_table(pa.Table.from_pylist(rows), name)
    else:
        write(name, *rows)
    assert [(r["file"], r["outcome"]) for r in graded(name)] == [(name, "correct"), (name, "incorrect")]


def test_columns_may_be_nested_numbers_and_chat_messages() -> None:
    chat = [{"role": "user", "content": "1+1=?"}]
    answer = [{"role": "assistant", "content": RIGHT}]
    nested = {"prompt": chat, "reward_model": {"ground_truth": 2}, "completion": answer, "kind_": "text"}
    columns = ("--question", "prompt", "--answer", "reward_model.ground_truth", "--response", "completion")
    write("verl.jsonl", nested, nested | {"completion": [answer, [{"role": "assistant", "content": WRONG}]]})
    assert [r["outcome"] for r in graded("verl.jsonl", *columns)] == ["correct", "correct", "incorrect"]
    assert [r["outcome"] for r in graded("verl.jsonl", *columns, "--kind", "kind_")] == [
        "correct",
        "correct",
        "incorrect",
    ]


# Groups


def test_a_list_is_a_group_and_so_are_neighbours_with_one_problem() -> None:
    write("lists.jsonl", row([RIGHT, WRONG, RIGHT], n=[10, 1, 5]), row([RIGHT, RIGHT], n=[7, 7]))
    write("rows.jsonl", row(n=10), row(WRONG, n=1), row(n=5), row(answer="3", n=1), row(n=5))
    length = ("-p", "length", "--tokens", "n")
    assert [r["terms"]["length"] for r in graded("lists.jsonl", *length)] == [-0.5, 0.0, 0.5 - 4 / 9, 0.0, 0.0]
    assert [r["terms"]["length"] for r in graded("rows.jsonl", *length)] == [-0.5, 0.0, 0.5 - 4 / 9, 0.0, 0.0]


def test_many_rows_of_one_problem_are_shared_out_unless_a_term_compares_them() -> None:
    write("a.jsonl", *(row(n=i) for i in range(200)))
    plain = cli("grade", "a.jsonl", "--config", "exact.toml", "--jobs", "1")
    assert "200 responses in 4 groups, " in plain.output
    compared = cli("grade", "a.jsonl", "--config", "exact.toml", "-p", "length", "--tokens", "n")
    assert "200 responses in 1 group, " in compared.output


def test_other_columns_are_the_metadata_and_part_groups_where_a_verifier_reads_it() -> None:
    schemas = [{"type": "integer"}, {"type": "string"}]
    rows = [{"question": "?", "response": "4", "schema": schema} for schema in (schemas[0], schemas[0], schemas[1])]
    write("a.jsonl", *rows)
    Path("json.toml").write_text('[plugins]\nenable = ["json_schema", "correct"]\n')
    done = cli("grade", "a.jsonl", "--answer", "", "--kind", "json_schema", "--config", "json.toml", "--out", "o.jsonl")
    assert "3 responses in 2 groups, " in done.output
    assert [json.loads(line)["outcome"] for line in Path("o.jsonl").read_text().splitlines()] == [
        "correct",
        "correct",
        "incorrect",
    ]


def test_rows_with_other_metadata_are_never_compared() -> None:
    write("a.jsonl", *({"question": "?", "response": "4", "schema": {"type": each}} for each in ("integer", "string")))
    Path("json.toml").write_text('[plugins]\nenable = ["json_schema", "correct", "length"]\n')
    result = cli("grade", "a.jsonl", "--answer", "", "--kind", "json_schema", "--config", "json.toml")
    assert result.output == (
        "Error: a.jsonl, rows 1 and 2 have the same question and other metadata, but a term compares the responses to "
        "a question: put them into one row, as a list, or leave the other columns out\n"
    )


def test_a_nested_response_is_no_metadata() -> None:
    rows = [{"question": "?", "out": {"text": text, "seed": 1}, "schema": {"type": "integer"}} for text in ("4", "x")]
    write("a.jsonl", *rows)
    Path("json.toml").write_text('[plugins]\nenable = ["json_schema", "correct"]\n')
    options = ("--answer", "", "--kind", "json_schema", "--config", "json.toml", "--response", "out.text")
    assert "2 responses in 1 group, " in cli("grade", "a.jsonl", *options).output


def test_several_processes_write_what_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("justtinker_plugins.commands._grade.grading.BATCH", 2000)
    write("a.jsonl", *(row([RIGHT, WRONG], str(i % 4)) for i in range(40)))
    assert graded("a.jsonl", "--jobs", "1") == graded("a.jsonl", "--jobs", "2", out="two.jsonl")


def test_numbers_are_those_of_the_scorer() -> None:
    texts = [RIGHT, WRONG, r"\boxed{2}", "", "no idea"]
    write("a.jsonl", row(texts))
    with Scorer(EXACT) as scorer:
        group = scorer.score(question="1+1=?", answer="2", responses=texts)
    records = graded("a.jsonl")
    assert [r["total"] for r in records] == [reward.total for reward in group.rewards]
    assert [r["terms"] for r in records] == [reward.terms for reward in group.rewards]


def test_the_opening_of_a_prompt_counts() -> None:
    write("a.jsonl", row(r"one and one</think>\boxed{2}"))
    assert graded("a.jsonl")[0]["terms"]["format"] == -1.0
    assert graded("a.jsonl", "--opened", "<think>")[0]["terms"]["format"] == 0.0


def test_rollout_files_of_a_run_need_no_columns() -> None:
    problem = {"id": "p7", "question": "1+1=?", "answer": "2", "kind": "math"}
    group = {"step": 3, "index": 0, "problem": problem, "prompt": "1+1=?"}
    rollouts = [{"text": RIGHT, "tokens": 9, "truncated": False}, {"text": WRONG, "tokens": 5, "truncated": False}]
    write("step_000003.jsonl.zst", group | {"rollouts": rollouts})
    records = graded("step_000003.jsonl.zst", "-p", "length")
    assert [(r["row"], r["index"], r["outcome"]) for r in records] == [(1, 0, "correct"), (1, 1, "incorrect")]
    assert records[0]["terms"]["length"] == -0.5
    assert refused("step_000003.jsonl.zst", "--labels", "ok") == (
        "step_000003.jsonl.zst holds the rollouts of a run, which have no labels; leave --labels out"
    )


# What is printed


def test_the_summary_fits_eighty_columns() -> None:
    write("a.jsonl", row(), row(WRONG), row("?"), row(None))
    result = cli("grade", "a.jsonl", "--json", "found.json", "--config", "exact.toml")
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert lines[0].startswith("4 responses in 1 group, ")
    for line in (
        "correct 1 25.0%",
        "incorrect 2 50.0%",
        "unscored 1 25.0%",
        "correct 1 +0.3333 3",
        "format 0.1 +0.0000 1",
        "total, weighted +0.3333 3",
        "unscored 1 the cell is empty: there is no response",
    ):
        assert line in lines
    assert max(map(len, result.output.splitlines())) <= 80
    found = json.loads(Path("found.json").read_text())
    assert found["verdicts"] == {"correct": 1, "incorrect": 2, "unscored": 1}
    assert found["terms"]["format"] == {"weight": 0.1, "mean": 0.0, "applies": 1}


def test_without_a_config_the_verifier_is_strict_about_mathematics() -> None:
    write("a.jsonl", row(r"<think>halves</think>\boxed{\frac{2}{4}}", "0.5"))
    result = cli("grade", "a.jsonl", "--out", "out.jsonl", "--set", "plugins.math_verify.workers=1")
    assert result.exit_code == 0, result.output
    record = json.loads(Path("out.jsonl").read_text())
    assert (record["outcome"], list(record["terms"])) == ("correct", ["correct", "format", "redundancy"])


def test_labels_are_compared_and_disagreements_shown() -> None:
    labelled = [
        (RIGHT, True),
        (RIGHT, 1),
        (WRONG, "YES"),
        (WRONG, "No"),
        (RIGHT, False),
        (None, True),
        (RIGHT, None),
    ]
    write("a.jsonl", *(row(text, ok=label) for text, label in labelled))
    result = cli("grade", "a.jsonl", "--labels", "ok", "--show", "1", "--config", "exact.toml")
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    table = lines.index("label correct incorrect unscored")
    assert lines[table + 1 : table + 5] == [
        "correct 2 1 1",
        "incorrect 1 1 0",
        "accuracy 0.600, Cohen's kappa 0.167 (unscored ones left out)",
        "1 of 2 disagreements, more with --show",
    ]
    assert "1. a.jsonl, row 3: incorrect, the label says correct" in lines
    assert "gold 2" in lines
    assert "2. " not in result.output
    none = cli("grade", "a.jsonl", "--labels", "ok", "--show", "0", "--config", "exact.toml")
    assert "\n2 disagreements, none shown, as --show is 0\n" in none.output


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["correct", "incorrect"])), min_size=1))
def test_kappa_is_cohens(pairs: list[tuple[bool, str]]) -> None:
    """Against the definition over lists, and its bounds."""
    n = len(pairs)
    observed = sum(label == (said == "correct") for label, said in pairs) / n
    chance = sum(
        sum(label is value for label, _ in pairs) * sum((said == "correct") is value for _, said in pairs)
        for value in (True, False)
    ) / (n * n)
    found = agreement(Counter(pairs))
    assert found["accuracy"] == pytest.approx(observed)
    if chance == 1:
        assert found["kappa"] is None
    else:
        assert found["kappa"] == pytest.approx((observed - chance) / (1 - chance))
        assert -1 <= found["kappa"] <= 1


def test_kappa_is_undefined_if_all_say_the_same() -> None:
    write("a.jsonl", row(ok=True))
    result = cli("grade", "a.jsonl", "--labels", "ok", "--config", "exact.toml")
    assert "accuracy 1.000, Cohen's kappa undefined" in result.output


# What is wrong

RAMP = "plugins.correct.weight={from=0.0,to=1.0,steps=3}"
BAD = [
    (
        {"problem": "q", "answer": "1", "response": "r"},
        "",
        "a.jsonl: there is no column 'question' (--question); perhaps --question problem; its columns are problem, "
        "answer, response",
    ),
    (
        {"question": "q", "answer": "1", "respones": "r"},
        "",
        "a.jsonl: there is no column 'response' (--response); did you mean 'respones'?; its columns are question, "
        "answer, respones",
    ),
    (
        {"answer": "1", "response": "r"},
        "",
        "a.jsonl: there is no column 'question' (--question); known: answer, response; --question '' if there is none; "
        "its columns are answer, response",
    ),
    (row(4), "", "a.jsonl, line 1, column 'response': expected text or chat messages with text, got 4"),
    (row(answer=["1"]), "", "a.jsonl, line 1, column 'answer': expected text or a number, got list; as text it is "),
    (row([]), "", "a.jsonl, line 1, column 'response': expected a response or a list of responses, got an empty list"),
    (
        row(ok="maybe"),
        "--labels ok",
        "a.jsonl, line 1, column 'ok': expected true or false, 1 or 0, yes or no, correct or incorrect, got 'maybe'",
    ),
    (
        row(["r", "s"], ok=[True]),
        "--labels ok",
        "a.jsonl, line 1, column 'ok': expected a list with 2 entries, one a response, got 1",
    ),
    (row(n=-1), "--tokens n", "a.jsonl, line 1, column 'n': expected a number of tokens, got -1"),
    (row(), "-p length", "the length of a response is not known: give 'tokens'"),
    (row(), "--kind maths -p no:exact -p math_verify", "no verifier takes problem '1' of kind 'maths'"),
    (
        row(),
        f"--set {RAMP}",
        "a.jsonl knows no step, but the rewards depend on it (the weight schedule of correct); give a fixed weight: "
        "--set plugins.NAME.weight=NUMBER",
    ),
    (row(), "--out out.txt", "--out out.txt: the name must end in .jsonl or .parquet"),
    (row(), "--out a.jsonl", "--out a.jsonl is the file that is read; name another"),
    (row(), "--out nowhere/out.jsonl", "cannot write nowhere/out.jsonl: No such file or directory"),
]


@pytest.mark.parametrize(("cells", "options", "said"), BAD, ids=[said[:40] for _, _, said in BAD])
def test_bad_input_is_a_sentence_and_nothing_is_scored(cells: dict[str, Any], options: str, said: str) -> None:
    write("a.jsonl", cells)
    before = Path("a.jsonl").read_bytes()
    assert said in refused("a.jsonl", *options.split())
    assert Path("a.jsonl").read_bytes() == before


def test_if_nothing_is_graded_it_fails_and_says_why() -> None:
    write("a.jsonl", row(answer=None), row(answer=None), row(None))
    result = cli("grade", "a.jsonl", "--config", "exact.toml", "--json", "found.json")
    assert result.exit_code == 1
    assert "unscored           3  100.0%" in result.stdout
    assert result.stderr == (
        "Error: nothing was graded: all are unscored, most often because of this: the problem has no gold answer\n"
    )
    assert json.loads(Path("found.json").read_text())["verdicts"]["unscored"] == 3


@pytest.mark.parametrize(
    ("plugin", "options", "said"),
    [
        ("trl_reward", 'function = "no.py:x"', "function: there is no file "),
        ("trl_reward", 'function = "mine.py:one"', "{folder}/mine.py:one gave 3, but rewards lie in [-1, 1]: "),
        ("trl_reward", 'function = "no.such:x"', "function: no.such cannot be imported (ModuleNotFoundError: No module "
         "named 'no'); pip install 'no'"),
        ("verl_reward", 'data_source = "a"\nfunction = "mine.py:oen"', "function: {folder}/mine.py has no 'oen'; "),
        ("verl_verifier", 'data_source = "a"\nfunction = "mine.py:one"', "function: {folder}/mine.py:one cannot be "
         "called as verl does"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["grade", "score"])
def test_a_mistake_in_the_config_is_not_blamed_on_a_row(
    folder: Path, command: str, plugin: str, options: str, said: str
) -> None:
    write("a.jsonl", {"question": "1+1=?", "answer": "2", "responses": [RIGHT]})
    Path("mine.py").write_text("def one(completions, **kwargs):\n    return [3]\n")
    enabled = ["correct", plugin, *(["exact"] if plugin != "verl_verifier" else [])]
    Path("mine.toml").write_text(f"[plugins]\nenable = {enabled}\n[plugins.{plugin}]\n{options}\nworkers = 1\n")
    more = ("--response", "responses") if command == "grade" else ()
    result = cli(command, "a.jsonl", "--config", "mine.toml", "--jobs", "1", *more)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: [plugins.{plugin}] {said.format(folder=folder)}")


@pytest.mark.parametrize("text", ["", "\n"])
def test_a_file_without_rows_is_said(text: str) -> None:
    Path("a.jsonl").write_text(text)
    assert refused("a.jsonl") == "a.jsonl has no rows"


def test_half_a_line_ends_it_with_its_place() -> None:
    Path("a.jsonl").write_text(json.dumps(row()) + '\n{"question": "q", "ans')
    assert refused("a.jsonl") == "a.jsonl, line 2: broken JSON: Unterminated string starting at at column 19"


def test_a_question_is_not_needed() -> None:
    write("a.jsonl", {"answer": "2", "response": RIGHT})
    assert graded("a.jsonl", "--question", "")[0]["outcome"] == "correct"


def test_other_files_are_not_overwritten_and_earlier_grades_are() -> None:
    write("a.jsonl", row())
    write("mine.jsonl", {"a": 1})
    assert refused("a.jsonl", "--out", "mine.jsonl") == (
        "--out mine.jsonl is there, and holds something else than grades; name another, or delete it"
    )
    assert Path("mine.jsonl").read_text() == '{"a": 1}\n'
    assert graded("a.jsonl") == graded("a.jsonl")


LATE = """
from justtinker_core import Verdict, hookimpl

class Late:
    @hookimpl
    def verify(self, problem, rollouts):
        if problem.answer == "stop":
            raise KeyboardInterrupt
        return [Verdict("correct") for _ in rollouts]
"""


def test_what_was_graded_before_an_interrupt_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("justtinker_plugins.commands._grade.grading.BATCH", 1)
    Path("late.py").write_text(LATE)
    Path("late.toml").write_text('[plugins]\nenable = ["late", "correct"]\n[local_plugins]\nlate = "late.py:Late"\n')
    write("a.jsonl", row(), row(answer="4"), row(answer="stop"))
    result = cli("grade", "a.jsonl", "--config", "late.toml", "--out", "out.jsonl", "--jobs", "1")
    assert result.exit_code == 130
    assert result.output == "interrupted after 2 responses; out.jsonl holds them\n"
    assert len(Path("out.jsonl").read_text().splitlines()) == 2


STUCK = """
import os
from justtinker_core import hookimpl

class Stuck:
    @hookimpl
    def verify(self, problem, rollouts):
        with open("begun", "wb") as pipe:
            pipe.write(b".")
        open("never").read()
"""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["grade", "score"])
def test_an_interrupt_ends_processes_that_are_stuck(command: str) -> None:
    os.mkfifo("begun")
    os.mkfifo("never")
    Path("stuck.py").write_text(STUCK)
    Path("stuck.toml").write_text(
        '[plugins]\nenable = ["stuck", "correct"]\n[local_plugins]\nstuck = "stuck.py:Stuck"\n'
    )
    one = [row("x" * (1 << 18))] if command == "grade" else [{"question": "q", "responses": ["x" * (1 << 18)]}]
    write("a.jsonl", *(one * 3))
    code = "from justtinker_core.cli import run; run()"
    arguments = (command, "a.jsonl", "--config", "stuck.toml", "--jobs", "2")
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, text=True) as process:
        with open("begun", "rb") as pipe:
            assert pipe.read(1) == b"."
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)  # stderr is closed when the last of them has ended
    assert process.returncode == 130
    assert said.startswith(f"interrupted after 0 {'responses' if command == 'grade' else 'rollouts'}")


def test_grade_and_score_name_each_other() -> None:
    assert "justtinker score" in cli("grade", "--help").output
    assert "justtinker grade" in cli("score", "--help").output


def test_the_example_of_the_docs_prints_what_the_page_shows() -> None:
    page = (
        (Path(__file__).parents[2] / "docs" / "bridges.md")
        .read_text(encoding="utf-8")
        .partition("## From the shell")[2]
    )
    rows, command, shown = (re.findall(f"```{kind}\n(.*?)```", page, re.DOTALL)[0] for kind in ("json", "sh", "text"))
    Path("answers.jsonl").write_text(rows)
    result = cli(*command.split()[1:], "--set", "plugins.math_verify.workers=1")
    printed = "".join(line.rstrip() + "\n" for line in result.output.splitlines())
    assert re.sub(r"[\d.]+ s, .*", "", printed) == re.sub(r"[\d.]+ s, .*", "", shown)
    assert pq.read_table("grades.parquet")["total"].to_pylist() == [1.0, 0.0, None, 0.0]


@pytest.mark.slow
@pytest.mark.skipif(not DATA, reason="set JUSTTINKER_DATA to the folder that holds answers.jsonl")
def test_real_answers_agree_with_their_labels() -> None:
    file = f"{DATA}/answers.jsonl"
    result = cli("grade", file, "--answer", "gold", "--labels", "expect", "--json", "found.json", "--jobs", "1")
    assert result.exit_code == 0, result.output
    found = json.loads(Path("found.json").read_text())
    assert (found["responses"], found["labels"]["labelled"]) == (220, 220)
    assert found["labels"]["accuracy"] > 0.93, "11 of the labels are for the flexible pipeline"
    assert 0.85 < found["labels"]["kappa"] < 1
