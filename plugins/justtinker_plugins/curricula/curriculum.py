"""Draw the problems that are solved half of the time more often than those that are always or never solved.

A group whose rollouts are all right or all wrong has nothing to teach. The variance of a binary outcome, p (1 - p), is
the weight of a problem with pass rate p, as in "Learning to Reason at the Frontier of Learnability" (arXiv:2502.12272):

    p = (1/2 + correct) / (1 + graded)
    probability = explore / N + (1 - explore) p (1 - p) / sum of p (1 - p)

A problem that was never drawn has p = 1/2, so it is worth a try. (The prior is Beta(1/2, 1/2), since most problems are
nearly always or nearly never solved.)

It helps where many problems are too easy or too hard for the model, and are drawn several times. With fewer than one
epoch, estimate by a key of the problems' metadata (`by`), such as a level. Rates begin anew in each run.

The draw depends on the run's records and seed alone, so a resumed run draws what the first one would have drawn. An
algorithm must ask for its problems with `run.draw_problems`; `sft` has an order of its own.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from justtinker_core import Group, Problem, RunContext, StepStats, hookimpl, plugin
from justtinker_core.errors import nearest

log = logging.getLogger("justtinker")

STREAM = 0xC0DE
"""Keeps this plugin's random numbers apart from others that begin with seed and step."""


class Outcomes(NamedTuple):
    """How many rollouts of a problem were graded at a step, and how many were correct."""

    correct: float = 0
    graded: float = 0


Step = Mapping[str, Outcomes]
"""The outcomes of one step by problem id."""


@plugin
class Curriculum:
    """Draws training problems by their running pass rate."""

    by: str | None = None
    """A key of the problems' metadata, such as "level": estimate one pass rate for each of its values. If not set, one
    for each problem."""
    explore: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Share of the probability that all problems get alike, so that rates of long ago are tested again."""
    memory: Annotated[float, Field(gt=0)] = 4.0
    """After so many later visits (steps at which the problem, or one of its value of `by`, was drawn), an outcome
    counts half."""

    def __post_init__(self) -> None:
        self._steps: dict[int, Step] = {}

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Complain if a training problem lacks the key `by`."""
        self._steps = {}
        lacking = [problem for problem in run.train_problems if self.by is not None and self.by not in problem.meta]
        if not lacking:
            return []
        return [
            f"[plugins.curriculum] by = {self.by!r}: expected a key of every training problem's meta; "
            f"{len(lacking)} of {len(run.train_problems)} have none, the first is problem {lacking[0].id!r}"
            + nearest(str(self.by), list(lacking[0].meta))
        ]

    @hookimpl
    def inspect_step(self, stats: StepStats, groups: Sequence[Group]) -> None:
        """Remember a step's outcomes, as its record may not be written yet when the next step is drawn."""
        rows = ((group.problem.id, [verdict.outcome for verdict in group.verdicts]) for group in groups)
        self._steps[stats.step] = outcomes(rows)

    @hookimpl
    def draw_problems(self, step: int, n: int, drawn: Sequence[Problem], run: RunContext) -> list[Problem]:
        """Draw n problems without replacement; those of `drawn`, and any twice, only if no others are left."""
        problems, before = run.train_problems, {problem.id for problem in drawn}
        steps = [self._outcomes(stats, run.dir) for stats in run.history.steps]
        rates = pass_rates(steps, self._keys(problems), self.memory)
        chances = probabilities(rates, self.explore)
        rng = np.random.default_rng([run.config.run.seed, step, len(drawn), STREAM])
        order = [i for i in ordered(chances, rng) if problems[i].id not in before]
        while len(order) < n:
            order += ordered(chances, rng)
        return [problems[i] for i in order[:n]]

    def _keys(self, problems: Iterable[Problem]) -> dict[str, str]:
        """Problem id -> what its pass rate is estimated for."""
        return {p.id: p.id if self.by is None else json.dumps(p.meta[self.by]) for p in problems}

    def _outcomes(self, stats: StepStats, run_dir: Path) -> Step:
        """The outcomes of a recorded step: remembered, or read from its file if an earlier process trained it."""
        if stats.step not in self._steps:
            file = run_dir / "rollouts" / f"step_{stats.step:06d}.jsonl.zst"
            if stats.metrics.get("rollouts") and not file.exists():
                log.warning("curriculum: %s is gone, so pass rates do without step %d", file, stats.step)
            self._steps[stats.step] = recorded(file) if file.exists() else {}
        return self._steps[stats.step]


def outcomes(rows: Iterable[tuple[str, Sequence[str]]]) -> Step:
    """Count the outcomes of groups, which are given as problem ids with the verdicts' outcomes."""
    correct, graded = Counter[str](), Counter[str]()
    for name, verdicts in rows:
        correct[name] += verdicts.count("correct")
        graded[name] += len(verdicts) - verdicts.count("unscored")
    return {name: Outcomes(correct[name], graded[name]) for name in graded if graded[name]}


def recorded(file: Path) -> Step:
    """Read the outcomes of a step's rollout file."""
    from justtinker_plugins.shared.records.step_files import read_groups

    return outcomes(
        (record["problem"]["id"], [outcome_of(rollout) for rollout in record["rollouts"]])
        for record in read_groups(file)
    )


def outcome_of(rollout: Mapping[str, Any]) -> str:
    """A recorded rollout's outcome; nobody has graded one that has no verdict."""
    return str(rollout.get("verdict", {}).get("outcome", "unscored"))


def pass_rates(steps: Iterable[Step], keys: Mapping[str, str], memory: float) -> NDArray[np.float64]:
    """Estimate the pass rate of each problem (N,): the mean of a Beta distribution that begins as Beta(1/2, 1/2).

    `keys` says what a rate is estimated for. An outcome counts half after `memory` later visits of the same key.
    """
    decay, counts = 0.5 ** (1 / memory), dict.fromkeys(keys.values(), Outcomes())
    for step in steps:
        for key, found in summed(step, keys).items():
            old = counts[key]
            counts[key] = Outcomes(decay * old.correct + found.correct, decay * old.graded + found.graded)
    return np.array([(0.5 + counts[key].correct) / (1 + counts[key].graded) for key in keys.values()])


def summed(step: Step, keys: Mapping[str, str]) -> dict[str, Outcomes]:
    """Add up the outcomes of a step by key; problems without a key are left out."""
    sums: dict[str, Outcomes] = {}
    for name, found in step.items():
        if name in keys:
            old = sums.get(keys[name], Outcomes())
            sums[keys[name]] = Outcomes(old.correct + found.correct, old.graded + found.graded)
    return sums


def probabilities(rates: NDArray[np.float64], explore: float) -> NDArray[np.float64]:
    """The probability of each problem to be drawn first (N,)."""
    weights = rates * (1 - rates)
    return np.asarray(explore / len(rates) + (1 - explore) * weights / weights.sum())


def ordered(chances: NDArray[np.float64], rng: np.random.Generator) -> list[int]:
    """Draw all places one after the other, without replacement, by their chances.

    The order of log(chance) + Gumbel noise has that distribution.
    """
    return [int(i) for i in np.argsort(-(np.log(chances) + rng.gumbel(size=len(chances))), kind="stable")]
