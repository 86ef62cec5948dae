"""Small plugins that fill the roles which a test leaves open, and the data set that holds a test's own problems."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from justtinker_core.hookspecs import hookimpl
from justtinker_core.options import plugin
from justtinker_core.run import Run
from justtinker_core.sampling import datum_of
from justtinker_core.types import Batch, Group, Problem, Rollout, Update, Verdict

_BOX = re.compile(r"\\boxed\{([^{}]*)\}")


class Question:
    """The prompt is the question."""

    @hookimpl
    def build_prompt(self, problem: Problem) -> str:
        """As it stands."""
        return problem.question


class Match:
    r"""Right is what equals the gold, character by character: the last ``\boxed{…}``, without one the whole text."""

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict]:
        """One verdict a rollout."""
        answers = [(_BOX.findall(rollout.text) or [rollout.text])[-1].strip() for rollout in rollouts]
        return [Verdict("correct" if answer == problem.answer else "incorrect", answer) for answer in answers]


class Correct:
    """1 for a correct answer, 0 for a wrong one."""

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """Unscored ones get none."""
        values = {"correct": 1.0, "incorrect": 0.0, "unscored": None}
        return {"correct": [values[verdict.outcome] for verdict in group.verdicts]}


class Mean:
    """The reward less the group's mean."""

    @hookimpl
    def advantages(self, group: Group) -> list[float]:
        """One a rollout."""
        totals = [reward.total for reward in group.rewards]
        return [total - sum(totals) / len(totals) for total in totals]


class Grpo:
    """A small GRPO: every rollout that has one number as advantage is trained, all in one update."""

    needs: ClassVar[tuple[str, ...]] = ("build_prompt", "verify", "score", "advantages")

    def __init__(self, problems: int = 4, rollouts: int = 4) -> None:
        self.problems, self.rollouts = problems, rollouts

    @hookimpl
    def collect_batch(self, step: int, run: Run) -> Batch:
        """At most `problems` of them, `rollouts` each."""
        problems = run.draw(step, min(self.problems, len(run.train_problems)), run.train_problems)
        groups = tuple(run.credit(group) for group in run.rollouts(step, problems, self.rollouts))
        data = tuple(
            datum_of(group.prompt, rollout, advantage)
            for group in groups
            for rollout, advantage in zip(group.rollouts, group.advantages, strict=True)
            if group.kept and isinstance(advantage, float)
        )
        return Batch(groups, (Update(data, "importance_sampling"),) if data else (), len(data))


@plugin
class Listed:
    """Problems from a JSON file."""

    path: str
    """A list of problems as tables."""

    @hookimpl
    def load_problems(self) -> list[Problem]:
        """All of them."""
        return [Problem(**row) for row in json.loads(Path(self.path).read_text(encoding="utf-8"))]
