"""Small plugins for the roles that a test leaves open, and a data set for the test's own problems."""

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
    """Uses the question as the prompt."""

    @hookimpl
    def build_prompt(self, problem: Problem) -> str:
        """Return the question."""
        return problem.question


class Match:
    r"""Compares the last ``\boxed{…}``, or the whole text if there is none, with the gold, character by character."""

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict]:
        """Judge each rollout by itself."""
        answers = [(_BOX.findall(rollout.text) or [rollout.text])[-1].strip() for rollout in rollouts]
        return [Verdict("correct" if answer == problem.answer else "incorrect", answer) for answer in answers]


class Correct:
    """Pays 1 for a correct answer, 0 for a wrong one."""

    @hookimpl
    def score(self, group: Group) -> dict[str, list[float | None]]:
        """Return the term; None for unscored rollouts."""
        values = {"correct": 1.0, "incorrect": 0.0, "unscored": None}
        return {"correct": [values[verdict.outcome] for verdict in group.verdicts]}


class Mean:
    """Subtracts the group's mean from the reward."""

    @hookimpl
    def advantages(self, group: Group) -> list[float]:
        """Return one number per rollout."""
        totals = [reward.total for reward in group.rewards]
        return [total - sum(totals) / len(totals) for total in totals]


class Grpo:
    """A small GRPO: one update trains every rollout whose advantage is one number."""

    needs: ClassVar[tuple[str, ...]] = ("build_prompt", "verify", "score", "advantages")

    def __init__(self, problems: int = 4, rollouts: int = 4) -> None:
        self.problems, self.rollouts = problems, rollouts

    @hookimpl
    def collect_batch(self, step: int, run: Run) -> Batch:
        """Sample at most `problems` problems, `rollouts` times each."""
        problems = run.draw_problems(step, min(self.problems, len(run.train_problems)))
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
    """Reads problems from a JSON file."""

    path: str
    """The file: a list of objects with the fields of Problem."""

    @hookimpl
    def load_problems(self) -> list[Problem]:
        """Read all problems."""
        return [Problem(**row) for row in json.loads(Path(self.path).read_text(encoding="utf-8"))]
