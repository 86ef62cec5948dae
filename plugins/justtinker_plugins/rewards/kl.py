"""Penalise leaving the weights that the run began with: the KL penalty of standard GRPO, as a reward term.

For a rollout, with the log-probabilities lp of the policy that sampled it and ref of the reference, which are the run's
first weights (`run.start_from`, or the model itself):

    kl = mean over tokens of lp - ref        KL(policy || ref) on average
    raw = -clip(kl, 0, 1)

GRPO (arXiv:2402.03300) adds beta times the KL to its loss, with beta = 0.04. Here it lowers the reward by `weight`
times as much, as in InstructGPT (arXiv:2203.02155), so it works with every loss, and on every backend that knows the
reference. The reference reads each rollout once: on a service, that is paid as prefill.

No rollout is paid for being less likely than the reference would make it: hence the clip at 0. Close to the reference,
the gradient is therefore half of the KL's, in the same direction; far from it, nearly the whole. (Schulman's k3, right
inside a loss, is no reward: close to the reference its gradient vanishes.)

With ``train_on = "positive"`` of `grpo`, set `only_correct`. Among answers that are all wrong, this term is all that
differs, and some of them would be trained at full strength, as Adam ignores the scale. ``train_on = "all"`` trains
their opposites too.

Evaluations, re-scoring and bridges have no reference; there the term does not apply.
"""

from __future__ import annotations

import logging
from typing import ClassVar

import numpy as np

from justtinker_core import Group, Rollout, RunContext, hookimpl, plugin
from justtinker_plugins.rewards._gate import gated

log = logging.getLogger("justtinker")


@plugin
class Kl:
    """Takes away how far a rollout's tokens are from what the run's first weights would have written."""

    default_weight: ClassVar[float] = 0.04
    reads: ClassVar[tuple[str, ...]] = ("reference",)

    only_correct: bool = False
    """Apply to correct answers only; false: to every rollout."""

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Warn of a term that would train wrong answers."""
        if run.config.plugin_options.get("grpo", {}).get("train_on") == "positive" and not self.only_correct:
            log.warning(
                "[plugins.kl] with train_on = 'positive', it trains wrong answers that are close to the first weights: "
                "set only_correct = true, or train_on = 'all'"
            )
        return []

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """Return `kl`: a number in [-1, 0] for each rollout, None where the reference is not known."""
        return {"kl": gated(group, [penalty(rollout) for rollout in group.rollouts], self.only_correct)}


def penalty(rollout: Rollout) -> float | None:
    """Minus the KL a token, in nats and at most 1; None without the reference's log-probabilities or any token."""
    if not rollout.reference or not any(rollout.mask):
        return None
    wrote = np.array(rollout.mask)
    gap = (np.array(rollout.logprobs) - np.array(rollout.reference))[wrote]
    return 0.0 - float(np.clip(np.mean(gap), 0.0, 1.0))  # not -0.0
