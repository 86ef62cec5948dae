"""The verifier of programs: runs the last Python block of a response against hidden tests, in a sandbox.

A program that fails a test, crashes, hangs or takes too much is incorrect: no policy may choose to be unscored.
Unscored is what a program cannot cause: a malformed test, a sandbox that does not start, a machine without time for it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from justtinker_core import Group, PluginError, Problem, Rollout, RunContext, Verdict, hookimpl, plugin
from justtinker_plugins.shared.parts import rung_of, share_of
from justtinker_plugins.shared.sandbox.commands import Limits, trouble
from justtinker_plugins.shared.unusable import unusable_golds
from justtinker_plugins.verifiers._code.judging import Rules, judged
from justtinker_plugins.verifiers._code.programs import program_of
from justtinker_plugins.verifiers._code.tests import Tests, read_tests

log = logging.getLogger("justtinker")
Count = Annotated[int, Field(ge=1)]


@plugin
class Code:
    """Correct: the program passes all tests. Takes problems of kind "code", and tests in the columns of APPS, TACO,
    LiveCodeBench, DeepCoder, MBPP and HumanEval, or of the gold answer; see docs/code.md.

    Measures ``tests_passed``, the share of the tests that a program passes, which the reward `tests_passed` pays.
    """

    kinds: tuple[str, ...] = ("code",)
    """Kinds of problems that it takes, as in `Problem.kind`."""
    stop_early: bool = True
    """Stop at the first test that fails; ``tests_passed`` then counts those before it. Off: run all tests."""
    max_tests: Annotated[int, Field(ge=0)] = 0
    """Run only so many tests of a problem, the first ones; 0: all."""
    cpu_seconds: Count = 6
    """Processor time for one test; if the tests call functions, for all of them, four times as much at most."""
    wall_seconds: Annotated[float, Field(gt=0)] = 20.0
    """Time on the clock for one test, for programs that wait instead of computing."""
    memory_mb: Annotated[int, Field(ge=32)] = 512
    """Memory of a program."""
    output_kb: Count = 1024
    """The most that a program may print."""
    programs: Annotated[int, Field(ge=0)] = 0
    """How many programs run at once; 0: one for each core."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-6
    """By how much decimal numbers may differ, relatively and absolutely; 0: not at all. Not used for asserts."""
    unsafe: bool = False
    """Run programs without a sandbox, with limits only. They can read your files, send them away, and live on."""

    def __post_init__(self) -> None:
        self._places: asyncio.Semaphore | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_places": None, "_loop": None}  # another process has an event loop of its own

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Complaints: no sandbox on this machine, malformed tests."""
        if self.unsafe:
            log.warning("code: unsafe = true, so programs run without a sandbox and can do whatever you can")
        found = [] if self.unsafe or not (why := trouble()) else [f"code: {why}; or set [plugins.code] unsafe = true"]
        return found + unusable_golds(run, self.kinds, malformed)

    @hookimpl
    async def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """One verdict for each rollout; its reason is the first test that fails. Its rung counts the tests passed.

        Equal programs of a group are run once.
        """
        if problem.kind not in self.kinds:
            return None
        try:
            tests = read_tests(problem)
        except ValueError as error:
            return [Verdict("unscored", reason=f"malformed tests: {error}")] * len(rollouts)
        if not self.unsafe and (why := await asyncio.to_thread(trouble)):
            raise PluginError(f"code: {why}; or set [plugins.code] unsafe = true")
        if self.max_tests:
            tests = Tests(tests.runs[: self.max_tests], tests.calls[: self.max_tests])
        programs = [program_of(rollout.response) for rollout in rollouts]
        different = list(dict.fromkeys(programs))
        verdicts = await asyncio.gather(*(self._judge(program, tests) for program in different))
        return [dict(zip(different, verdicts, strict=True))[program] for program in programs]

    @hookimpl
    def measure(self, group: Group) -> Mapping[str, Sequence[float | None]] | None:
        """The share of the tests that each program passed; 0 if there is no program, None if it was not judged."""
        if group.problem.kind not in self.kinds:
            return None
        return {"tests_passed": [share_of(verdict, "tests") for verdict in group.verdicts]}

    async def _judge(self, program: str | None, tests: Tests) -> Verdict:
        if program is None:
            return Verdict("incorrect", rung="extract", reason="no ```python block after the thinking")
        limits = Limits(self.cpu_seconds, self.wall_seconds, self.memory_mb, self.output_kb)
        rules = Rules(limits, self.stop_early, self.tolerance, self.unsafe)
        async with self._place():
            try:
                result = await judged(program, tests, rules)
            except OSError as error:  # no process, no file descriptor, no memory
                return Verdict("unscored", program, "start", f"the program could not be run: {error}")
        rung = rung_of(result.passed, result.tests, "tests")
        if result.unscored:
            return Verdict("unscored", program, rung, result.reason)
        return Verdict("incorrect" if result.reason else "correct", program, rung, result.reason)

    def _place(self) -> asyncio.Semaphore:
        """Lets only so many programs run at once."""
        loop = asyncio.get_running_loop()
        if self._places is None or self._loop is not loop:
            cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
            self._places, self._loop = asyncio.Semaphore(self.programs or cores), loop
        return self._places


def malformed(problem: Problem) -> str:
    """What is wrong with a problem's tests; '' if nothing is."""
    try:
        read_tests(problem)
    except ValueError as error:
        return str(error)
    return ""
