"""`code`: programs run against hidden tests, in every shape in which the field's data sets hold them."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_core import Group, PluginError, Problem, Prompt
from justtinker_core.grading import judge
from justtinker_core.plugins import Plugins
from justtinker_core.testing import Runner, check_verifier, make_rollout
from justtinker_core.testing._running import activate_given
from justtinker_plugins.rewards.tests_passed import TestsPassed
from justtinker_plugins.shared.sandbox import commands
from justtinker_plugins.verifiers import code
from justtinker_plugins.verifiers._code import wire
from justtinker_plugins.verifiers._code.judging import equal
from justtinker_plugins.verifiers._code.tests import read_tests
from justtinker_plugins.verifiers.code import Code
from tests.plugins.sandbox import needs_sandbox

PAIRS = [["1 2\n", "3\n"], ["10 -4\n", "6\n"], ["0 0\n", "0\n"]]
ADD = "a, b = map(int, input().split())\nprint(a + b)"
SQUARE = "def f(x):\n    return x * x\n"


def block(program: str) -> str:
    """A response with a program."""
    return f"<think>hm</think>\nSo:\n```python\n{program}\n```\n"


def problem(answer: Any = None, **meta: Any) -> Problem:
    return Problem("p", "Write it.", answer, "code", meta=meta)


@pytest.fixture(scope="module")
def plugins() -> Iterator[Plugins]:
    found = Plugins([activate_given(Code(cpu_seconds=2, wall_seconds=120)), activate_given(TestsPassed())])
    yield found
    found.close()


def judged(plugins: Plugins, task: Problem, *programs: str) -> Group:
    return judge(Group(1, 0, task, Prompt("?"), tuple(make_rollout(block(p)) for p in programs)), plugins)


def outcome(plugins: Plugins, task: Problem, program: str) -> tuple[str, str]:
    (verdict,) = judged(plugins, task, program).verdicts
    return verdict.outcome, verdict.reason


# Shapes of tests


PACKED = base64.b64encode(
    zlib.compress(pickle.dumps(json.dumps([{"input": "3 4", "output": "7", "testtype": "stdin"}])))
)
FUNCTIONAL = [{"input": "[2]\n", "output": "[2]", "testtype": "functional", "metadata": {"func_name": "f"}}]
STDIN = [
    problem(tests=PAIRS),
    problem(tests=json.dumps(PAIRS)),
    problem(json.dumps({"inputs": ["1 2\n", "5 5"], "outputs": ["3\n", "10"]})),
    problem(input_output=json.dumps({"inputs": [["1 2"]], "outputs": [["3"]]})),
    problem(tests=[{"input": "1 2\n", "output": "3\n", "testtype": "stdin_stdout"}]),
    problem(
        public_test_cases=json.dumps([{"input": "1 2", "output": "3", "testtype": "stdin"}]),
        private_test_cases=PACKED.decode(),
    ),
]
CALLS = [
    problem(input_output=json.dumps({"fn_name": "f", "inputs": [[2], [-3]], "outputs": [4, [9]]})),
    problem(test_list=["assert f(2) == 4", "assert f(-3) == 9"], test_setup_code="import math"),
    problem(test_list=["assert math.isclose(f(2), 4)"], test_imports=["import math"]),
    problem(test="def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(3) == 9", entry_point="f"),
    problem(public_test_cases=[{"input": "2", "output": "4", "testtype": "functional"}], metadata='{"func_name": "f"}'),
    problem(json.dumps(["assert f(2) == 4"])),
]  # fmt: skip


@needs_sandbox
@pytest.mark.parametrize("task", STDIN, ids=lambda task: next(iter(task.meta), "gold"))
def test_programs_that_read_and_print(plugins: Plugins, task: Problem) -> None:
    group = judged(plugins, task, ADD, ADD.replace("+", "*"))
    assert [v.outcome for v in group.verdicts] == ["correct", "incorrect"]
    n = len(read_tests(task))
    assert group.verdicts[0].rung == f"{n} of {n} tests"
    assert group.verdicts[1].reason.startswith(f"test 1 of {n}: printed ")


@needs_sandbox
@pytest.mark.parametrize("task", CALLS, ids=lambda task: next(iter(task.meta), "gold"))
def test_programs_whose_functions_are_called(plugins: Plugins, task: Problem) -> None:
    solution = "class Solution:\n    def f(self, x):\n        return x ** 2\n"
    group = judged(
        plugins, task, SQUARE, solution, SQUARE.replace("* x", "+ 1") + "print('hi')\n", "def g(x): return 4"
    )
    assert [v.outcome for v in group.verdicts[:2]] == ["correct", "correct"]
    assert [v.outcome for v in group.verdicts[2:]] == ["incorrect", "incorrect"]
    assert "the program has no function 'f'" in group.verdicts[3].reason


def test_a_functional_case_names_its_function() -> None:
    assert read_tests(problem(tests=FUNCTIONAL)).calls[0]["name"] == "f"
    assert read_tests(problem(tests=FUNCTIONAL)).calls[0]["args"] == {"l": [{"l": [2]}]}


@needs_sandbox
def test_a_gold_that_is_no_json_is_what_the_program_prints(plugins: Plugins) -> None:
    assert outcome(plugins, problem("Hello, world"), "print('Hello, world')") == ("correct", "")
    found, reason = outcome(plugins, problem("Hello, world"), "print('Hello')")
    assert (found, reason) == ("incorrect", "test 1 of 1: printed 'Hello', expected 'Hello, world'")


MALFORMED = [
    (problem(), "it has no tests: expected one of input_output, tests, public_test_cases, test_list, test, the gold"),
    (problem(tests="{"), "tests is no JSON: "),
    (problem(tests=[]), "it has no tests: expected one of"),
    (problem(tests=[["1"]]), r"test 1: expected an input and an output, got \['1'\]"),
    (problem(tests=[[1, "2"]]), r"test 1: expected texts as input and output, got \(1, '2'\)"),
    (problem(json.dumps({"inputs": ["1"], "outputs": []})), "the gold answer has 1 inputs and 0 outputs"),
    (problem(json.dumps({"inputs": "1", "outputs": []})), "the gold answer: inputs: expected a list, got '1'"),
    (problem(tests={"fn_name": "f", "inputs": [2], "outputs": [4]}), "test 1: expected a list of arguments, got 2"),
    (problem(test_list=["assert f(2) =="]), "test 1 is not Python: "),
    (problem(test_list=["f(2)"]), r"test 1: expected an assert, got 'f\(2\)'"),
    (problem(test_list=["assert f(2) == 4"], test_setup_code="import"), "test_setup_code is not Python: "),
    (problem(test="assert f(2) == 4", entry_point="f"), r"test: expected a function check\(candidate\)"),
    (problem(test="def check(candidate): assert candidate(1)"), "test and entry_point: expected Python with a fun"),
    (problem(private_test_cases="not base64!"), "private_test_cases is neither JSON nor packed as LiveCodeBench's: "),
    (problem(tests=[{"input": "2", "output": "4", "testtype": "functional"}]), "its tests call a function, and met"),
    (problem(tests=[{"input": "x", "output": "4", "testtype": "functional"}], fn_name="f"), "test 1: expected JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "text"), MALFORMED)
def test_malformed_tests_are_named(task: Problem, text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}"):
        read_tests(task)


def test_malformed_tests_leave_a_rollout_unscored(plugins: Plugins) -> None:
    assert outcome(plugins, problem(tests="{"), ADD)[0] == "unscored"


def test_a_pickle_with_code_is_not_run() -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return exec, ("raise SystemExit('ran')",)

    data = base64.b64encode(zlib.compress(pickle.dumps(Evil()))).decode()
    with pytest.raises(ValueError, match=r"it holds builtins\.exec, and only texts are allowed"):
        read_tests(problem(private_test_cases=data))


# What a verdict says


@needs_sandbox
@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("print(1 / 0)", "test 1 of 3: ZeroDivisionError: division by zero"),
        ("def f(:", "test 1 of 3: SyntaxError: invalid syntax"),
        ("while True: pass", "test 1 of 3: it ran for 2 s of the processor"),
        ("x = bytearray(10**10)", "test 1 of 3: MemoryError"),
        ("while True: print('x' * 10**5)", "test 1 of 3: it printed more than 1024 KB"),
        ("import sys; sys.exit(3)", "test 1 of 3: it ended with exit status 3"),
        ("import ctypes; ctypes.string_at(0)", "test 1 of 3: it crashed (segmentation fault)"),
        ("print(3 if input() == '1 2' else 5)", "test 2 of 3: printed '5', expected '6\\n'"),
        ("print('x' * 100)", f"test 1 of 3: printed '{'x' * 57}...', expected '3\\n'"),
    ],
)
def test_which_test_failed_and_how(plugins: Plugins, program: str, reason: str) -> None:
    found, text = outcome(plugins, problem(tests=PAIRS), program)
    assert found == "incorrect"
    assert text.replace("expected '6'", "expected '6\\n'").replace("expected '3'", "expected '3\\n'") == reason


@needs_sandbox
def test_a_call_that_fails_says_so(plugins: Plugins) -> None:
    task = problem(test_list=["assert f(2) == 4", "assert f(3) == 9"])
    assert outcome(plugins, task, "def f(x): return 4")[1] == "test 2 of 2: assert f(3) == 9"
    assert outcome(plugins, task, "def f(x): return x.y")[1] == (
        "test 1 of 2: assert f(2) == 4 AttributeError: 'int' object has no attribute 'y'"
    )
    assert outcome(plugins, task, "def f(x):\n while True: pass")[1] == "test 1 of 2: it ran for 2 s of the processor"
    task = problem(input_output={"fn_name": "f", "inputs": [[2]], "outputs": [4]})
    assert outcome(plugins, task, "def f(x): return [x]")[1] == "test 1 of 1: f(2) gives [2], expected 4"


@needs_sandbox
def test_a_test_that_no_program_can_pass_is_unscored(plugins: Plugins) -> None:
    found, reason = outcome(plugins, problem(test_list=["assert f.size == 4"]), SQUARE)
    assert found == "unscored"
    assert reason == "test 1 of 1 is malformed: it uses 'size' of 'f'; tests may only call the program's functions"
    found, reason = outcome(plugins, problem(test_list=["assert f(2) == 4"], test_setup_code="import nosuch"), SQUARE)
    assert found == "unscored"
    assert reason == "test 1 of 1 is malformed: its setup fails: ModuleNotFoundError: No module named 'nosuch'"


@needs_sandbox
def test_what_a_test_may_do_with_results(plugins: Plugins) -> None:
    """In place, exceptions, generators, sets, big numbers, a result as an argument."""
    program = """
def double(items):
    for i, item in enumerate(items): items[i] = item * 2
def empty(items):
    items.clear()
    return items
def fails(x): raise ValueError(f"no {x}")
def gen(n): return (i for i in range(n))
def power(n): return 3 ** n
class P:
    x = 1
def obj(): return P()
def same(x): return x
"""
    tests = [
        "a = [1, 2]\ndouble(a)\nassert a == [2, 4]",
        "a = [1, 2]\nassert empty(a) == [] and a == [1, 2]",
        "try:\n    fails(3)\n    assert False\nexcept ValueError as e:\n    assert str(e) == 'no 3'",
        "assert list(gen(3)) == [0, 1, 2]",
        "assert power(5000) == 3 ** 5000",
        "assert same({1: (2, {3})}) == {1: (2, {3})}",
        "assert same(float('inf')) == float('inf')",
        "assert same(b'ab') == b'ab' and same(1 + 2j) == 1 + 2j",
    ]
    assert outcome(plugins, problem(test_list=tests), program) == ("correct", "")
    found, reason = outcome(plugins, problem(test_list=["assert same(obj()) == 1"]), program)
    assert found == "incorrect", "the program made the object, so the test is not to blame"
    assert "no plain data" in reason


@needs_sandbox
def test_the_last_block_after_the_thinking_counts(plugins: Plugins) -> None:
    task = problem(tests=PAIRS)
    good, bad = f"```python\n{ADD}\n```", "```python\nprint(0)\n```"
    texts = {
        f"<think>{good}</think> {good}": "correct",
        f"<think>{good}</think> done": "incorrect",
        f"<think>{good}": "incorrect",
        f"{bad}\nbetter:\n{good}": "correct",
        f"{good}\nor:\n{bad}": "incorrect",
        f"```py\n{ADD}\n```": "correct",
        f"```\n{ADD}\n```": "correct",
        f"  ```python\n{ADD}\n  ```": "correct",
        f"```python\n{ADD}": "incorrect",
        f"```cpp\n{ADD}\n```": "incorrect",
        ADD: "incorrect",
    }
    group = judge(Group(1, 0, task, Prompt("?"), tuple(make_rollout(t) for t in texts)), plugins)
    assert {t: v.outcome for t, v in zip(texts, group.verdicts, strict=True)} == texts


# Comparing


@pytest.mark.parametrize(
    ("printed", "expected", "same"),
    [
        ("1 2 \n3\n\n", "1 2\n3", True),
        ("1  2", "1 2", True),
        ("0.333333333", "0.3333333", True),
        ("0.34", "0.33", False),
        ("1", "1.0", True),
        ("1.0", "1", False),
        ("nan", "0.5", False),
        ("1_0", "10.0", False),
        ("", "0", False),
        ("YES", "yes", False),
    ],
)
def test_printed_text_is_compared(printed: str, expected: str, same: bool) -> None:
    assert equal(printed, expected, 1e-6) is same


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
    | st.complex_numbers(allow_nan=False),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(), inner)
    | st.sets(st.integers()) | st.frozensets(st.text()),
    max_leaves=20,
)  # fmt: skip


@given(PLAIN)
@settings(max_examples=200)
def test_plain_data_arrives_as_it_was_sent(value: Any) -> None:
    arrived = wire.decode(json.loads(wire.dump(wire.encode(value))))  # type: ignore[no-untyped-call]
    assert arrived == value
    assert type(arrived) is type(value)


def test_other_objects_equal_nothing() -> None:
    class Equal:
        def __eq__(self, other: object) -> bool:
            return True

    arrived = wire.decode(json.loads(wire.dump(wire.encode([Equal()]))))  # type: ignore[no-untyped-call]
    assert arrived != [Equal()]
    assert arrived[0] != arrived[0]
    with pytest.raises(TypeError, match="the program returned an object of type Equal, which is no plain data"):
        bool(arrived[0])


# In a run


@needs_sandbox
def test_the_share_of_tests_is_measured_and_paid(run_with: Runner) -> None:
    programs = [ADD, "a, b = map(int, input().split())\nprint(abs(a) + abs(b))", "print(9)", "no program"]
    done = run_with(
        Code(stop_early=False), TestsPassed(), problems=[problem(tests=PAIRS)], steps=1,
        respond=lambda prompt, i: block(programs[i]) if i < 3 else programs[i],
    )  # fmt: skip
    (group,) = done.groups
    assert group.measures["tests_passed"] == (1.0, 2 / 3, 0.0, 0.0)
    assert [reward.terms["tests_passed"] for reward in group.rewards] == [1.0, 2 / 3, 0.0, 0.0]
    assert done.steps[0].metrics["accuracy"] == 0.25


@needs_sandbox
def test_early_stop_counts_the_tests_before_the_failure(plugins: Plugins) -> None:
    task = problem(tests=[PAIRS[0], PAIRS[1], PAIRS[2]])
    group = judged(plugins, task, "a, b = map(int, input().split())\nprint(abs(a) + abs(b))")
    assert group.verdicts[0].rung == "1 of 3 tests"


@needs_sandbox
def test_max_tests(run_with: Runner) -> None:
    done = run_with(Code(max_tests=1), problems=[problem(tests=PAIRS)], steps=1, respond=lambda p, i: block("print(3)"))
    assert done.steps[0].metrics["accuracy"] == 1.0


@needs_sandbox
def test_the_testing_kit_finds_nothing() -> None:
    task = problem(tests=PAIRS[:1])
    cases = [(task, block(ADD), "correct"), (task, block("print(4)"), "incorrect")]
    check_verifier(Code(), cases)


def test_another_kind_is_passed_on(plugins: Plugins) -> None:
    group = Group(1, 0, Problem("p", "?", "1", "math"), Prompt("?"), (make_rollout(block(ADD)),))
    with pytest.raises(PluginError, match=r"no verifier takes problem 'p' of kind 'math' \(active: code \(code\)\)"):
        judge(group, plugins)


# Before a run


def test_check_names_malformed_tests_and_a_missing_sandbox(run_with: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands.shutil, "which", lambda name: None)
    commands.trouble.cache_clear()
    problems = [Problem(str(i), "?", None, "code", meta={"tests": "{"}) for i in range(3)]
    try:
        with pytest.raises(PluginError) as error:
            run_with(Code(), problems=problems)
    finally:
        commands.trouble.cache_clear()
    sandbox, data = str(error.value).splitlines()
    assert sandbox == (
        "code: bwrap is not installed: install bubblewrap (Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install "
        "bubblewrap); or set [plugins.code] unsafe = true"
    )
    assert data.startswith("[data.train] problem '0': tests is no JSON: ")
    assert data.endswith("(and 2 more); mend the data, or leave the row out")


def test_without_a_sandbox_nothing_runs(monkeypatch: pytest.MonkeyPatch, plugins: Plugins) -> None:
    monkeypatch.setattr(code, "trouble", lambda: "no sandbox here")
    with pytest.raises(PluginError, match=r"^code: no sandbox here; or set \[plugins.code\] unsafe = true"):
        judged(plugins, problem(tests=PAIRS), ADD)


def test_a_sandbox_that_cannot_be_made_says_how_to_mend_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    commands.trouble.cache_clear()
    try:
        text = commands.trouble()
    finally:
        commands.trouble.cache_clear()
    assert text.startswith(
        "bwrap cannot make a sandbox here (bwrap: No permissions to create new namespace): allow user"
    )


def test_unsafe_runs_without_a_sandbox(run_with: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "trouble", lambda: "no sandbox here")
    for task, program in ((problem(tests=PAIRS), ADD), (problem(test_list=["assert f(2) == 4"]), SQUARE)):
        done = run_with(Code(unsafe=True), problems=[task], steps=1, respond=lambda p, i, text=program: block(text))
        assert done.steps[0].metrics["accuracy"] == 1.0
