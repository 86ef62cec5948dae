"""A verifier that dies, waits or says where it is, as the response tells it to."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from justtinker_core import Group, Problem, Rollout, Verdict, hookimpl, plugin


@plugin
class Obedient:
    """Right is what equals the answer; the text may begin with ``die``, ``die once FILE``, ``sleep S``, ``burn N``."""

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict]:
        """Obey, then compare the last word."""
        return [self.verdict(problem, rollout.text.split()) for rollout in rollouts]

    @hookimpl
    def measure(self, group: Group) -> Mapping[str, Sequence[float]]:
        """The process."""
        return {"pid": [float(os.getpid())] * len(group.rollouts)}

    @hookimpl
    def score(self, group: Group) -> Mapping[str, Sequence[float]]:
        """1 for right."""
        return {"right": [float(v.outcome == "correct") for v in group.verdicts]}

    def verdict(self, problem: Problem, words: list[str]) -> Verdict:
        """Obey."""
        if words[0] == "die" and (words[1] != "once" or not Path(words[2]).exists()):
            if words[1] == "once":
                Path(words[2]).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if words[0] == "sleep":
            time.sleep(float(words[1]))
        if words[0] == "touch":
            Path(words[1]).touch()
        if words[0] == "burn":
            sum(i * i for i in range(int(words[1])))
        if words[0] == "fail":
            raise ValueError("told to fail")
        return Verdict("correct" if words[-1] == problem.answer else "incorrect", words[-1])
