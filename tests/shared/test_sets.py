r"""Sets of reals: one form for many spellings of a set, never one form for two sets."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.ladder import compare
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.parse import parse
from justtinker_plugins.shared.latex.sets import REALS, as_set, without_set_builder


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (r"(-\infty, \infty)", r"\mathbb{R}"),
        (r"\text{all real numbers}", r"\mathbb{R}"),
        (r"\mathbb{R} \setminus \{2, -1\}", r"(-\infty,-1) \cup (-1,2) \cup (2,\infty)"),
        (r"\mathbb{R} - \{2\}", r"(-\infty,2) \cup (2,\infty)"),
        (r"x > 1 \text{ and } x \le 3", r"1 < x \le 3"),
        (r"x < 1 \text{ and } x > 3", r"\emptyset"),
        (r"x < 1 \text{ and } y > 3", "x < 1, y > 3"),
        (r"\mathbb{R} \setminus [2,5)", r"(-\infty,2) \cup [5,\infty)"),
        (r"\mathbb{R} \setminus (2,\infty)", r"(-\infty,2]"),
        (r"\mathbb{R} \setminus ((4,5] \cup [1,2))", r"(-\infty,1) \cup [2,4] \cup (5,\infty)"),
    ],
)
def test_equal_sets_have_one_form(text: str, same: str) -> None:
    assert as_set(parse(normalise(text))) == as_set(parse(normalise(same)))


@pytest.mark.parametrize(
    "text",
    [
        r"\mathbb{Z}",
        r"\mathbb{Z} \setminus \{2\}",
        r"\mathbb{R} \setminus \{x\}",
        r"\mathbb{R} + \{2\}",
        "(0,1)",
        r"\mathbb{R} \setminus [5,2]",
        r"\mathbb{R} \setminus [1,x]",
        r"\mathbb{R} \setminus ([1,2] \cup [2,3])",
        r"\mathbb{Z} \setminus [1,2]",
    ],
)
def test_other_trees_stay_as_they_are(text: str) -> None:
    tree = parse(normalise(text))
    assert as_set(tree) == tree != REALS


@pytest.mark.parametrize("bounds", [r"x < 1 \text{ and } x > 3", r"x < 1 \land x > 3", r"x < 1 \text{ and } 3 < x < 4"])
def test_bounds_that_exclude_each_other_are_a_union_in_a_gold_only(bounds: str) -> None:
    union = r"(-\infty,1) \cup (3,4)" if "4" in bounds else r"(-\infty,1) \cup (3,\infty)"
    assert compare(bounds, union).equal is True
    assert compare(union, bounds).equal is False
    assert compare(union, bounds.replace("and", "or").replace("land", "lor")).equal is True


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        (r"\{x \mid 1 < x < 3\}", "1 < x < 3"),
        (r"\{ x \in \mathbb{R} : x \ne 2 \}", r"x \neq 2"),
        (r"\{x | x > 1\}", "x > 1"),
        (r"\{x \mid 1 < y\}", None),
        (r"\{x \mid x = 5\}", None),
        (r"\{x \mid x > 1, x < 3\}", None),
        (r"\{n \in \mathbb{Z} \mid n > 1\}", None),
    ],
)
def test_a_set_builder_is_reduced_to_its_condition(text: str, inside: str | None) -> None:
    normal = normalise(text)
    assert without_set_builder(normal) == (inside or normal)


@given(st.sets(st.integers(-9, 9), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_all_reals_but_some_points(points: set[int], dice: object) -> None:
    shuffled = list(points)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    ends = [r"-\infty", *map(str, sorted(points)), r"\infty"]
    gold = r" \cup ".join(f"({a},{b})" for a, b in itertools.pairwise(ends))
    answer = rf"\mathbb{{R}} \setminus \{{{','.join(map(str, shuffled))}\}}"
    assert compare(gold, answer).equal is True
    assert compare(answer, gold).equal is True
    assert compare(gold, answer.replace(str(shuffled[0]), "99")).equal is False


@given(
    st.lists(st.integers(-99, 99), min_size=2, max_size=8, unique=True).filter(lambda ends: len(ends) % 2 == 0),
    st.lists(st.sampled_from(["()", "[]", "(]", "[)"]), min_size=4, max_size=4),
)
def test_all_reals_but_some_intervals(ends: list[int], brackets: list[str]) -> None:
    ends.sort()
    turned = {"(": "]", "[": ")", ")": "[", "]": "("}
    gaps = [(ends[k], ends[k + 1], *brackets[k // 2]) for k in range(0, len(ends), 2)]
    removed = [f"{left}{a},{b}{right}" for a, b, left, right in gaps]
    left = ["(-\\infty", *(f"{turned[right]}{b}" for _, b, _, right in gaps)]
    right = [*(f"{a}{turned[left]}" for a, _, left, _ in gaps), "\\infty)"]
    kept = r" \cup ".join(f"{low},{high}" for low, high in zip(left, right, strict=True))
    others = [removed[0].replace(str(ends[0]), "-100", 1), *removed[1:]]
    same, different = (rf"\mathbb{{R}} \setminus ({parts})" for parts in map(r" \cup ".join, (removed, others)))
    assert compare(kept, same).equal is True
    assert compare(kept, different).equal is False


@pytest.mark.parametrize("piece", [r"\{x \mid", r"\{x : x>", r"\in ", ", n \\in", "(n ", r"x > 1 \text{ and } "])
def test_time_is_linear_in_the_length(piece: str) -> None:
    def seconds(count: int) -> float:
        text = piece * count
        started = time.process_time()
        without_set_builder(text)
        return time.process_time() - started

    seconds(1)
    assert seconds(4_000) < 60 * seconds(400) + 0.3
