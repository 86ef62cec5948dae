"""Group-relative policy optimisation as JustRL does it (arXiv:2512.16649): no KL, no entropy bonus, no critic.

Options turn it into its relatives: docs/algorithms.md has a table. The backend computes the losses:
backends/_local/losses.py for `local`, the Tinker service for `tinker`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from justtinker_core import Batch, Datum, Group, Problem, RunContext, Update, datum_of, hookimpl, plugin
from justtinker_plugins.algorithms._grpo.ahead import Ahead, Started, lag_complaint
from justtinker_plugins.algorithms._grpo.normalising import Normalize, divided, divisor, rows_of
from justtinker_plugins.algorithms._grpo.rounds import keep_mixed
from justtinker_plugins.algorithms._grpo.settings import (
    CLIPS,
    DRO_BETA,
    GSPO_WIDE,
    MAX_ROUNDS,
    conflict,
    loss_complaint,
    loss_config,
)

log = logging.getLogger("justtinker")


@plugin
class Grpo:
    """Sample a group of rollouts for each problem and reinforce those that did better than their group.

    The sampler's log-probabilities are the old policy's. Every response token of a rollout carries its advantage.
    """

    needs: ClassVar[tuple[str, ...]] = ("build_prompt", "verify", "score", "advantages")

    problems_per_step: Annotated[int, Field(ge=1)] = 32
    """Problems in a step, in a new order every epoch."""
    rollouts_per_problem: Annotated[int, Field(ge=2)] = 8
    """Group size G."""
    train_on: Literal["positive", "all"] = "positive"
    """positive: only rollouts with an advantage above 0 (JustRL); all: every rollout whose advantage is not 0."""
    loss: Literal["ppo", "importance_sampling", "cispo", "gspo", "dro"] = "ppo"
    """ppo: -min(r A, clip(r) A), with the ratio r of a token; importance_sampling: -r A; cispo: -clip(r) A logprob,
    with no gradient through clip(r); gspo: ppo with one ratio a response, the geometric mean of its tokens'; dro:
    -(A logprob - dro_beta / 2 (log r)^2)."""
    clip_low: Annotated[float, Field(ge=0, le=1)] | None = None
    """Lower bound of r. With positive advantages, it never binds in ppo and gspo. Default: ppo 0.8, cispo 0, gspo
    0.9997."""
    clip_high: Annotated[float, Field(ge=1)] | None = None
    """Upper bound of r: in ppo and gspo, what is above it gains nothing by becoming still more likely. Default: ppo
    1.28, cispo 4, gspo 1.0004."""
    dual_clip: Annotated[float, Field(gt=1)] | None = None
    """ppo on the backend `local`: where A < 0, the loss is at most -dual_clip A (arXiv:1912.09729); usually 3."""
    dro_beta: Annotated[float, Field(ge=0)] = DRO_BETA
    """Strength of dro's penalty for leaving the policy that sampled."""
    normalize: Normalize = "token_sum"
    """What the loss, a sum over tokens, is divided by: token_sum: nothing; token_mean: the update's tokens (DAPO);
    sequence_mean: each response's tokens, and the rollouts (GRPO); constant: max_tokens, and the rollouts (Dr.
    GRPO)."""
    updates_per_step: Annotated[int, Field(ge=1)] = 1
    """Optimizer steps that share one step's rollouts; its problems are dealt out to them in turn."""
    dynamic_sampling: bool = False
    """Sample more problems in a step until `problems_per_step` groups have right and wrong answers, and train only
    these (DAPO). Metrics are over all groups. `check` estimates the cost of one round."""
    max_rounds: Annotated[int, Field(ge=1)] = MAX_ROUNDS
    """With dynamic_sampling: most rounds of problems_per_step problems in a step."""
    lag: Annotated[int, Field(ge=0)] = 0
    """Sample so many steps ahead, while earlier ones are trained: step n from the weights after step n - 1 - lag. 0:
    sample, then train. A step that follows a checkpoint always has the checkpoint's weights."""

    def __post_init__(self) -> None:
        if found := conflict(self):
            raise ValueError(found)
        low, high = CLIPS.get(self.loss, (None, None))  # filled in here, so that a run's config shows them
        self.clip_low = low if self.clip_low is None else self.clip_low
        self.clip_high = high if self.clip_high is None else self.clip_high
        self._ahead = Ahead(self.lag)

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Complain about a loss that the backend lacks, and about a lag that never acts."""
        found = []
        if why := loss_complaint(run.backend, self.loss, loss_config(self)):
            found.append(f"[plugins.grpo] {why}")
        if self.loss == "gspo" and (self.clip_high or 0.0) > GSPO_WIDE:
            log.warning(
                "[plugins.grpo] loss = 'gspo' with clip_high = %g hardly ever clips, as its ratio is a mean over the "
                "response: leave clip_low and clip_high out for its paper's 0.9997 and 1.0004", self.clip_high,
            )  # fmt: skip
        if complaint := lag_complaint(self.lag, run.config):
            found.append(f"[plugins.grpo] {complaint}")
        return found

    @hookimpl
    def collect_batch(self, step: int, run: RunContext) -> Batch:
        """Sample and credit a step's groups, and choose what to train on."""
        if self.lag:
            started = self._ahead.take(step, run, lambda later: self._start(later, step - 1, run))
            problems, sampled = started.problems, started.groups.result()
            metrics = {"sampler_age": float(step - 1 - started.weights)}
        else:
            problems, metrics = run.draw_problems(step, self.problems_per_step), {}
            sampled = run.rollouts(step, problems, self.rollouts_per_problem)
        groups = list(map(run.credit, sampled))
        if self.dynamic_sampling:
            groups, more = self._sample_on(step, run, list(problems), groups)
            metrics |= more
        return self.batch(groups, run.config.sampling.max_tokens, metrics)

    def _start(self, step: int, weights: int, run: RunContext) -> Started:
        """Ask for the rollouts of a step."""
        problems = run.draw_problems(step, self.problems_per_step)
        return Started(problems, run.start_rollouts(step, problems, self.rollouts_per_problem), weights)

    def _sample_on(
        self, step: int, run: RunContext, drawn: list[Problem], groups: list[Group]
    ) -> tuple[list[Group], dict[str, float]]:
        """Sample more rounds until enough groups are mixed; keep these alone for training."""
        wanted, rounds = self.problems_per_step, 1
        chosen, kept = keep_mixed(groups, wanted)
        while kept < wanted and rounds < self.max_rounds:
            problems = run.draw_problems(step, wanted, drawn)
            drawn, rounds = [*drawn, *problems], rounds + 1
            groups += map(run.credit, run.rollouts(step, problems, self.rollouts_per_problem))
            chosen, kept = keep_mixed(groups, wanted)
        return chosen, {"sampling_rounds": float(rounds), "groups_wanting": float(wanted - kept)}

    def batch(self, groups: Sequence[Group], max_tokens: int, metrics: Mapping[str, float]) -> Batch:
        """A batch of credited groups, with the updates that train on them."""
        dealt = [group for group in groups if group.kept] if self.dynamic_sampling else groups
        shares = [self.data(dealt[k :: self.updates_per_step], max_tokens) for k in range(self.updates_per_step)]
        updates = tuple(Update(share, self.loss, loss_config(self)) for share in shares if share)
        return Batch(tuple(groups), updates, sum(map(len, shares)), {**entropy_of(groups), **metrics})

    @hookimpl
    def expect_tokens(self, run: RunContext, response: float) -> dict[str, float]:
        """Tokens of a step. With `positive`, it assumes that half of the rollouts are trained, more than usual."""
        some = run.draw(1, min(32, len(run.train_problems)), run.train_problems)
        prompt = sum(len(run.prompt(problem).tokens) for problem in some) / len(some)
        rollouts = self.problems_per_step * self.rollouts_per_problem
        return {
            "prefill": self.problems_per_step * prompt,
            "cached_prefill": (rollouts - self.problems_per_step) * prompt,
            "sampled": rollouts * response,
            "trained": rollouts * (prompt + response) * (0.5 if self.train_on == "positive" else 1.0),
        }

    def data(self, groups: Sequence[Group], max_tokens: int) -> tuple[Datum, ...]:
        """A Datum for each rollout that is trained."""
        rows = rows_of(groups)
        most = max_tokens * self.problems_per_step * self.rollouts_per_problem / self.updates_per_step
        by = divisor(self.normalize, [rollout for _, rollout, _ in rows], most)
        return tuple(
            datum_of(group.prompt, rollout, divided(advantage, each))
            for (group, rollout, advantage), each in zip(rows, by, strict=True)
            if self.trains(advantage)
        )

    def trains(self, advantage: float | tuple[float, ...]) -> bool:
        """Whether a rollout with this advantage is trained."""
        values = advantage if isinstance(advantage, tuple) else (advantage,)
        return any(v > 0 for v in values) if self.train_on == "positive" else any(v != 0 for v in values)


def entropy_of(groups: Sequence[Group]) -> dict[str, float]:
    """Estimate the policy's entropy a token, in nats: the mean of -logprob over all tokens that it sampled.

    It is the entropy at temperature 1 if the rollouts were sampled at temperature 1.
    """
    if any("entropy" in g.measures for g in groups):  # a plugin measures it
        return {}
    sampled = [lp for g in groups for r in g.rollouts for lp, wrote in zip(r.logprobs, r.mask, strict=True) if wrote]
    return {"entropy": -float(np.mean(sampled))} if sampled else {}
