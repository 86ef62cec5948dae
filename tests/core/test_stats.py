"""The numbers of a step and of an evaluation, against numbers worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Group, Problem, Prompt, Rollout, Verdict
from justtinker_core.stats import clustered_interval, metrics_of, summarise, term_stats
from justtinker_core.types import Batch, Outcome, Reward

Z = 1.959964


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


def wilson(p: float, n: float) -> tuple[float, float]:
    """The textbook formula, another way round."""
    centre = (2 * n * p + Z**2) / (2 * (n + Z**2))
    half = Z * math.sqrt(Z**2 + 4 * n * p * (1 - p)) / (2 * (n + Z**2))
    return centre - half, centre + half


# A step


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


def test_a_term_that_never_applies() -> None:
    stats = term_stats([group("correct", terms={"x": (None,)})])
    assert stats["x"] == {"raw": 0.0, "weighted": 0.0, "applies": 0.0, "weight": 1.0}
    assert term_stats([]) == {}


# An evaluation


def test_a_summary_counts_unscored_as_not_correct_and_says_so() -> None:
    metrics, intervals = summarise([group("correct"), group("unscored"), group("correct"), group("incorrect")])
    assert metrics["accuracy"] == 0.5
    assert metrics["unscored_rate"] == 0.25
    assert {"accuracy", "unscored_rate", "truncated_rate"} <= set(intervals)


def test_only_rates_have_intervals() -> None:
    some = replace(
        group("correct", "correct"), measures={"rate": (1.0, 0.0), "length": (3.0, 500.0), "no": (None, None)}
    )
    metrics, intervals = summarise([some, some])
    assert {"rate", "length", "mean_response_tokens"} <= set(metrics)
    assert "no" not in metrics
    assert "rate" in intervals
    assert not {"length", "mean_response_tokens"} & set(intervals)


# Intervals


@pytest.mark.parametrize(("right", "n"), [(8, 10), (1, 30), (83, 200), (17, 30)])
def test_without_clusters_it_is_wilsons_interval(right: int, n: int) -> None:
    clusters = [[1.0]] * right + [[0.0]] * (n - right)
    # the variance of a mean of n clusters is estimated with n - 1 degrees of freedom
    assert clustered_interval(clusters) == pytest.approx(wilson(right / n, n - 1))


def test_a_published_value() -> None:
    """Newcombe 1998 (Statistics in Medicine 17, table I): 81 of 263, score method: 0.2553 to 0.3662."""
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    clusters = [[1.0]] * 81 + [[0.0]] * 182
    assert clustered_interval(clusters) == pytest.approx((0.2553, 0.3662), abs=3e-4)


@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize("k", [1, 8])
def test_all_or_nothing_is_wilsons_interval_of_the_clusters(rate: float, k: int) -> None:
    low, high = clustered_interval([[rate] * k] * 30)
    assert (low, high) == pytest.approx(wilson(rate, 30), abs=1e-12)
    assert high - low == pytest.approx(Z**2 / (30 + Z**2))


CLUSTERS = st.lists(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=6), min_size=1, max_size=20)


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=40), st.integers(2, 8))
def test_copies_of_a_sample_say_nothing_new(values: list[float], k: int) -> None:
    once, copied = ([[v] * times for v in values] for times in (1, k))
    assert clustered_interval(copied) == pytest.approx(clustered_interval(once))


@given(CLUSTERS)
def test_an_interval_holds_the_rate_within_0_and_1(clusters: list[list[float]]) -> None:
    low, high = clustered_interval(clusters)
    assert 0 <= low < high <= 1
    assert low - 1e-9 <= np.mean(np.concatenate(clusters)) <= high + 1e-9


@given(CLUSTERS)
def test_right_and_wrong_are_mirror_images(clusters: list[list[float]]) -> None:
    low, high = clustered_interval(clusters)
    assert clustered_interval([[1 - v for v in c] for c in clusters]) == pytest.approx((1 - high, 1 - low))


def test_equal_clusters_are_not_more_certain_than_their_samples() -> None:
    nearly = [[1.0] * 4 + [0.0] * 4] * 9 + [[1.0] * 5 + [0.0] * 3]
    low, high = clustered_interval(nearly)
    widest = wilson(41 / 80, 80)
    assert high - low == pytest.approx(widest[1] - widest[0])
