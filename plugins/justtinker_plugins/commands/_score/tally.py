"""Running totals of re-scored records: the terms of each reward stack, and how far two stacks differ.

A record is one group as `rescoring` writes it. This module knows no plugin and reads no text.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Side = Mapping[str, Any]
"""One stack's scores in a record."""
EQUAL = 1e-9
"""Smaller differences are ignored: they come from the order in which floats are added."""

DIFFERS = (
    "inverted_groups", "reranked_groups", "sign_flips", "sign_changes", "rewards", "verdicts", "left_out_by_one",
)  # fmt: skip


@dataclass
class TermSums:
    """Sums over all samples for one reward term."""

    raw: float = 0.0
    weighted: float = 0.0
    applies: int = 0
    """Samples for which the term has a value."""
    touches: int = 0
    """Samples for which that value is not zero."""


@dataclass
class SideTally:
    """Sums over all records for one stack."""

    samples: int = 0
    scored: int = 0
    correct: int = 0
    reward: float = 0.0
    positive_advantages: int = 0
    groups: int = 0
    groups_without_signal: int = 0
    groups_kept: int = 0
    terms: dict[str, TermSums] = field(default_factory=dict)

    def add(self, side: Side) -> None:
        """Add one group."""
        rows = side["rollouts"]
        outcomes = [row["verdict"]["outcome"] for row in rows]
        advantages = [mean_advantage(row) or 0.0 for row in rows]
        self.groups += 1
        self.groups_kept += side["kept"]
        self.groups_without_signal += not any(abs(a) > EQUAL for a in advantages)
        self.samples += len(rows)
        self.scored += sum(outcome != "unscored" for outcome in outcomes)
        self.correct += outcomes.count("correct")
        self.reward += sum(row["reward"] for row, o in zip(rows, outcomes, strict=True) if o != "unscored")
        self.positive_advantages += sum(a > EQUAL for a in advantages)
        for name, weight in side["weights"].items():
            self._add_term(self.terms.setdefault(name, TermSums()), [row["terms"][name] for row in rows], weight)

    def _add_term(self, sums: TermSums, raws: Sequence[float | None], weight: float) -> None:
        applied = [raw for raw in raws if raw is not None]
        sums.applies += len(applied)
        sums.touches += sum(raw != 0 for raw in applied)
        sums.raw += sum(applied)
        sums.weighted += weight * sum(applied)

    def summary(self) -> dict[str, Any]:
        """Return means and shares; those that a run's steps.jsonl has too are defined the same way."""
        n, scored, groups = max(self.samples, 1), max(self.scored, 1), max(self.groups, 1)
        return {
            "reward": self.reward / scored,
            "accuracy": self.correct / scored,
            "unscored_rate": 1 - self.scored / n,
            "verdicts": {
                "correct": self.correct,
                "incorrect": self.scored - self.correct,
                "unscored": self.samples - self.scored,
            },
            "positive_advantage": self.positive_advantages / n,
            "groups_without_signal": self.groups_without_signal / groups,
            "groups_kept": self.groups_kept / groups,
            "terms": {
                name: {
                    "raw": sums.raw / max(sums.applies, 1),
                    "weighted": sums.weighted / scored,
                    "applies": sums.applies / scored,
                    "touches": sums.touches / scored,
                }
                for name, sums in self.terms.items()
            },
        }


def mean_advantage(row: Mapping[str, Any]) -> float | None:
    """Return a rollout's advantage, the mean if it has one per token; None if training leaves the rollout out."""
    value = row["advantage"]
    return float(np.mean(value or 0.0)) if isinstance(value, list | tuple) else value


@dataclass(frozen=True, order=True)
class Change:
    """A sample that two stacks judge differently; changes sort by the difference in advantage, then in reward."""

    advantage: float
    reward: float
    location: tuple[str, int, int]
    """File, line and index of the rollout."""
    sides: Mapping[str, Any] = field(compare=False)
    """Side -> that stack's reward, advantage, verdict and terms."""


@dataclass
class Tally:
    """Everything that a scoring reports about any number of records."""

    most_changed: int = 5
    sides: dict[str, SideTally] = field(default_factory=dict)
    recorded: Counter[str] = field(default_factory=Counter)
    """rewards: how many the files contain; equal: how many of them came out the same."""
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(Metric, what it lacks) -> number of groups for which it was left out, under either stack."""
    differs: Counter[str] = field(default_factory=Counter)
    tau: float = 0.0
    changes: list[Change] = field(default_factory=list)
    """A heap, the smallest first."""

    def add(self, record: Mapping[str, Any]) -> None:
        """Add the record of one group."""
        lacking: set[tuple[str, str]] = set()
        for side in ("config", "against"):
            if side in record:
                self.sides.setdefault(side, SideTally()).add(record[side])
                lacking.update(record[side].get("left_out", {}).items())
        self.left_out.update(lacking)
        pairs = zip(record["recorded"], record["config"]["rollouts"], strict=True)
        rewards = [(old, row["reward"]) for old, row in pairs if old is not None]
        self.recorded += Counter(rewards=len(rewards), equal=sum(old == new for old, new in rewards))
        if "against" in record:
            self._compare(record)

    def _compare(self, record: Mapping[str, Any]) -> None:
        rows = [*zip(record["config"]["rollouts"], record["against"]["rollouts"], strict=True)]
        both = [all(row["verdict"]["outcome"] != "unscored" for row in pair) for pair in rows]
        rewards = np.array([[row["reward"] for row in pair] for pair in rows])[both]
        pairs = count_pairs(rewards[:, 0], rewards[:, 1])
        self.differs["inverted_groups"] += pairs["inverted"] > 0
        self.differs["reranked_groups"] += pairs["inverted"] + pairs["tied"] > 0
        tau = kendall_tau_b(pairs)
        if tau is not None:
            self.differs["tau_groups"] += 1
            self.tau += tau
        for i, (ours, theirs) in enumerate(rows):
            self._compare_row((record["file"], record["line"], i), ours, theirs)

    def _compare_row(self, location: tuple[str, int, int], ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
        a, b = mean_advantage(ours), mean_advantage(theirs)
        if a is None or b is None:
            self.differs["left_out_by_one"] += (a is None) != (b is None)
            return
        signs = sign(a), sign(b)
        self.differs["sign_flips"] += signs[0] * signs[1] < 0
        self.differs["sign_changes"] += signs[0] != signs[1]
        self.differs["verdicts"] += ours["verdict"]["outcome"] != theirs["verdict"]["outcome"]
        self.differs["rewards"] += abs(ours["reward"] - theirs["reward"]) > EQUAL
        change = abs(a - b), abs(ours["reward"] - theirs["reward"])
        if max(change) > EQUAL and self.most_changed:
            push = heapq.heappush if len(self.changes) < self.most_changed else heapq.heappushpop
            push(self.changes, Change(*change, location, {"config": ours, "against": theirs}))

    @property
    def groups(self) -> int:
        """The number of groups added."""
        return self.sides["config"].groups if self.sides else 0

    @property
    def samples(self) -> int:
        """The number of rollouts in them."""
        return self.sides["config"].samples if self.sides else 0

    def summary(self) -> dict[str, Any]:
        """Return everything but the most changed samples as one JSON object."""
        summary: dict[str, Any] = {
            "groups": self.groups,
            "rollouts": self.samples,
            "recorded": {"rewards": self.recorded["rewards"], "equal": self.recorded["equal"]},
            **{name: side.summary() for name, side in self.sides.items()},
        }
        if self.left_out:
            summary["left_out"] = {name: {"lacks": what, "groups": n} for (name, what), n in self.left_out.items()}
        if "against" in self.sides:
            mean = self.tau / self.differs["tau_groups"] if self.differs["tau_groups"] else None
            summary["difference"] = {**{name: self.differs[name] for name in DIFFERS}, "kendall_tau": mean}
        return summary


def sign(value: float) -> int:
    """Return -1, 0 or 1; 0 also for a value within `EQUAL` of it."""
    return 0 if abs(value) <= EQUAL else 1 if value > 0 else -1


def count_pairs(a: NDArray[np.float64], b: NDArray[np.float64]) -> Counter[str]:
    """Count the pairs of samples by how the rewards (G,) of two stacks order them.

    `same`: both alike. `inverted`: in opposite order. `tied`: only one orders them. `ordered_a`, `ordered_b`: each one.
    """
    pairs: Counter[str] = Counter()
    for i in range(len(a) - 1):  # a row at a time: one matrix of a huge group would not fit
        left, right = _signs(a[i + 1 :] - a[i]), _signs(b[i + 1 :] - b[i])
        both = left * right
        pairs["same"] += int(np.sum(both > 0))
        pairs["inverted"] += int(np.sum(both < 0))
        pairs["tied"] += int(np.sum((both == 0) & (left != right)))
        pairs["ordered_a"] += int(np.sum(left != 0))
        pairs["ordered_b"] += int(np.sum(right != 0))
    return pairs


def _signs(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.abs(differences) <= EQUAL, 0.0, np.sign(differences))


def kendall_tau_b(pairs: Mapping[str, int]) -> float | None:
    """Return Kendall's tau-b, which allows for ties; None if one of the two orders no pair."""
    scale = float(np.sqrt(pairs["ordered_a"] * pairs["ordered_b"]))
    return (pairs["same"] - pairs["inverted"]) / scale if scale else None
