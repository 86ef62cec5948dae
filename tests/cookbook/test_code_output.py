from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from justtinker_core import Verdict
from justtinker_core.testing import Runner, check_verifier, make_problem, make_rollout
from tests.cookbook.conftest import recipe

CodeOutput = recipe("code_output:CodeOutput")
DOUBLE = make_problem("Double it.", None, kind="code", meta={"tests": [["2", "4"], ["21", "42"]]})


def block(program: str) -> str:
    return f"<think>hm</think>\n```python\n{program}\n```"


def judged(program: str, problem: Any = None, **options: Any) -> Verdict:
    problem = problem or make_problem("Say 4.", "4", kind="code")
    (verdict,) = CodeOutput(**options).verify(problem, [make_rollout(block(program))])
    return verdict


CASES = [
    (DOUBLE, block("print(2 * int(input()))"), "correct"),
    (DOUBLE, block("print(4)"), "incorrect"),
]


@pytest.mark.slow
def test_the_battery() -> None:
    """Some thousand programs, most of them from several threads at a time."""
    check_verifier(CodeOutput, CASES)


def test_programs_only_after_the_thinking_and_blanks_do_not_matter() -> None:
    assert judged("print('a ')\nprint('b')\nprint()", make_problem("", "a\nb\n", kind="code")).outcome == "correct"
    assert judged("print('ab')", make_problem("", "a b", kind="code")).outcome == "incorrect"
    thought = make_rollout("<think>```python\nprint(4)\n```</think> no")
    (verdict,) = CodeOutput().verify(make_problem("", "4", kind="code"), [thought])
    assert verdict.reason == "no ```python block after the thinking"
    assert CodeOutput().verify(make_problem(), [thought]) is None


def test_the_last_block_counts_and_each_test_must_agree() -> None:
    twice = block("print(5)") + block("print(4)")
    (verdict,) = CodeOutput().verify(make_problem("", "4", kind="code"), [make_rollout(twice)])
    assert (verdict.outcome, verdict.answer) == ("correct", "print(4)\n")
    wrong = judged("print(input() + input())", DOUBLE)
    assert (wrong.outcome, wrong.reason) == ("incorrect", "ended with code 1")
    assert judged("print(4)", DOUBLE).reason == "printed '4\\n'"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("while True: pass", "ended with code -24"),  # SIGXCPU
        ("import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass", "ended with code -9"),
        ("import time\ntime.sleep(60)", "not done after 2 s"),
        ("x = 'a' * 10**10", "ended with code 1"),
        ("while True: print('a' * 1000)", "ended with code"),
        ("print(4)\nimport os\nos.kill(os.getpid(), 9)", "ended with code -9"),
        ("print(4)\nraise SystemExit(125)", "ended with code 125"),
        ("(", "ended with code 1"),
        ("\x00", "ended with code 1"),
        ("print('\ud800')", "ended with code 1"),
    ],
)
def test_what_a_program_can_cause_is_incorrect(program: str, reason: str) -> None:
    begun = time.monotonic()
    wall = 2 if "sleep" in program else 30
    verdict = judged(program, cpu_seconds=1, wall_seconds=wall, memory_mb=200)
    assert (verdict.outcome, verdict.rung) == ("incorrect", "run")
    assert verdict.reason.startswith(reason)
    assert time.monotonic() - begun < 25


def test_what_it_cannot_cause_is_unscored() -> None:
    verdict = judged("print(4)", python=("/nowhere/python",))
    assert verdict.outcome == "incorrect"  # a missing command looks like a program that fails ...
    complaint = ["code_output cannot run programs here: ended with code 1"]
    assert CodeOutput(python=("/nowhere/python",)).preflight() == complaint  # ... so preflight tries it
    assert CodeOutput().preflight() == []
    for meta in ({"tests": "4"}, {"tests": [["a"]]}, {"tests": []}, {"tests": [[2, 4]]}, {"tests": [["", "4"], None]}):
        assert judged("print(4)", make_problem("", None, kind="code", meta=meta)).outcome == "unscored"


def test_no_process_is_unscored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    verdict = judged("print(4)")
    assert verdict.outcome == "unscored"
    assert verdict.reason.startswith("the program could not be run: [Errno 2]")


def test_children_die_with_the_program(tmp_path: Path) -> None:
    sign = tmp_path / "alive"
    child = f"import time; time.sleep(0.5); open({str(sign)!r}, 'w')"
    program = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {child!r}])\nprint(4)"
    assert judged(program).outcome == "correct"
    time.sleep(1.2)
    assert not sign.exists()


def test_it_sees_neither_environment_nor_our_files_by_accident(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TINKER_API_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("print('mine')")
    program = "import os, sys\nprint(sorted(os.environ))\nprint(os.listdir(), sys.flags.isolated)"
    seen = make_problem("", "['LANG', 'PATH']\n['input', 'program.py'] 1", kind="code")
    verdict = judged(
        program.replace("sorted(os.environ)", "sorted({'LANG', 'PATH', *os.environ} - {'LC_CTYPE'})"), seen
    )
    assert verdict.outcome == "correct", verdict.reason
    assert judged("import mine").reason == "ended with code 1"


def test_from_many_threads_at_a_time() -> None:
    """Each program's output reaches its own verdict, and nothing is left: no child, no open file."""
    plugin, before, files = CodeOutput(), children(), len(os.listdir("/proc/self/fd"))

    def one(n: int) -> str:
        program = "import time\ntime.sleep(60)" if n % 8 == 7 else f"print({n})"
        rollouts = [make_rollout(block(program)), make_rollout(block("print('x')"))]
        return " ".join(v.outcome for v in plugin.verify(make_problem("", str(n), kind="code"), rollouts))

    plugin.wall_seconds = 2
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(24)))
    assert found == ["incorrect incorrect" if n % 8 == 7 else "correct incorrect" for n in range(24)]
    assert children() <= before
    assert len(os.listdir("/proc/self/fd")) <= files


def children() -> set[str]:
    """This process's children, those included that ended and were not waited for."""
    found = (Path(f"/proc/self/task/{task}/children").read_text() for task in os.listdir("/proc/self/task"))
    return {pid for text in found for pid in text.split()}


def test_in_a_run(run_with: Runner) -> None:
    def respond(prompt: str, index: int) -> str:
        return block("print(2 * int(input()))" if index % 2 else "print(4)")

    done = run_with(CodeOutput(), problems=[DOUBLE], respond=respond, steps=1)
    assert [v.outcome for v in done.groups[0].verdicts] == ["incorrect", "correct"] * 2
    assert done.steps[0].metrics["accuracy"] == 0.5
