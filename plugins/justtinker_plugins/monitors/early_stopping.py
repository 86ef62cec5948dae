"""Stop a run whose evaluations stay well below their best: the recipe's early stop (JustTinker, Ning 2026).

It counts evaluations, not steps. Its finding names the best step, to go back to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field

from justtinker_core import EvalStats, Finding, History, RunContext, StepStats, hookimpl, plugin
from justtinker_core.errors import nearest
from justtinker_plugins.monitors._monitor import Action, Monitor

ROUNDING = 1e-9
"""So that 0.90 - 0.85 is not *more than* 0.05."""


@plugin
class EarlyStopping(Monitor):
    """Stops a run once `patience` evaluations since the best were more than `drop` below it.

    A new best resets the count; an evaluation that is lower by `drop` or less does not change it. Each evaluation is
    judged once, at the first step that sees it, so a run that is resumed after a stop goes on until the next evaluation
    that is too low.
    """

    action: Action = "stop"
    """The most it may do: stop, warn, or stay silent (off)."""
    evaluation: str | None = None
    """The NAME of the ``[data.eval.NAME]`` to follow; by default all of them, separately."""
    metric: str = "accuracy"
    """The metric to follow; greater is better."""
    drop: Annotated[float, Field(ge=0)] = 0.05
    """How far below the best an evaluation may be before it counts."""
    patience: Annotated[int, Field(ge=1)] = 3
    """The number of evaluations that must count before the run stops."""

    @hookimpl
    def preflight(self, run: RunContext) -> Sequence[str]:
        """Complain if there is no evaluation to follow: then it could never stop the run."""
        names = [spec.name for spec in run.config.data if spec.purpose == "eval"]
        if self.action == "off" or self.evaluation in names or (self.evaluation is None and names):
            return []
        if self.evaluation is None:
            return ["[plugins.early_stopping] follows evaluations, but the config has no table [data.eval.NAME]"]
        return [
            f"[plugins.early_stopping] evaluation = {self.evaluation!r}: there is no table "
            f"[data.eval.{self.evaluation}]{nearest(self.evaluation, names)}"
        ]

    def look(self, stats: StepStats, history: History) -> Iterator[Finding]:
        """Report a stop for each set whose newest evaluation, unseen by the step before, is one too many."""
        for name in dict.fromkeys(e.name for e in history.evals if self.evaluation in (None, e.name)):
            evals = [e for e in history.evals if e.name == name and self.metric in e.metrics]
            if evals and self._is_new(history, evals[-1]):
                yield from self._judge(evals, history)

    def lacks(self, history: History) -> str:
        """Say whether there are too few evaluations for a stop."""
        count = sum(self.evaluation in (None, e.name) and self.metric in e.metrics for e in history.evals)
        if count > self.patience:
            return ""
        return f"not enough data: a stop takes at least {self.patience + 1} evaluations, and there are {count}"

    @staticmethod
    def _is_new(history: History, evaluation: EvalStats) -> bool:
        """Whether this is the first step that sees the evaluation."""
        return not history.steps or history.steps[-1].step <= evaluation.seen

    def _judge(self, evals: Sequence[EvalStats], history: History) -> list[Finding]:
        """Report a stop if the last of one set's evaluations, oldest first, is one too many."""
        best, low = evals[0], 0
        for current in evals:
            behind = best.metrics[self.metric] - current.metrics[self.metric]
            if behind < 0:
                best, low = current, 0
            elif behind > self.drop + ROUNDING:
                low += 1
        if low < self.patience or behind <= self.drop + ROUNDING:
            return []
        return [self._stop(best, current, low, history)]

    def _stop(self, best: EvalStats, current: EvalStats, low: int, history: History) -> Finding:
        high, value = best.metrics[self.metric], current.metrics[self.metric]
        saved = best.step in history.checkpoints
        return Finding(
            "stop",
            f"{current.name} stays below its best: {self.metric} is {value:.4g} at step {current.step}, the best was "
            f"{high:.4g} at step {best.step}; more than {self.drop:g} below it in {low} evaluations since; "
            f"the best checkpoint is that of step {best.step}{'' if saved else ', if it was saved'}",
            {
                "evaluation": current.name,
                "metric": self.metric,
                "best": high,
                "best_step": best.step,
                "value": value,
                "step": current.step,
                "low_evaluations": low,
                "best_checkpoint": best.step if saved else None,
            },
        )
