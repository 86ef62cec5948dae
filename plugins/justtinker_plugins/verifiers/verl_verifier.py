"""The verifier that asks a reward function of verl: a `compute_score` in a package or in a file of yours.

What the function raises or hangs on is unscored, with the reason; it ends neither the run nor the other verdicts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from justtinker_core import Problem, Rollout, Verdict, hookimpl, plugin
from justtinker_plugins.shared.verl import Score, VerlFunction


@plugin
class VerlVerifier(VerlFunction):
    """Calls a response correct if a `compute_score` of verl's form gives it enough; see docs/bridges.md."""

    table: ClassVar[str] = "[plugins.verl_verifier]"
    threshold: float = 1.0
    """The least score of a correct response. The default gives nothing for half a solution."""
    kinds: tuple[str, ...] = ()
    """Kinds of problems that it judges, as in `Problem.kind`; default: all."""

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """Judge each rollout; unscored if the function gives no number, or if the problem has no ground truth."""
        if self.kinds and problem.kind not in self.kinds:
            return None
        truth = self.sample_of(problem)[1]
        if truth is None or truth == "" or (isinstance(truth, str) and not truth.strip()):
            return [Verdict("unscored", None, "gold", "the problem has no ground truth") for _ in rollouts]
        return [self._verdict(score) for score in self.ask(problem, [rollout.response for rollout in rollouts])]

    def _verdict(self, score: Score) -> Verdict:
        if score.value is None:
            return Verdict("unscored", score.pred, "verl", score.reason)
        return Verdict("correct" if score.value >= self.threshold else "incorrect", score.pred, "verl", score.reason)
