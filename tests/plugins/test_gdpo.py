from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Group, Problem, Prompt, hookimpl
from justtinker_core.testing import Runner, make_problem
from justtinker_core.types import Reward
from justtinker_plugins.advantages._center import Std
from justtinker_plugins.advantages.gdpo import Gdpo
from justtinker_plugins.advantages.group_mean import GroupMean

Terms = Mapping[str, Sequence[float | None]]
RAW = st.one_of(st.none(), st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]))
TWO_TERMS = st.lists(st.tuples(RAW, RAW), min_size=1, max_size=9)
STDS = st.sampled_from(["population", "sample"])


def group_of(terms: Terms, weights: Mapping[str, float]) -> Group:
    rows = zip(*terms.values(), strict=True)
    rewards = tuple(Reward(dict(zip(terms, row, strict=True)), weights) for row in rows)
    return Group(1, 0, Problem("1", "1+1=?", "2"), Prompt(), rewards=rewards)


def advantages(terms: Terms, weights: Mapping[str, float], std: Std = "sample") -> list[float]:
    return list(Gdpo(std=std).advantages(group_of(terms, weights)))


def closed_form(terms: Terms, weights: Mapping[str, float], std: Std) -> list[float]:
    """The formula, in plain Python."""
    totals = [0.0] * len(next(iter(terms.values())))
    for term, raw in terms.items():
        applies = [r for r in raw if r is not None]
        if len(set(applies)) > 1:
            deviation = statistics.stdev(applies) if std == "sample" else statistics.pstdev(applies)
            mean = statistics.fmean(applies)
            for i, r in enumerate(raw):
                totals[i] += 0.0 if r is None else weights[term] * (r - mean) / (deviation + 1e-6)
    return totals


@given(TWO_TERMS, STDS, st.floats(-2, 2), st.floats(-2, 2))
def test_each_term_is_normalised_by_itself(
    rows: list[tuple[float | None, float | None]], std: Std, first: float, second: float
) -> None:
    terms = {name: list(column) for name, column in zip(("a", "b"), zip(*rows, strict=True), strict=True)}
    weights = {"a": first, "b": second}
    found = advantages(terms, weights, std)
    assert found == pytest.approx(closed_form(terms, weights, std), rel=1e-9, abs=1e-9)
    assert sum(found) == pytest.approx(0, abs=1e-9)


@given(TWO_TERMS)
def test_a_term_of_weight_0_counts_nothing(rows: list[tuple[float | None, float | None]]) -> None:
    first, second = (list(column) for column in zip(*rows, strict=True))
    both = advantages({"a": first, "b": second}, {"a": 0.5, "b": 0.0})
    assert both == advantages({"a": first}, {"a": 0.5})


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=9), STDS)
def test_with_one_term_it_is_the_group_mean(raw: list[float], std: Std) -> None:
    group = group_of({"a": raw}, {"a": 1.0})
    assert Gdpo(std=std).advantages(group) == GroupMean(divide_by_std=True, std=std).advantages(group)


def test_mixtures_that_the_sum_confuses_are_told_apart() -> None:
    """The example of the paper: 0 and 1 of two rewards, or 0 and 2, are the same to a normalised sum."""
    one, two = {"a": [0.0, 1.0], "b": [0.0, 0.0]}, {"a": [0.0, 1.0], "b": [0.0, 1.0]}
    weights = {"a": 1.0, "b": 1.0}
    normalised_sum = GroupMean(divide_by_std=True, std="sample").advantages
    assert normalised_sum(group_of(one, weights)) == pytest.approx(normalised_sum(group_of(two, weights)), rel=1e-5)
    assert advantages(two, weights) == pytest.approx([2 * a for a in advantages(one, weights)])


def test_the_weight_decides_and_not_the_spread() -> None:
    small = advantages({"a": [1, 0, 1, 0], "b": [0.001, 0.001, 0, 0]}, {"a": 1.0, "b": 1.0}, "population")
    assert small == pytest.approx([2, 0, 0, -2], abs=0.01)


def test_a_rollout_to_which_a_term_does_not_apply_takes_no_part_in_it() -> None:
    assert advantages({"a": [1.0, 0.0, None]}, {"a": 1.0}) == pytest.approx([0.5**0.5, -(0.5**0.5), 0], rel=1e-5)
    assert advantages({"a": [1.0, None]}, {"a": 1.0}) == [0, 0]
    assert advantages({"a": [None, None]}, {"a": 1.0}) == [0, 0]


@pytest.mark.parametrize("std", ["population", "sample"])
def test_a_group_of_one_or_of_none_teaches_nothing(std: Std) -> None:
    assert advantages({"a": [1.0]}, {"a": 1.0}, std) == [0.0]
    assert Gdpo(std=std).advantages(group_of({}, {})) == []


def test_in_a_run(run_with: Runner) -> None:
    class Short:
        default_weight = 0.5

        @hookimpl
        def score(self, group: Group) -> dict[str, list[float]]:
            return {"short": [-len(rollout.text) / 100 for rollout in group.rollouts]}

    class Right:
        @hookimpl
        def score(self, group: Group) -> dict[str, list[float]]:
            return {"right": [float(verdict.outcome == "correct") for verdict in group.verdicts]}

    def respond(prompt: str, index: int) -> str:
        return "0" if index == 0 else "long" if index == 1 else "no"

    done = run_with(
        Gdpo(std="population"), Right(), Short(), problems=[make_problem("0+0=?", "0")], respond=respond, steps=1
    )
    (first,) = done.groups
    short = closed_form({"short": [-0.01, -0.04, -0.02, -0.02]}, {"short": 0.5}, "population")
    right = closed_form({"right": [1, 0, 0, 0]}, {"right": 1.0}, "population")
    assert first.advantages == pytest.approx([a + b for a, b in zip(right, short, strict=True)])


def test_a_penalty_is_compared_and_not_divided() -> None:
    terms, weights = {"correct": (1.0, 1.0, 1.0), "kl": (-0.001, -0.002, -0.003)}, {"correct": 1.0, "kl": 0.04}
    assert advantages(terms, weights) == pytest.approx([0.04 * 0.001, 0.0, -0.04 * 0.001])
    assert max(Gdpo(undivided=()).advantages(group_of(terms, weights))) == pytest.approx(0.04, rel=1e-2)
