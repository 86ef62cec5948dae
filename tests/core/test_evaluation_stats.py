"""The metrics of an evaluation, against numbers worked out by hand, by enumeration, or published."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Group, Problem, Prompt, Rollout, Verdict
from justtinker_core.evaluation.stats import breakdown, clustered_interval, majority, pass_at, summarise
from justtinker_core.types import Outcome

Z = 1.959964


def group(*outcomes: Outcome, answers: Sequence[str | None] = (), **meta: object) -> Group:
    """Make a problem with a rollout for each outcome; wrong answers all differ unless they are given."""
    texts = answers or [("right" if o == "correct" else f"wrong {i}") for i, o in enumerate(outcomes)]
    rollouts = tuple(Rollout((0,) * n, (0.0,) * n, (True,) * n, "x") for n in range(1, len(outcomes) + 1))
    verdicts = tuple(Verdict(o, answer) for o, answer in zip(outcomes, texts, strict=True))
    return Group(1, 0, Problem("p", "q", meta=meta), Prompt(), rollouts, verdicts)


def wilson(p: float, n: float) -> tuple[float, float]:
    """Compute the interval by the textbook formula, arranged differently."""
    centre = (2 * n * p + Z**2) / (2 * (n + Z**2))
    half = Z * math.sqrt(Z**2 + 4 * n * p * (1 - p)) / (2 * (n + Z**2))
    return centre - half, centre + half


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


# What samples are worth together


@pytest.mark.parametrize(("n", "correct"), [(n, c) for n in range(1, 7) for c in range(n + 1)])
def test_pass_at_k_is_the_share_of_all_draws_that_hold_a_correct_one(n: int, correct: int) -> None:
    samples = [True] * correct + [False] * (n - correct)
    for k in range(1, n + 1):
        draws = [any(draw) for draw in combinations(samples, k)]
        assert pass_at(k, n, correct) == pytest.approx(sum(draws) / len(draws))


@given(st.lists(st.tuples(*[st.booleans()] * 6), min_size=1, max_size=12))
def test_pass_at_1_is_the_accuracy_and_more_samples_never_hurt(samples: list[tuple[bool, ...]]) -> None:
    groups = [group(*("correct" if right else "incorrect" for right in row)) for row in samples]
    metrics, intervals = summarise(groups)
    assert [name for name in metrics if "@" in name] == ["pass@1", "pass@2", "pass@4", "pass@6", "majority@6"]
    assert metrics["pass@1"] == pytest.approx(metrics["accuracy"])
    assert intervals["pass@1"] == pytest.approx(intervals["accuracy"])
    rising = [metrics[f"pass@{k}"] for k in (1, 2, 4, 6)]
    assert rising == sorted(rising)
    assert rising[-1] == pytest.approx(np.mean([any(row) for row in samples]))


def test_one_sample_has_nothing_to_be_put_together() -> None:
    assert not [name for name in summarise([group("correct")])[0] if "@" in name]


def by_lot(verdicts: Sequence[Verdict]) -> float:
    """Compute the majority the slow way: every order of the tied answers is equally likely."""
    voters = [v for v in verdicts if v.outcome != "unscored" and v.answer]
    counts = {v.answer: sum(w.answer == v.answer for w in voters) for v in voters}
    winners = [answer for answer, count in counts.items() if count == max(counts.values())]
    right = {v.answer for v in voters if v.outcome == "correct"}
    return sum(winner in right for winner in winners) / len(winners) if winners else 0.0


def test_majority_of_all_small_votes() -> None:
    kinds = [
        Verdict("correct", "1"), Verdict("incorrect", "2"), Verdict("incorrect", "3"), Verdict("incorrect", None),
        Verdict("unscored", "2"),
    ]  # fmt: skip
    for verdicts in product(kinds, repeat=4):
        assert majority(verdicts) == pytest.approx(by_lot(verdicts))


def test_two_ways_to_write_an_answer_are_one_vote_if_the_verifier_says_so() -> None:
    halves = [Verdict("correct", r"\dfrac12", vote="1/2"), Verdict("correct", "1/2", vote="1/2")]
    others = [Verdict("incorrect", "3"), Verdict("incorrect", "3"), Verdict("incorrect", "4")]
    assert majority(halves + others) == 0.5
    assert majority([replace(v, vote=None) for v in halves] + others) == 0.0


def test_an_unscored_sample_counts_against_pass_at_k() -> None:
    metrics, _ = summarise([group("correct", "unscored")])
    assert (metrics["pass@1"], metrics["pass@2"], metrics["majority@2"]) == (0.5, 1.0, 1.0)


# By metadata


def test_a_table_for_every_key_that_sorts_the_problems() -> None:
    groups = [
        group("correct", subject="algebra", level=1, id=1, one="x", many=[1]),
        group("incorrect", subject="algebra", level=2, id=2, one="x", many=[1]),
        group("correct", "correct", subject="geometry", level=1, id=3, one="x", many=[2], extra="not all have it"),
        group("correct", "incorrect", subject="geometry", level=None, id=4, one="x", many=[2]),
        group("incorrect", subject="geometry", level=None, id=5, one="x", many=[1]),
        group("incorrect", subject="geometry", level=2, id=6, one="x", many=[1]),
    ]
    tables = breakdown(groups)
    assert list(tables) == ["level", "subject"]
    assert {kind: (r["problems"], r["accuracy"]) for kind, r in tables["subject"].items()} == {
        "algebra": (2, 0.5), "geometry": (4, 0.5)
    }  # fmt: skip
    assert list(tables["level"]) == ["1", "2", "None"]
    low, high = clustered_interval([[1.0], [1.0, 1.0]])
    assert tables["level"]["1"] == {"problems": 2, "accuracy": 1.0, "low": low, "high": high}
    assert breakdown([]) == {}


def test_whole_numbers_stand_in_their_order_before_texts() -> None:
    kinds = [10, "9", -1, "9" * 5000, "-", "²", None]
    tables = breakdown([group("correct", level=kind) for kind in kinds * 2])
    assert list(tables["level"]) == ["-1", "9", "10", "-", "9" * 5000, "None", "²"]


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "drawn", "problems"), [(1, 1, 30), (8, 1, 30), (4, 1, 200), (8, 2, 30), (8, 8, 30), (4, 2, 200), (4, 4, 200)]
)
def test_intervals_cover_the_truth_as_often_as_they_say(n: int, drawn: int, problems: int) -> None:
    """pass@drawn of n samples, problems of all difficulties, 800 evaluations; the truth is that of all problems."""
    rng, times = np.random.default_rng(5), 800
    truth = 1 - np.mean((1 - rng.beta(0.6, 0.9, 400_000)) ** drawn)
    hits = 0
    for _ in range(times):
        right = rng.binomial(n, rng.beta(0.6, 0.9, problems))
        low, high = clustered_interval([[pass_at(drawn, n, int(c))] * n for c in right])
        hits += low <= truth <= high
    assert 0.93 <= hits / times <= 0.975


@pytest.mark.parametrize("n", [8, 32])
def test_where_nearly_all_are_always_right_few_problems_promise_too_much(n: int) -> None:
    """docs/evaluation.md admits this, for 30 problems."""
    rng, times, hits = np.random.default_rng(5), 1500, 0
    for _ in range(times):
        right = rng.binomial(n, rng.beta(2, 0.1, 30))
        low, high = clustered_interval([[1.0] * c + [0.0] * (n - c) for c in right])
        hits += low <= 2 / 2.1 <= high
    assert 0.87 <= hits / times <= 0.93
