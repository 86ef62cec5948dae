"""A verifier that runs the program in a response and compares its output.

It judges problems of the kind "code". From what follows the thinking it takes the last fenced block marked python and
runs it once for each pair of input and expected output in ``meta["tests"]``; without tests, once without input, and
the gold answer is the expected output. All outputs must match, except for white space at the ends of lines.

Whatever a program can cause (an error, a time-out, too much memory or output) is incorrect: no policy may choose to be
unscored. Only what a program cannot cause is unscored: no tests, no process, no disk.

What can go wrong. **This is not a sandbox.** Limits, an empty environment and a directory of its own stop accidents:
loops, memory bombs, endless output, printed keys. A determined program can read your files and, through /proc, your
environment, open sockets, fork without end, or leave the process group (``os.setsid``) and live on. Against that, put a
container without network, gVisor, nsjail or a virtual machine around the whole run or, with the option `python`, around
each program. Keep some tests out of the question, or a policy learns to print the expected text. Leave `wall_seconds`
well above `cpu_seconds`, or a program that starves on a crowded machine counts as slow. Linux only.

    [plugins]
    enable = ["code_output", "correct"]

    [plugins.code_output]
    cpu_seconds = 2

    [local_plugins]
    code_output = "code_output.py:CodeOutput"
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from justtinker_core import Problem, Rollout, Verdict, hookimpl, plugin
from justtinker_plugins.text import answer_part

BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
CORES = threading.Semaphore(os.cpu_count() or 1)  # several threads call hooks: run no more programs than cores
Count = Annotated[int, Field(ge=1)]
LIMITED = """
import os, resource, sys
cpu, memory, output, *command = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_CPU, (int(cpu), int(cpu) + 1))
resource.setrlimit(resource.RLIMIT_AS, (int(memory) << 20,) * 2)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(output) << 10,) * 2)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
os.execv(command[0], command)
"""  # a process of its own sets the limits, because preexec_fn may deadlock in a program with threads


@plugin
class CodeOutput:
    """A program is correct if it prints the expected output."""

    cpu_seconds: Count = 2
    """CPU time of one run."""
    wall_seconds: Count = 10
    """Time on the clock, for programs that wait instead of computing."""
    memory_mb: Count = 512
    output_kb: Count = 64
    """Most that a program may print, and the largest file that it may write."""
    python: tuple[str, ...] = (sys.executable, "-I", "-B")
    """The command that runs a program, a wrapper such as nsjail included; the file's name follows."""

    @hookimpl
    def preflight(self) -> list[str]:
        """A complaint if a correct program fails on this machine."""
        verdict = self._judge(["print(input())"], [["42", "42"]])
        return [] if verdict.outcome == "correct" else [f"code_output cannot run programs here: {verdict.reason}"]

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """One verdict a rollout; its reason comes from the first test that fails."""
        if problem.kind != "code":
            return None
        tests = problem.meta.get("tests") or ([["", problem.answer]] if problem.answer is not None else [])
        if not tests or not all(map(is_pair, tests)):
            return [Verdict("unscored", reason="no tests, or not pairs of texts")] * len(rollouts)
        return [self._judge(BLOCK.findall(answer_part(rollout.response) or ""), tests) for rollout in rollouts]

    def _judge(self, blocks: Sequence[str], tests: Sequence[Sequence[str]]) -> Verdict:
        if not blocks:
            return Verdict("incorrect", rung="extract", reason="no ```python block after the thinking")
        for given, expected in tests:
            try:
                with CORES:
                    printed, failure = self._run(blocks[-1], given)
            except OSError as error:
                return Verdict("unscored", blocks[-1], "start", f"the program could not be run: {error}")
            if failure or tidy(printed) != tidy(expected):
                return Verdict("incorrect", blocks[-1], "run", failure or f"printed {printed[:80]!r}")
        return Verdict("correct", blocks[-1], "run")

    def _run(self, program: str, given: str) -> tuple[str, str]:
        """What the program prints, and why it fails, if it does."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            folder = Path(name)
            (folder / "input").write_text(given, encoding="utf-8", errors="backslashreplace")
            (folder / "program.py").write_text(program, encoding="utf-8", errors="backslashreplace")
            limits = map(str, (self.cpu_seconds, self.memory_mb, self.output_kb))
            command = [sys.executable, "-I", "-S", "-c", LIMITED, *limits, *self.python, "program.py"]
            with (folder / "input").open() as stdin, tempfile.TemporaryFile() as stdout:
                process = subprocess.Popen(
                    command, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL, cwd=folder,
                    env={"PATH": os.defpath, "LANG": "C.UTF-8"}, start_new_session=True,
                )  # fmt: skip
                try:
                    ended = ends_in_time(process.pid, self.wall_seconds)
                finally:
                    os.killpg(process.pid, signal.SIGKILL)  # before wait() frees its pid for another process
                    code = process.wait()
                stdout.seek(0)
                printed = stdout.read(self.output_kb << 10).decode(errors="replace")
        if not ended:
            return printed, f"not done after {self.wall_seconds} s"
        return printed, f"ended with code {code}" if code else ""


def ends_in_time(pid: int, seconds: float) -> bool:
    """Whether a child ends in time; its pid stays reserved, so that its group can be killed safely."""
    deadline = time.monotonic() + seconds
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def is_pair(test: object) -> bool:
    """Whether a test is an input and its expected output."""
    return isinstance(test, list | tuple) and [type(text) for text in test] == [str, str]


def tidy(text: str) -> list[str]:
    """The lines, without white space at their ends and without empty lines at the end."""
    return [line.rstrip() for line in text.rstrip().splitlines()]
