r"""What is left to do with the numbers, fractions and roots of an expression."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.made_of import tidy
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.parse import Node, parse
from justtinker_plugins.shared.latex.unfinished import (
    content,
    degree_below,
    has_arithmetic,
    has_decimals,
    has_nested_fraction,
    has_open_root,
    has_reducible_fraction,
    has_root_below,
    has_sum_below,
    is_scientific,
)  # fmt: skip

digits = partial(has_arithmetic, powers=False)
with_powers = partial(has_arithmetic, powers=True)


def tree(text: str) -> Node:
    read: Node = tidy(parse(normalise(text)))
    return read


UNFINISHED: list[tuple[Callable[[Node], bool], list[str], list[str]]] = [  # test, unfinished, finished
    (
        digits,
        ["2+3", r"2 \cdot 3", "2x+3+4", "2^5", r"\frac{6}{2}", r"\frac{1.5}{2}", r"x^{2 \cdot 3}", r"\sqrt{2 \cdot 3}",
         r"2 \cdot 3x", r"\sqrt{4}", r"5\% \cdot 40", r"20 \cdot 10^2", r"3 \cdot 2^{10}", r"\frac{1/2}{3}"],
        ["5", "-5", "2.5", r"\frac{4}{6}", r"1\frac12", r"2 \cdot 10^3", r"-2.5 \cdot 10^{-3}", "10^7", "2x+3", "x^2",
         r"3\sqrt{2}", r"\frac{\sqrt{3}}{2}", r"5\%", r"2 + 3i", r"\frac{6}{1}"],
    ),
    (with_powers, [r"2 \cdot 3", "2^3", r"\frac{2^{10}}{2}"], ["2^{10}", r"3 \cdot 2^{10}", r"3 \cdot 2^9 + 1"]),
    (has_decimals, ["0.5", r"50\%", "x + 1.5"], ["3", "1/2", "x"]),
    (
        has_reducible_fraction,
        ["4/6", r"\frac{2x^2-2}{2}", r"\frac{x^2+x}{x}", r"2 \cdot \frac{x}{4}", r"\frac{(x+1)(x+2)}{x+1}",
         r"\frac{6+2\sqrt5}{4}", r"\frac{2\sqrt3}{\sqrt3}", r"\frac{\sin x \cos x}{\sin x}", r"4x \cdot 6^{-1}"],
        ["2/3", r"\frac{2x+1}{2}", r"\frac{x+1}{x}", r"\frac{3+\sqrt5}{2}", r"3 \cdot \frac{x}{4}", r"\frac{x}{6}"],
    ),
    (has_nested_fraction, [r"\frac{1}{1+\frac1x}", r"1/(2/3)"], [r"\frac{x/2}{3}", "1/2+1/3"]),
    (
        has_open_root,
        [r"\sqrt{18}", r"\sqrt{2 \cdot 9}", r"\sqrt{1/2}", r"\sqrt[4]{36}", r"\sqrt[3]{16}", r"\sqrt{x^3}",
         r"\sqrt{4x+4}", r"\frac{10}{\sqrt2}", r"\sqrt2 \sqrt3", r"\sqrt{2+\sqrt3}", "18^{1/2}", r"\sqrt{50x}",
         r"\sqrt{1018081}"],
        [r"\sqrt{6}", r"\sqrt[3]{4}", r"\frac{1}{\sqrt3}", r"\sqrt{x}", r"\sqrt{4x+3}", r"\sqrt2 \sqrt[3]{3}",
         r"2\sqrt3", r"\sqrt{-1}", r"\sqrt{x^2+1}"],
    ),
    (has_root_below, [r"\frac{1}{\sqrt3}", "3^{-1/2}", r"\frac{2}{1+\sqrt2}"], [r"\frac{\sqrt3}{3}", r"\sqrt{1/3}"]),
    (has_sum_below, [r"\frac{1}{1+\sqrt2}", "(x+1)^{-1}"], [r"\frac{1+x}{2}", "1/x"]),
    (is_scientific, [r"2.5 \times 10^4", r"-3 \cdot 10^{-2}"], [r"25 \times 10^4", "25000", "10^4", r"2 \cdot 3"]),
]  # fmt: skip


@pytest.mark.parametrize(("test", "text"), [(test, text) for test, texts, _ in UNFINISHED for text in texts])
def test_unfinished_work_is_found(test: Callable[[Node], bool], text: str) -> None:
    assert test(tree(text))


@pytest.mark.parametrize(("test", "text"), [(test, text) for test, _, texts in UNFINISHED for text in texts])
def test_finished_work_is_not(test: Callable[[Node], bool], text: str) -> None:
    assert not test(tree(text))


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12), ("4x-6", 2), ("6x^2", 6), ("(2x+2)^2", 4), ("-9", 9), ("x", 1), ("1.5", 1), ("0", 0), ("9" * 40, 1)],
)
def test_content(text: str, number: int) -> None:
    assert content(tree(text)) == number


@pytest.mark.parametrize(
    ("text", "degree"),
    [("x^2/3", 0), ("3/x", 1), (r"\frac{1}{(x+1)^2 y}", 3), ("x^{-2}", 2), (r"\frac{\cos x}{\sin x}", 0)],
)
def test_degree_below_the_bar(text: str, degree: int) -> None:
    assert degree_below(tree(text)) == degree


@given(st.integers(2, 10**6), st.integers(2, 40))
def test_a_root_of_a_multiple_of_a_square_can_be_simplified(n: int, k: int) -> None:
    assert has_open_root(tree(rf"\sqrt{{{n * k * k}}}"))


@given(st.lists(st.sampled_from([2, 3, 5, 7, 11, 13, 997]), min_size=1, max_size=5, unique=True))
def test_a_root_of_different_primes_cannot(primes: list[int]) -> None:
    radicand = 1
    for prime in primes:
        radicand *= prime
    assert not has_open_root(tree(rf"7\sqrt{{{radicand}}}"))
