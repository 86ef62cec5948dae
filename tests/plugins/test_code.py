from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import pickle
import re
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_core import PluginError, Problem, Verdict
from justtinker_core.testing import Runner, check_verifier, make_problem, make_rollout
from justtinker_plugins.rewards.tests_passed import TestsPassed
from justtinker_plugins.shared.sandbox.commands import INSTALL, trouble
from justtinker_plugins.verifiers._code import wire
from justtinker_plugins.verifiers._code.judging import equal
from justtinker_plugins.verifiers._code.programs import program_of
from justtinker_plugins.verifiers.code import Code
from tests.plugins.escapes import CALLS, FUNCTIONS, HUMAN_EVAL, NAMED, PROGRAMS, RUNS, WAITS

NEEDED = os.environ.get("JUSTTINKER_SANDBOX") == "required"
sandbox = pytest.mark.skipif(not NEEDED and trouble() != "", reason=trouble() or "-")
"""Where CI demands a sandbox, nothing is skipped."""
TIGHT = {"cpu_seconds": 1, "wall_seconds": 2.0, "memory_mb": 256, "output_kb": 64, "programs": 4}


def block(program: str) -> str:
    return f"<think>hm</think>\n```python\n{program}\n```"


def judge(problem: Problem, *programs: str, **options: Any) -> list[Verdict]:
    verdicts = asyncio.run(Code(**options).verify(problem, [make_rollout(block(p)) for p in programs]))
    assert verdicts is not None
    return verdicts


def family(pid: str = "self") -> set[int]:
    """All processes below this one."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found |= {int(child)} | family(child)
    return found


def corpus(problem: Problem, programs: dict[str, tuple[str, str]], *, reasons: bool) -> list[str]:
    """What is wrong with the verdicts on a part of the escape corpus; nothing may be left of its programs."""
    before, files = family(), len(os.listdir("/proc/self/fd"))
    found = []
    for short in (False, True):
        some = [name for name in programs if short == any(word in name for word in WAITS)]
        verdicts = judge(problem, *(programs[name][0] for name in some), **TIGHT | {"wall_seconds": 2 if short else 60})
        for name, verdict in zip(some, verdicts, strict=True):
            if verdict.outcome != "incorrect" or (reasons and programs[name][1] not in verdict.reason):
                found.append(f"{name}: {verdict.outcome}: {verdict.reason[:200]}")
    deadline = time.monotonic() + 10
    while family() - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert family() <= before
    assert len(os.listdir("/proc/self/fd")) <= files
    return found


@sandbox
def test_no_program_of_the_escape_corpus_is_paid() -> None:
    assert corpus(RUNS, PROGRAMS, reasons=True) == []


@sandbox
def test_no_function_of_the_escape_corpus_is_paid() -> None:
    assert corpus(CALLS, FUNCTIONS, reasons=True) == []


@sandbox
@pytest.mark.slow
@pytest.mark.parametrize("problem", [HUMAN_EVAL, NAMED], ids=["check", "fn_name"])
def test_no_function_of_the_escape_corpus_is_paid_by_other_tests(problem: Problem) -> None:
    assert corpus(problem, FUNCTIONS, reasons=False) == []


@sandbox
def test_programs_that_do_it_are_paid() -> None:
    """So the corpus does not fail for another reason."""
    for answer in judge(
        RUNS,
        "print(2 * int(input()))",
        "x = input()\nprint(float(x) * 2)",
        "import sys\nsys.setrecursionlimit(10**6)\nprint(int(sys.stdin.read()) << 1, end='\\n\\n')",
        **TIGHT,
    ):
        assert answer.outcome == ("incorrect" if "float" in (answer.answer or "") else "correct"), answer
    for problem in (CALLS, HUMAN_EVAL, NAMED):
        for program in (
            "double = lambda x: 2 * x",
            "class Solution:\n    def double(self, x):\n        print('noise')\n        return x + x",
        ):
            (verdict,) = judge(problem, program, **TIGHT)
            assert (verdict.outcome, verdict.reason) == ("correct", ""), verdict
            assert verdict.rung in ("2 of 2 tests", "1 of 1 tests")


def shaped(answer: str | None = None, **meta: Any) -> Problem:
    return make_problem("?", answer, kind="code", meta=meta)


PACKED = base64.b64encode(zlib.compress(pickle.dumps(json.dumps([{"input": "3", "output": "6", "testtype": "stdin"}]))))
SHAPES: list[tuple[Problem, str, str]] = [
    # a problem, a program that passes, and one that does not
    (shaped("6"), "print(6)", "print(5)"),
    (shaped("1.5\nYes"), "print('1.5000000001\\n Yes ')", "print('1.6\\nYes')"),
    (shaped('{"inputs": ["3"], "outputs": ["6"]}'), "print(int(input()) * 2)", "print(5)"),
    (
        shaped(input_output={"inputs": [["3", "4"]], "outputs": [["7"]]}),
        "print(int(input()) + int(input()))",
        "print(8)",
    ),
    (
        shaped(input_output='{"fn_name": "f", "inputs": [["a", 2]], "outputs": [["aa"]]}'),
        "f = lambda a, n: a * n",
        "f = len",
    ),
    (
        shaped(input_output='{"fn_name": "f", "inputs": [[[1, 2]]], "outputs": [[2, 1]]}'),
        "f = lambda x: tuple(reversed(x))",
        "f = lambda x: x",
    ),
    (
        shaped(tests=[{"input": "3\n", "output": "6\n", "type": "stdin_stdout", "testtype": "stdin"}]),
        "print(6)",
        "print(7)",
    ),
    (shaped(tests='[{"input": "3", "output": "6"}]', test_list=None, test=""), "print(6)", "print(7)"),
    (
        shaped(
            tests=[{"input": "[1, 2]\n3", "output": "[4, 5]", "testtype": "functional", "metadata": {"func_name": "g"}}]
        ),
        "class Solution:\n    def g(self, x, n):\n        return [i + n for i in x]",
        "g = lambda x, n: x",
    ),
    (
        shaped(
            public_test_cases='[{"input": "2", "output": "4", "testtype": "stdin"}]',
            private_test_cases=PACKED.decode(),
            metadata="{}",
        ),
        "print(int(input()) * 2)",
        "print(4)",
    ),
    (
        shaped(
            public_test_cases='[{"input": "2", "output": "4.0", "testtype": "functional"}]',
            metadata='{"func_name": "f"}',
        ),
        "f = lambda x: 2.0 * x + 1e-9",
        "f = lambda x: True",
    ),
    (
        shaped(test_list=["assert f(2) == [2, 2]", "assert math.isclose(g(4), 2)"], test_setup_code=""),
        "from math import sqrt as g\nf = lambda n: [n] * n",
        "f = lambda n: [n] * n\ng = int",
    ),
    (
        shaped(
            test_list=["assert h(Fraction(1, 2), {1, 2}, b'x') == (Fraction(3, 2), {2}, None)"],
            test_imports=["from fractions import Fraction"],
        ),
        "def h(q, s, b):\n    s.remove(1)\n    return q + 1, s, None",
        "h = lambda *a: a",
    ),
    (
        shaped(test_list=["try:\n    f(0)\n    assert False\nexcept ZeroDivisionError:\n    pass"]),
        "f = lambda x: 1 / x",
        "f = int",
    ),
    (shaped(test_list=["assert list(f(3)) == [0, 1, 2] and f(2) != f(3)"]), "f = lambda n: iter(range(n))", "f = list"),
    (
        shaped(test_list=["assert 10**30 == f(10**15) and f(True) is True"]),
        "f = lambda x: x * x if x is not True else x",
        "f = lambda x: 1e30",
    ),
    (
        shaped(
            test="METADATA = {}\n\ndef check(candidate):\n    for i in range(5):\n"
            "        assert candidate(i) == i * i, i\n"
            "    assert helper(1)",
            entry_point="square",
        ),
        "helper = bool\ndef square(x): return x * x",
        "def square(x): return x",
    ),
    (
        shaped(test_list=["a = [1, 2]\nf(a)\nassert a == [2, 4]"]),  # changed in place, if nothing is returned
        "def f(items):\n    items[:] = [2 * i for i in items]",
        "def f(items):\n    items[:] = [2 * i for i in items]\n    return items",
    ),
    (
        shaped(test_list=["a = [2, 1]\nassert f(a) == sorted(a)"]),
        "f = sorted",
        "def f(items):\n    items.clear()\n    return items",
    ),
]


@sandbox
@pytest.mark.parametrize(("problem", "passes", "fails"), SHAPES)
def test_shapes(problem: Problem, passes: str, fails: str) -> None:
    good, bad = judge(problem, passes, fails, **TIGHT | {"wall_seconds": 30})
    assert (good.outcome, good.reason) == ("correct", "")
    assert bad.outcome == "incorrect", bad


MALFORMED: list[tuple[Problem, str]] = [
    (
        shaped(),
        "it has no tests: expected one of input_output, tests, public_test_cases, test_list, test, the gold answer",
    ),
    (shaped(tests="[]"), "it has no tests: the list is empty"),
    (
        shaped(tests="{"),
        "tests is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
    ),
    (shaped(tests=[["1"]]), "test 1: expected an input and an output, got ['1']"),
    (shaped(tests=[["1", "1"], ["2", 4]]), "test 2: expected texts as input and output, got ('2', 4)"),
    (shaped(tests=[{"input": "1"}]), "test 1: expected an input and an output, got {'input': '1'}"),
    (shaped(input_output={"inputs": ["1"]}), "input_output: outputs: expected a list, got None"),
    (shaped(input_output={"inputs": ["1"], "outputs": []}), "input_output has 1 inputs and 0 outputs"),
    (
        shaped(input_output={"fn_name": "f", "inputs": ["1"], "outputs": ["1"]}),
        "test 1: expected a list of arguments, got '1'",
    ),
    (
        shaped(tests=[{"input": "1", "output": "1", "testtype": "functional"}]),
        "its tests call a function, and metadata has no func_name",
    ),
    (
        shaped(tests=[{"input": "x", "output": "1", "testtype": "functional"}], fn_name="f"),
        "test 1: expected JSON, got 'x'",
    ),
    (shaped(private_test_cases="rubbish"), "private_test_cases is neither JSON nor packed as LiveCodeBench's: "),
    (
        shaped(private_test_cases=base64.b64encode(zlib.compress(pickle.dumps(print))).decode()),
        "private_test_cases is neither JSON nor packed as LiveCodeBench's: "
        "it holds builtins.print, and only texts are allowed",
    ),
    (shaped(test_list="assert f(1)"), "test_list: expected a list, got 'assert f(1)'"),
    (shaped(test_list=["f(1) == 1"]), "test 1: expected an assert, got 'f(1) == 1'"),
    (shaped(test_list=["assert ("]), "test 1 is not Python: '(' was never closed"),
    (shaped(test_list=["assert f(1)"], test_setup_code="import"), "test_setup_code is not Python: "),
    (
        shaped(test_list=["assert f(1)"], test_setup_code="import math\nfrom numpy.linalg import norm"),
        "test_setup_code: expected modules of the standard library only, got 'numpy.linalg'",
    ),
    (
        shaped(test_list=["assert f(1)", "import os.path, torch\nassert f(1)"]),
        "test 2: expected modules of the standard library only, got 'torch'",
    ),
    (shaped(test="assert f(1)", entry_point="f"), "test: expected a function check(candidate)"),
    (shaped(test="def chk(c): assert c(1)", entry_point="f"), "test: expected a function check(candidate)"),
    (
        shaped(test="def check(candidate): assert 1", entry_point="1rev"),
        "test and entry_point: expected Python with a function check(candidate), and a function's name",
    ),
    (
        shaped(answer="def f(x):\n    return 2 * x"),
        "it has no tests, and its gold answer is a program: expected one of input_output, tests, public_test_cases, "
        "test_list, test",
    ),
    (
        shaped(test="def check(candidate): assert 1"),
        "test and entry_point: expected Python with a function check(candidate), and a function's name",
    ),
]


@pytest.mark.parametrize(("problem", "why"), MALFORMED)
def test_malformed_tests_are_unscored(problem: Problem, why: str) -> None:
    (verdict,) = judge(problem, "print(1)")
    assert verdict.outcome == "unscored"
    assert verdict.reason.startswith(f"malformed tests: {why}"), verdict.reason


@sandbox
def test_a_failed_assert_says_what_the_program_gave() -> None:
    tests = ["assert f(1, [2]) == 4", "for i in (1, 2):\n    assert f(i, []) < i", "assert f(1, [2]) == 4, 'no four'"]
    problem = shaped(test_list=tests)
    first, second, third = judge(
        problem, "def f(a, b): return a + sum(b)", "def f(a, b): return 4 if b else 2 - a", "def f(a, b): return [a]"
    )
    assert first.reason == "test 1 of 3: assert f(1, [2]) == 4 (f(1, [2]) gave 3)"
    assert second.reason == "test 2 of 3: assert f(i, []) < i (f(1, []) gave 1)"
    assert third.reason == "test 1 of 3: assert f(1, [2]) == 4 (f(1, [2]) gave [1])"
    (told,) = judge(shaped(test_list=tests[2:]), "def f(a, b): return 5")
    assert told.reason == "test 1 of 1: assert f(1, [2]) == 4, 'no four' no four"


@sandbox
@pytest.mark.parametrize(
    ("problem", "why"),
    [
        (
            shaped(test_list=["assert f(print)"]),
            "test 1 of 1 is malformed: f is called with something that is no plain data",
        ),
        (
            shaped(test_list=["assert f.name"]),
            "test 1 of 1 is malformed: it uses 'name' of 'f'; tests may only call the program's functions",
        ),
        (
            shaped(test_list=["assert f(1)"], test_setup_code="x = 1 / 0"),
            "test 1 of 1 is malformed: its setup fails: ZeroDivisionError: division by zero",
        ),
        (shaped(test_list=["while True: x = 1\nassert f(1)"]), "the tests ended early, with exit status 137"),
    ],
)
def test_tests_that_cannot_be_run_are_unscored(problem: Problem, why: str) -> None:
    (verdict,) = judge(problem, "f = abs", **TIGHT | {"wall_seconds": 60})
    assert (verdict.outcome, verdict.reason) == ("unscored", why)


@pytest.mark.parametrize(
    ("response", "program"),
    [
        ("```python\n1\n```", "1\n"),
        ("<think>```python\n1\n```</think>no", None),
        ("<think></think>```python\n1\n```\nso\n```py\n2\n```\n", "2\n"),
        ("```python\n1\n```\nIt prints\n```\n5\n```", "1\n"),
        ("```text\nfoo\n```\n```Python\n1\n```", "1\n"),
        ("```\n1\n```\n```cpp\n2\n```", "1\n"),
        ("  ```python3\n  1\n  ```", "  1\n"),
        ("````python\n```\n1\n````", "```\n1\n"),
        ("```python\n1\n```\n```python\n2", "1\n"),
        ("```python\n1", None),
        ("print(1)", None),
        ("```cpp\n1\n```", None),
        ("```python\n```", ""),
    ],
)
def test_which_part_is_the_program(response: str, program: str | None) -> None:
    assert program_of(response) == program


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


@sandbox
def test_options() -> None:
    some = shaped(tests=[["1", "1"], ["2", "2"], ["3", "4"], ["4", "4"]])
    for options, rung, outcome in (
        ({}, "2 of 4 tests", "incorrect"),
        ({"stop_early": False}, "3 of 4 tests", "incorrect"),
        ({"max_tests": 2}, "2 of 2 tests", "correct"),
    ):
        (verdict,) = judge(some, "print(input())", **options)
        assert (verdict.rung, verdict.outcome) == (rung, outcome)
        if outcome == "incorrect":
            assert verdict.reason == "test 3 of 4: printed '3', expected '4'"
    assert judge(shaped("0.333"), "print(1 / 3)", tolerance=0.001)[0].outcome == "correct"
    assert judge(shaped("0.5"), "print('0.50')", tolerance=0)[0].outcome == "incorrect"
    assert asyncio.run(Code(kinds=("python",)).verify(RUNS, [])) is None
    (verdict,) = asyncio.run(Code().verify(RUNS, [make_rollout("4")])) or []
    assert (verdict.outcome, verdict.reason) == ("incorrect", "no ```python block after the thinking")


@sandbox
def test_fractions_in_a_run(run_with: Runner) -> None:
    """The share of tests passed is a measure, which the reward `tests_passed` pays."""

    def respond(prompt: str, index: int) -> str:
        return (block("print(2 * int(input()))"), block("print(4)"), "no program", block("print(5)"))[index]

    done = run_with(Code(stop_early=False), TestsPassed(), problems=[RUNS], respond=respond, steps=1)
    assert [v.outcome for v in done.groups[0].verdicts] == ["correct", "incorrect", "incorrect", "incorrect"]
    assert [r.terms["tests_passed"] for r in done.groups[0].rewards] == [1.0, 0.5, 0.0, 0.0]


@sandbox
def test_preflight_names_malformed_tests(run_with: Runner) -> None:
    bad = [make_problem("?", None, id=f"p{i}", kind="code", meta={"tests": [["1"]]}) for i in range(3)]
    said = (
        r"\[data\.train\] problem 'p0': test 1: expected an input and an output, got \['1'\] \(and 2 more\); "
        "mend the data, or leave the row out"
    )
    with pytest.raises(PluginError, match=said):
        run_with(Code(), problems=[RUNS, *bad], respond=lambda prompt, i: "")


def test_without_a_sandbox_it_refuses(
    run_with: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    trouble.cache_clear()
    said = f"code: bwrap is not installed: {INSTALL}; or set [plugins.code] unsafe = true"
    with pytest.raises(PluginError, match=re.escape(said)):
        judge(RUNS, "print(4)")
    with pytest.raises(PluginError, match=re.escape(said)):
        run_with(Code(), problems=[RUNS], respond=lambda prompt, i: "")
    right, wrong = judge(RUNS, "print(2 * int(input()))", "print(4)", unsafe=True)
    assert (right.outcome, wrong.outcome) == ("correct", "incorrect")
    right, wrong = judge(CALLS, "double = lambda x: x + x", "double = abs", unsafe=True)
    assert (right.outcome, wrong.outcome) == ("correct", "incorrect")
    run_with(Code(unsafe=True), problems=[RUNS], respond=lambda prompt, i: "")
    assert "code: unsafe = true, so programs run without a sandbox and can do whatever you can" in caplog.messages
    monkeypatch.undo()
    trouble.cache_clear()


@sandbox
def test_no_process_is_unscored(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*arguments: object, **options: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("asyncio.create_subprocess_exec", refused)
    for problem in (RUNS, CALLS):
        (verdict,) = judge(problem, "print(4)")
        why = "the program could not be run: [Errno 11] Resource temporarily unavailable"
        assert (verdict.outcome, verdict.reason) == ("unscored", why)


@sandbox
@pytest.mark.slow
def test_the_battery() -> None:
    check_verifier(Code, [(RUNS, block("print(2 * int(input()))"), "correct"), (RUNS, block("print(4)"), "incorrect")])


plain = (
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text()
        | st.binary()
        | st.fractions()
        | st.complex_numbers(allow_nan=False)
        | st.decimals(allow_nan=False),
        lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(), inner),
        max_leaves=20,
    )
    | st.sets(st.integers() | st.text())
    | st.frozensets(st.integers())
)


@settings(max_examples=50)
@given(plain)
def test_plain_data_arrives_as_it_was(value: Any) -> None:
    arrived = wire.decode(json.loads(wire.dump(wire.encode(value))))
    assert arrived == value
    assert type(arrived) is type(value)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from("oiblpvdtszg"), x),
    )
)
def test_a_forged_message_is_an_error_or_plain_data(message: Any) -> None:
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
        wire.decode(message)
