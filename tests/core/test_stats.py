"""The numbers of a step, against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from justtinker_core import Group, Problem, Prompt, Rollout, Verdict
from justtinker_core.stats import metrics_of, term_stats
from justtinker_core.types import Batch, Outcome, Reward


def rollout(tokens: int, truncated: bool = False, tool: int = 0) -> Rollout:
    mask = (True,) * tokens + (False,) * tool
    return Rollout((0,) * len(mask), (0.0,) * len(mask), mask, "x", truncated)


def group(
    *outcomes: Outcome,
    terms: dict[str, tuple[float | None, ...]] | None = None,
    weights: dict[str, float] | None = None,
) -> Group:
    terms = terms or {"correct": tuple(float(o == "correct") for o in outcomes)}
    weights = weights or dict.fromkeys(terms, 1.0)
    rewards = tuple(Reward({t: v[i] for t, v in terms.items()}, weights) for i in range(len(outcomes)))
    rollouts = tuple(rollout(i + 1) for i in range(len(outcomes)))
    return Group(1, 0, Problem("p", "q"), Prompt(), rollouts, tuple(Verdict(o) for o in outcomes), {}, rewards)


def test_metrics_of_a_step() -> None:
    batch = Batch((group("correct", "incorrect"), group("correct", "unscored")), metrics={"mine": 2.0})
    metrics = metrics_of(batch)
    assert metrics == pytest.approx(
        {"mine": 2.0, "reward": 2 / 3, "accuracy": 2 / 3, "unscored_rate": 0.25, "truncated_rate": 0.0,
         "mean_response_tokens": 1.5, "rollouts": 4.0}
    )  # fmt: skip


def test_groups_that_are_not_trained_count_all_the_same() -> None:
    kept, dropped = group("correct"), replace(group("incorrect"), kept=False)
    assert metrics_of(Batch((kept, dropped)))["accuracy"] == 0.5


def test_nothing_scored_has_no_accuracy_rather_than_zero() -> None:
    metrics = metrics_of(Batch((group("unscored"),)))
    assert metrics["unscored_rate"] == 1.0
    assert not {"accuracy", "reward"} & set(metrics)


def test_a_step_without_rollouts_has_the_algorithms_numbers_alone() -> None:
    assert metrics_of(Batch(metrics={"a": 1.0})) == {"a": 1.0}


def test_only_tokens_of_the_policy_count() -> None:
    some = replace(group("correct"), rollouts=(rollout(3, truncated=True, tool=10),))
    metrics = metrics_of(Batch((some,)))
    assert (metrics["mean_response_tokens"], metrics["truncated_rate"]) == (3.0, 1.0)


def test_measures_leave_out_none() -> None:
    some = replace(group("correct", "correct"), measures={"think": (1.0, None), "never": (None, None)})
    metrics = metrics_of(Batch((some, group("correct"))))
    assert metrics["think"] == 1.0
    assert "never" not in metrics


def test_terms_raw_and_weighted() -> None:
    some = group(
        "correct", "correct", "incorrect", "incorrect",
        terms={"correct": (1.0, 1.0, 0.0, 0.0), "format": (-1.0, 0.0, None, None), "seen": (0.5, 0.5, 0.5, None)},
        weights={"correct": 1.0, "format": 0.1, "seen": 0.0},
    )  # fmt: skip
    stats = term_stats([some])
    assert list(stats) == ["correct", "format", "seen"]
    assert stats["format"] == pytest.approx({"raw": -0.5, "weighted": -0.025, "applies": 0.5, "weight": 0.1})
    assert stats["seen"] == pytest.approx({"raw": 0.5, "weighted": 0.0, "applies": 0.75, "weight": 0.0})
    assert sum(t["weighted"] for t in stats.values()) == pytest.approx(np.mean([r.total for r in some.rewards]))


def test_terms_add_up_to_the_reward_where_some_could_not_be_graded() -> None:
    some = group("correct", "unscored", terms={"correct": (1.0, 0.0)}, weights={"correct": 1.0})
    stats = term_stats([some])
    assert stats["correct"]["weighted"] == metrics_of(Batch((some,)))["reward"] == 1.0
    assert stats["correct"]["applies"] == 1.0
    assert term_stats([group("unscored", terms={"correct": (0.0,)})]) == {}


def test_a_term_that_never_applies() -> None:
    stats = term_stats([group("correct", terms={"x": (None,)})])
    assert stats["x"] == {"raw": 0.0, "weighted": 0.0, "applies": 0.0, "weight": 1.0}
    assert term_stats([]) == {}
