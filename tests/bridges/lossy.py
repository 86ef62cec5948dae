"""The strict verifier, which cannot grade responses that say so: unscored ones beside scored ones, in one group."""

from __future__ import annotations

from collections.abc import Sequence

from justtinker_core import Problem, Rollout, Verdict, hookimpl, plugin
from justtinker_plugins.verifiers.math_verify import MathVerify

LOST = "[the worker was lost]"


@plugin
class Lossy(MathVerify):
    """`math_verify`, but for what says `LOST`."""

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """Judge the rest."""
        verdicts = super().verify(problem, rollouts)
        return verdicts and [
            Verdict("unscored", rung="worker", reason="lost") if LOST in rollout.text else verdict
            for rollout, verdict in zip(rollouts, verdicts, strict=True)
        ]
