"""`score` and `grade` where judges wait for a server, or where an executor judges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from justtinker_plugins.commands._cli.processes import Readable
from tests.core.conftest import cli

ROWS = 120
JUDGES = '''
import asyncio, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from justtinker_core import Verdict, hookimpl, plugin

@plugin
class Waits:
    """Counts how many of its calls are under way."""
    def __post_init__(self):
        self.now = self.most = 0
    @hookimpl
    async def verify(self, problem, rollouts):
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.02)
        if problem.answer == "fail":
            raise ValueError("no such answer")
        self.now -= 1
        return [Verdict("correct" if r.text.split()[-1] == problem.answer else "incorrect") for r in rollouts]
    @hookimpl
    def measure(self, group):
        return {"most": [float(self.most)] * len(group.rollouts)}
    @hookimpl
    def score(self, group):
        return {"right": [float(v.outcome == "correct") for v in group.verdicts]}

@plugin
class Computes(Waits):
    """The same as a plain function, that says where it runs."""
    @hookimpl
    def verify(self, problem, rollouts):
        if problem.answer == "fail":
            raise ValueError("no such answer")
        return [Verdict("correct" if r.text.split()[-1] == problem.answer else "incorrect") for r in rollouts]
    @hookimpl
    def measure(self, group):
        return {"there": [float(threading.current_thread().name.startswith("there"))] * len(group.rollouts)}

@plugin
class There:
    """Threads with a name."""
    ended: Path
    @hookimpl
    def grading_executor(self, run):
        return ThreadPoolExecutor(3, thread_name_prefix="there")
    @hookimpl
    def finish_run(self, status):
        self.ended.write_text(status)
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with stacks that wait, compute, and compute on an executor; and a table."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "judges.py").write_text(JUDGES)
    for name, enabled in (("waits", "Waits"), ("computes", "Computes"), ("there", "Computes")):
        more = ', "there"]\nthere.ended = "ended"' if name == "there" else "]"
        local = 'there = "judges.py:There"\n' if name == "there" else ""
        (tmp_path / f"{name}.toml").write_text(
            f'[plugins]\nenable = ["{enabled.lower()}"{more}\n'
            f'[local_plugins]\n{enabled.lower()} = "judges.py:{enabled}"\n{local}'
        )
    write(tmp_path / "table.jsonl")
    return tmp_path


def write(path: Path, **changed: str) -> None:
    """A row a number; a third of the answers is wrong."""
    rows = [{"question": f"q{i}", "answer": str(i), "responses": [f"r {i + (i % 3 == 0)}", "x"]} for i in range(ROWS)]
    for row, answer in changed.items():
        rows[int(row[1:])]["answer"] = answer
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def scored(config: str, *more: str) -> list[dict[str, Any]]:
    done = cli("score", "table.jsonl", "--config", f"{config}.toml", "--out", f"{config}.jsonl", *more)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in Path(f"{config}.jsonl").read_text().splitlines()[1:]]


def graded(config: str) -> list[dict[str, Any]]:
    command = ("grade", "table.jsonl", "--response", "responses", "--config", f"{config}.toml", "--out", "g.jsonl")
    done = cli(*command)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in Path("g.jsonl").read_text().splitlines()]


def without_measures(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        record | {side: {k: v for k, v in record[side].items() if k != "measures"} for side in ("config", "against")
                  if side in record}
        for record in records
    ]  # fmt: skip


@pytest.mark.usefixtures("folder")
def test_judges_that_wait_are_asked_about_many_groups_together() -> None:
    plain, waited = scored("computes", "--jobs", "1"), scored("waits", "--jobs", "1")
    assert without_measures(plain) == without_measures(waited)
    assert max(record["config"]["measures"]["most"][0] for record in waited) > ROWS / 2
    assert graded("computes") == graded("waits")


@pytest.mark.usefixtures("folder")
def test_an_executor_judges_for_all_stacks_and_is_told_of_the_end() -> None:
    plain = scored("computes", "--jobs", "1", "--against", "waits.toml")
    there = scored("there", "--against", "waits.toml")
    assert without_measures(plain) == without_measures(there)
    assert {record["config"]["measures"]["there"][0] for record in there} == {1.0}
    assert {record["config"]["measures"]["there"][0] for record in plain} == {0.0}
    assert Path("ended").read_text() == "finished"
    Path("ended").unlink()
    assert graded("computes") == graded("there")
    assert Path("ended").read_text() == "finished"


@pytest.mark.parametrize("config", ["waits", "there"])
def test_an_error_names_its_row_and_what_came_before_is_kept(folder: Path, config: str) -> None:
    write(folder / "table.jsonl", r70="fail")
    command = ("score", "table.jsonl", "--config", f"{config}.toml", "--out", "out.jsonl")
    done = cli(*command)
    assert done.exit_code == 1
    assert "table.jsonl, line 71: plugin 'waits'" in done.output.replace("'computes'", "'waits'")
    assert "ValueError: no such answer" in done.output
    assert len((folder / "out.jsonl").read_text().splitlines()) == 1 + 70
    done = cli("grade", "table.jsonl", "--response", "responses", "--config", f"{config}.toml", "--out", "g.jsonl")
    assert "table.jsonl, line 71: plugin" in done.output.replace("row", "line")
    if config == "there":
        assert (folder / "ended").read_text() == "failed"
    write(folder / "table.jsonl")
    done = cli(*command)
    assert done.exit_code == 0, done.output
    assert "out.jsonl already holds scores of 140 rollouts" in done.output
    assert len((folder / "out.jsonl").read_text().splitlines()) == 1 + ROWS


def test_a_row_that_cannot_be_read_comes_after_what_is_before_it(folder: Path) -> None:
    with (folder / "table.jsonl").open("a") as file:
        file.write('{"question": 1}\n{"question": 2}\n')
    done = cli("score", "table.jsonl", "--config", "waits.toml", "--out", "out.jsonl")
    assert done.exit_code == 1
    assert f"table.jsonl, line {ROWS + 1}" in done.output
    assert len((folder / "out.jsonl").read_text().splitlines()) == 1 + ROWS


def test_only_errors_of_ours_end_what_is_readable() -> None:
    def items() -> Any:
        yield 1
        raise ZeroDivisionError

    readable = Readable(items())
    assert next(readable) == 1
    with pytest.raises(ZeroDivisionError):
        next(readable)
