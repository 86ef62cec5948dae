"""A verifier that runs the program in a response and compares its output by a rule of your own.

It judges problems of the kind "code" whose `meta["tests"]` are pairs of input and expected output. The last block
marked python after the thinking is run in bubblewrap once for each pair. What it prints must be the expected text, word
for word; white space does not matter. Put your own rule into `agree`: a tolerance, a checker of paths or permutations.

Use the bundled verifier `code` if this rule or that of a test suite is yours; this recipe is the start of another one.

Whatever a program can cause (an error, a time-out, too much memory or output) is incorrect: no policy may choose to be
unscored. Only what a program cannot cause is unscored: no tests, no process, a sandbox that does not start.

What can go wrong. Without bubblewrap no run begins; docs/code.md says how to install it, and what it holds. The input
is not secret: keep some tests out of the question, or a policy learns to print the expected text. Leave `wall_seconds`
well above `cpu_seconds`, or a program that waits for a crowded machine counts as slow.

    [plugins]
    enable = ["code_output", "correct"]

    [plugins.code_output]
    cpu_seconds = 2

    [local_plugins]
    code_output = "code_output.py:CodeOutput"
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from justtinker_core import Problem, Rollout, Verdict, hookimpl, plugin
from justtinker_plugins.shared.sandbox.commands import Limits, trouble
from justtinker_plugins.shared.sandbox.running import run
from justtinker_plugins.text import answer_part

BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
Count = Annotated[int, Field(ge=1)]


@plugin
class CodeOutput:
    """A program is correct if it prints the expected output."""

    concurrency: ClassVar[int] = os.cpu_count() or 1  # so many groups are judged at once
    cpu_seconds: Count = 2
    """CPU time of one run."""
    wall_seconds: Count = 10
    """Time on the clock, for programs that wait instead of computing."""

    @hookimpl
    def preflight(self) -> list[str]:
        """A complaint if there is no sandbox on this machine."""
        return [f"code_output: {why}"] if (why := trouble()) else []

    @hookimpl
    async def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """One verdict a rollout; its reason comes from the first test that fails."""
        if problem.kind != "code":
            return None
        tests = problem.meta.get("tests")
        if not tests or not all(map(is_pair, tests)):
            return [Verdict("unscored", reason="no tests, or not pairs of texts")] * len(rollouts)
        if why := await asyncio.to_thread(trouble):
            return [Verdict("unscored", reason=why)] * len(rollouts)
        return [await self._judge(rollout.response, tests) for rollout in rollouts]

    async def _judge(self, response: str, tests: Sequence[Sequence[str]]) -> Verdict:
        blocks = BLOCK.findall(answer_part(response) or "")
        if not blocks:
            return Verdict("incorrect", rung="extract", reason="no ```python block after the thinking")
        for given, expected in tests:
            try:
                ended = await run(blocks[-1], given, Limits(self.cpu_seconds, self.wall_seconds))
            except OSError as error:
                return Verdict("unscored", blocks[-1], "start", f"the program could not be run: {error}")
            if ended.why in ("busy", "start"):
                return Verdict("unscored", blocks[-1], ended.why, ended.errors[-200:])
            if ended.why or ended.code or not agree(ended.output, expected):
                reason = ended.why or ended.errors[-200:] or f"printed {ended.output[:80]!r}"
                return Verdict("incorrect", blocks[-1], "run", reason)
        return Verdict("correct", blocks[-1], "run")


def agree(printed: str, expected: str) -> bool:
    """Whether a program has printed what is expected."""
    return printed.split() == expected.split()


def is_pair(test: object) -> bool:
    """Whether a test is an input and its expected output."""
    return isinstance(test, list | tuple) and [type(text) for text in test] == [str, str]
