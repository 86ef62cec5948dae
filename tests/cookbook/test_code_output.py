from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import PluginError, Verdict
from justtinker_core.testing import Runner, check_verifier, make_problem, make_rollout
from justtinker_plugins.shared.sandbox.commands import INSTALL, trouble
from tests.cookbook.conftest import recipe
from tests.plugins.sandbox import needs_sandbox

CodeOutput = recipe("code_output:CodeOutput")
DOUBLE = make_problem("Double it.", None, kind="code", meta={"tests": [["2", "4"], ["21", "42"]]})


def block(program: str) -> str:
    return f"<think>hm</think>\n```python\n{program}\n```"


def judged(response: str, problem: Any = DOUBLE, **options: Any) -> Verdict:
    (verdict,) = asyncio.run(CodeOutput(**options).verify(problem, [make_rollout(response)]))
    return verdict


@needs_sandbox
@pytest.mark.slow
def test_the_battery() -> None:
    cases = [(DOUBLE, block("print(2 * int(input()))"), "correct"), (DOUBLE, block("print(4)"), "incorrect")]
    check_verifier(CodeOutput, cases)


@needs_sandbox
def test_blanks_do_not_matter_and_the_last_block_counts() -> None:
    assert judged(block("print(5)") + block("print('', 2 * int(input()), '\\n')")).outcome == "correct"
    words = make_problem("", None, kind="code", meta={"tests": [["", "a b"]]})
    assert judged(block("print('ab')"), words).outcome == "incorrect"
    assert judged("<think>```python\n4\n```</think> no").reason == "no ```python block after the thinking"
    assert asyncio.run(CodeOutput().verify(make_problem(), [])) is None


@needs_sandbox
@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("print(4)", "printed '4\\n'"),
        ("print(input() + input())", "EOFError: EOF when reading a line\n"),
        ("while True: pass", "cpu"),
        ("import time\ntime.sleep(60)", "wall"),
        ("x = 'a' * 10**10", "MemoryError\n"),
        ("while True: print('a' * 1000)", "output"),
        ("raise SystemExit(125)", "printed ''"),
        ("import os\nos.fork()", "PermissionError: [Errno 1] Operation not permitted\n"),
    ],
)
def test_what_a_program_can_cause_is_incorrect(program: str, reason: str) -> None:
    verdict = judged(block(program), cpu_seconds=1, wall_seconds=1 if "sleep" in program else 60)
    assert (verdict.outcome, verdict.rung) == ("incorrect", "run")
    assert verdict.reason.endswith(reason)


def test_no_tests_are_unscored() -> None:
    for meta in (
        {},
        {"tests": "4"},
        {"tests": [["a"]]},
        {"tests": []},
        {"tests": [[2, 4]]},
        {"tests": [["", "4"], None]},
    ):
        verdict = judged(block("print(4)"), make_problem("", "4", kind="code", meta=meta))
        assert (verdict.outcome, verdict.reason) == ("unscored", "no tests, or not pairs of texts")


def test_no_sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run_with: Runner) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    trouble.cache_clear()
    verdict = judged(block("print(4)"))
    assert (verdict.outcome, verdict.reason) == ("unscored", f"bwrap is not installed: {INSTALL}")
    with pytest.raises(PluginError, match="code_output: bwrap is not installed"):
        run_with(CodeOutput(), problems=[DOUBLE], respond=lambda prompt, index: "")
    monkeypatch.undo()
    trouble.cache_clear()


@needs_sandbox
def test_in_a_run(run_with: Runner) -> None:
    def respond(prompt: str, index: int) -> str:
        return block("print(2 * int(input()))" if index % 2 else "print(4)")

    done = run_with(CodeOutput(), problems=[DOUBLE], respond=respond, steps=1)
    assert [v.outcome for v in done.groups[0].verdicts] == ["incorrect", "correct"] * 2
    assert done.steps[0].metrics["accuracy"] == 0.5
