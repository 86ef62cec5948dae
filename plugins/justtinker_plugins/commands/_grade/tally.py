"""Count what a grading found: outcomes, terms, reasons, and how far it agrees with labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from justtinker_core.types import OUTCOMES
from justtinker_plugins.commands._grade.reading import Answers

Record = Mapping[str, Any]


@dataclass
class TermSums:
    """One reward term over all responses."""

    weight: float = 0.0
    total: float = 0.0
    applies: int = 0


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A response whose verdict is not its label."""

    record: Record
    label: bool
    question: str
    gold: str | None
    text: str


@dataclass
class GradeTally:
    """Everything that a grading reports."""

    most_shown: int = 5
    """How many disagreements to keep."""
    groups: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    total: float = 0.0
    terms: dict[str, TermSums] = field(default_factory=dict)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(Outcome, reason) -> responses."""
    labelled: Counter[tuple[bool, str]] = field(default_factory=Counter)
    """(Label, outcome) -> responses."""
    by_kind: dict[str, Counter[tuple[bool, str]]] = field(default_factory=dict)
    """Likewise, of each kind of problems."""
    disagreements: list[Disagreement] = field(default_factory=list)

    def add(self, answers: Answers, records: Sequence[Record]) -> None:
        """Count one group."""
        self.groups += 1
        texts = iter([rollout.text for rollout in answers.group.rollouts])
        for record, present, label in zip(records, answers.present, answers.labels, strict=True):
            text = next(texts) if present else ""
            self._add_record(record)
            if label is None:
                continue
            self.labelled[label, record["outcome"]] += 1
            self.by_kind.setdefault(answers.group.problem.kind, Counter())[label, record["outcome"]] += 1
            if disagrees(label, record["outcome"]) and len(self.disagreements) < self.most_shown:
                problem = answers.group.problem
                self.disagreements.append(Disagreement(record, label, problem.question, problem.answer, text))

    def _add_record(self, record: Record) -> None:
        self.outcomes[record["outcome"]] += 1
        if record["reason"]:
            self.reasons[record["outcome"], record["reason"]] += 1
        self.total += record["total"] or 0.0
        for name, raw in record["terms"].items():
            sums = self.terms.setdefault(name, TermSums(record["weights"][name]))
            sums.total += raw or 0.0
            sums.applies += raw is not None

    @property
    def responses(self) -> int:
        """How many were graded."""
        return self.outcomes.total()

    def summary(self) -> dict[str, Any]:
        """Return everything but the disagreements as one JSON object."""
        scored = self.responses - self.outcomes["unscored"]
        found = {
            "responses": self.responses,
            "groups": self.groups,
            "verdicts": {outcome: self.outcomes[outcome] for outcome in OUTCOMES},
            "mean_total": self.total / scored if scored else None,
            "terms": {
                name: {"weight": s.weight, "mean": s.total / s.applies if s.applies else None, "applies": s.applies}
                for name, s in self.terms.items()
            },
            "reasons": [
                {"outcome": outcome, "reason": reason, "responses": n}
                for (outcome, reason), n in self.reasons.most_common()
            ],
        }
        if not self.labelled:
            return found
        kinds = {kind: agreement(counts) for kind, counts in sorted(self.by_kind.items())}
        return found | {"labels": agreement(self.labelled) | ({"by_kind": kinds} if len(kinds) > 1 else {})}


def disagrees(label: bool, outcome: str) -> bool:
    """Whether a verdict is not the label. An unscored response is no disagreement: nobody has judged it."""
    return outcome == ("incorrect" if label else "correct")


def agreement(labelled: Mapping[tuple[bool, str], int]) -> dict[str, Any]:
    """Compare verdicts with labels, over the responses that have both.

    kappa = (p_o - p_e) / (1 - p_e), where p_o is the share that agrees and p_e the share that would by chance, from how
    often each says correct: Cohen, "A coefficient of agreement for nominal scales" (1960). None if p_e is 1.
    """
    counts = {(label, said): labelled.get((label, said), 0) for label in (True, False) for said in OUTCOMES}
    both = sum(n for (_, said), n in counts.items() if said != "unscored")
    agree = counts[True, "correct"] + counts[False, "incorrect"]
    right = counts[True, "correct"] + counts[True, "incorrect"]
    paid = counts[True, "correct"] + counts[False, "correct"]
    accuracy = agree / both if both else None
    chance = (right * paid + (both - right) * (both - paid)) / both**2 if both else 1.0
    kappa = None if accuracy is None or chance == 1 else (accuracy - chance) / (1 - chance)
    names = {True: "label_correct", False: "label_incorrect"}
    table = {names[label]: {said: counts[label, said] for said in OUTCOMES} for label in (True, False)}
    return {"labelled": sum(counts.values()), "accuracy": accuracy, "kappa": kappa, **table}
