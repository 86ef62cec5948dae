"""``justtinker audit`` on stacks that run programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import Problem, Scorer
from justtinker_plugins.commands._audit import cases, programs
from justtinker_plugins.commands._audit.cases import BATTERIES, cases_of, without_use
from justtinker_plugins.commands._audit.judging import Auditor
from justtinker_plugins.commands._audit.programs import tasks
from tests.core.conftest import cli
from tests.plugins.sandbox import needs_sandbox

CONFIG = """
[run]
name = "mine"
model = "none"
steps = 1
[data.train]
use = "files"
path = "data.jsonl"
kind = "code"
[plugins]
enable = {enable}
[plugins.code]
cpu_seconds = 2
{more}
"""
STACK = ("code", "correct", "format", "redundancy")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def audit(*arguments: str, enable: Sequence[str] = STACK, rows: Sequence[Any] = (), more: str = "") -> dict[str, Any]:
    Path("data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("mine.toml").write_text(CONFIG.format(enable=json.dumps(enable), more=more))
    result = cli("audit", "mine.toml", *arguments, "--json", "summary.json")
    assert Path("summary.json").exists(), result.output
    found: dict[str, Any] = json.loads(Path("summary.json").read_text())
    return found | {"batteries": {row["battery"]: row for row in found["batteries"]}, "output": result.output}


TESTS = json.dumps({"fn_name": "f", "inputs": [[1], [5]], "outputs": [2, 10]})
UNSOLVED = {"question": "Double it: f(x).", "answer": TESTS}
SOLVED = {**UNSOLVED, "solutions": ["f = lambda x: x + 1", "def f(x):\n    return x * 2"]}


@needs_sandbox
@pytest.mark.slow
def test_the_stack_of_the_presets_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "RESPONSES_PER_BATTERY", 2)
    found = audit("--problems", "2", rows=[SOLVED, UNSOLVED])
    assert found["failures"] == []
    assert found["passed"]
    assert (found["problems"], found["built_in"], found["left_out"]) == (1, 4, [])
    assert set(found["batteries"]) == programs.OWN | programs.SHARED


@needs_sandbox
def test_paying_a_share_of_the_tests_pays_the_examples() -> None:
    Path("data.jsonl").write_text(json.dumps(UNSOLVED) + "\n")
    more = "stop_early = false\n[plugins.tests_passed]\nweight = 0.5"
    Path("mine.toml").write_text(CONFIG.format(enable=json.dumps(["code", "correct", "tests_passed"]), more=more))
    problem = tasks.draw_problems("built-in ")[0]
    with Scorer("mine.toml") as scorer:
        auditor = Auditor(scorer, 1, 100)
        item = auditor.make_item(problem, [], 0)
        assert item is not None
        worths = [auditor.judge(case).worth for case in cases_of(item, {"only the examples"})]
    assert min(worth or 0.0 for worth in worths) >= 0.5 / 1.5 / 5, "each passes one of five tests or more"


def careless(task: tasks.Task, response: str) -> bool:
    """Run the first program of a response here and compare with its own ``==``, as a careless verifier does."""
    names: dict[str, Any] = {}
    try:
        exec(tasks.blocks_of(response)[0], names)
        return all(names[task.function](*given) == wanted for given, wanted in task.tests)
    except Exception:
        return False


def test_a_careless_verifier_would_be_caught() -> None:
    """Only by batteries whose programs do no harm to this process."""
    [item] = programs.items_of(tasks.draw_problems("built-in ")[0], 0)
    tried = {"says that it passes", "only the examples", "equal to everything", "a right program that is not the last"}
    paid = {case.name for case in cases_of(item, tried) if careless(tasks.SECOND, case.response)}
    assert paid == {"equal to everything", "a right program that is not the last"}


def test_every_battery_fits_some_built_in_problem() -> None:
    items = [item for problem in tasks.draw_problems("") for item in programs.items_of(problem, 0)]
    assert len(items) == len(tasks.BUILT_IN) == 4
    names = {case.name for item in items for case in cases_of(item)}
    assert names == programs.OWN | programs.SHARED


def test_other_stacks_get_none_of_them() -> None:
    assert without_use({"math"}) == without_use({"math", "text"}) == without_use(()) == programs.OWN
    everything = {name for batteries in BATTERIES.values() for name in batteries}
    assert everything - without_use({"code"}) == programs.OWN | programs.SHARED
    assert without_use({"code", "math"}) == frozenset()


def test_built_in_solutions_are_right_and_wrong_ones_are_not() -> None:
    for task in tasks.BUILT_IN:
        for program in (task.solution, *task.others):
            assert all(run(task, program, given) == wanted for given, wanted in task.tests), program
        for program in task.wrong:
            assert not all(run(task, program, given) == wanted for given, wanted in task.tests), program


def run(task: tasks.Task, program: str, given: Any) -> Any:
    """Run one of our own programs here: what its function returns, or what it prints."""
    import contextlib
    import io
    import sys

    names: dict[str, Any] = {"__name__": "__main__"}
    output, old = io.StringIO(), sys.stdin
    sys.stdin = io.StringIO("" if task.function else given)
    try:
        with contextlib.redirect_stdout(output):
            exec(program, names)
            if task.function:
                holder = names.get(task.function) or getattr(names["Solution"](), task.function)
                return holder(*given)
    except (NotImplementedError, KeyError):
        return "nothing"
    finally:
        sys.stdin = old
    return output.getvalue().rstrip() + "\n"


@pytest.mark.parametrize(
    ("problem", "solutions"),
    [
        (Problem("1", "?", "print(4)", "code"), ["print(4)"]),
        (Problem("1", "?", "4", "code"), []),
        (Problem("1", "?", '["assert f(2) == 4"]', "code"), []),
        (Problem("1", "?", "yes", "code"), []),
        (Problem("1", "?", TESTS, "code", "So:\n```python\nx = 1\n```\n"), ["x = 1"]),
        (Problem("1", "?", None, "code", meta={"solutions": '["a = 1", "b = ", "c = 3"]', "code": "d = 4"}),
         ["a = 1", "d = 4"]),
        (Problem("1", "?", None, "code", meta={"solutions": "[not json"}), []),
    ],
)  # fmt: skip
def test_solutions_are_found_where_data_has_them(problem: Problem, solutions: list[str]) -> None:
    assert programs.solutions_of(problem) == solutions


@pytest.mark.parametrize(
    ("program", "function"),
    [
        ("f=lambda x:x", "f"),
        ("def g(): pass\n\ndef f(x): return g()", "f"),
        ("class Solution:\n    def __init__(self): pass\n    def f(self, x): return x", "f"),
        ("def f(x): return x\nprint(f(int(input())))", ""),
        ("def main():\n    print(1)\n\nif __name__ == '__main__':\n    main()", ""),
        ("print(1)", ""),
        ("x = 1", ""),
    ],
)
def test_how_a_solution_is_called(program: str, function: str) -> None:
    assert tasks.function_in(program) == function


def test_data_without_any_program_needs_the_built_in_ones() -> None:
    Path("data.jsonl").write_text(json.dumps(UNSOLVED) + "\n")
    Path("mine.toml").write_text(CONFIG.format(enable=json.dumps(STACK), more=""))
    result = cli("audit", "mine.toml", "--no-built-in")
    assert result.exit_code == 1
    assert (
        "no problem of [data.train] has a program that may be right: put one into a column solution, or "
        in result.output
    )
