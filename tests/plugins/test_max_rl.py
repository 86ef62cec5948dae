from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_core import Group, Problem, Prompt, Verdict, hookimpl
from justtinker_core.testing import Runner, make_problem
from justtinker_core.types import OUTCOMES, Outcome
from justtinker_plugins.advantages.max_rl import MaxRl


def advantages(outcomes: Sequence[Outcome]) -> list[float]:
    verdicts = tuple(Verdict(outcome) for outcome in outcomes)
    return list(MaxRl().advantages(Group(1, 0, Problem("1", "1+1=?", "2"), Prompt(), verdicts=verdicts)))


def of_bits(bits: Sequence[int]) -> list[float]:
    return advantages(["correct" if bit else "incorrect" for bit in bits])


@given(st.lists(st.sampled_from(OUTCOMES), max_size=16))
def test_the_formula(outcomes: list[Outcome]) -> None:
    right = outcomes.count("correct")
    rate = right / len(outcomes) if outcomes else 0.0
    expected = [((outcome == "correct") - rate) / rate if right else 0.0 for outcome in outcomes]
    assert advantages(outcomes) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.booleans(), max_size=16))
def test_they_cancel_and_the_right_ones_share_what_is_left_of_the_group(bits: list[bool]) -> None:
    found = of_bits(bits)
    assert sum(found) == pytest.approx(0, abs=1e-9)
    if any(bits):  # the mean over successes, minus the mean over all
        size, right = len(bits), sum(bits)
        assert [a / size for a in found] == pytest.approx([bit / right - 1 / size for bit in bits], abs=1e-12)


@pytest.mark.parametrize("bits", [[], [0], [1], [0] * 7, [1] * 7])
def test_none_or_all_right_teach_exactly_nothing(bits: list[int]) -> None:
    assert of_bits(bits) == [0.0] * len(bits)


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("p", [0.05, 0.5, 0.9])
def test_the_expected_gradient_is_that_of_the_truncated_logarithm(size: int, p: float) -> None:
    """For a policy that is right with probability p, the score of outcome r is (r - p) / (p (1 - p))."""
    gradient = 0.0
    for bits in product((0, 1), repeat=size):
        terms = [a * (bit - p) / (p * (1 - p)) for a, bit in zip(of_bits(bits), bits, strict=True)]
        gradient += prod(p if bit else 1 - p for bit in bits) * sum(terms) / size
    pass_at_k = sum(k * (1 - p) ** (k - 1) / k for k in range(1, size))  # pass@k is 1 - (1 - p)^k
    assert gradient == pytest.approx(pass_at_k)
    assert gradient == pytest.approx((1 - (1 - p) ** (size - 1)) / p), "the weight that the docstring gives"


def test_in_a_run_other_terms_take_no_part(run_with: Runner) -> None:
    class Length:
        @hookimpl
        def score(self, group: Group) -> dict[str, list[float]]:
            return {"length": [len(rollout.text) / 100 for rollout in group.rollouts]}

    def respond(prompt: str, index: int) -> str:
        return "0" if index == 0 and prompt == "0+0=?" else "n" * (index + 2)

    problems = [make_problem("0+0=?", "0"), make_problem("1+1=?", "2")]
    done = run_with(MaxRl(), Length(), problems=problems, respond=respond, steps=1)
    found = {group.problem.question: group.advantages for group in done.groups}
    assert len({reward.total for reward in done.groups[0].rewards}) > 1
    assert found == {"0+0=?": (3.0, -1.0, -1.0, -1.0), "1+1=?": (0.0,) * 4}
