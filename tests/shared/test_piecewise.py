"""Functions by cases: branch by branch, in any order and in many ways of writing."""

# ruff: noqa: E501 (a table)
from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.ladder import compare
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.piecewise import branches_of


def cases(*rows: str) -> str:
    return r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}"


GOLD = cases("t^2 & t > 2", r"4 - 3t & t \le 2")
THREE = cases(r"1 & x > 0", "0 & x = 0", "-1 & x < 0")
PARITY = cases(r"2 & n \text{ is even}", r"3 & n \text{ is odd}")


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        (
            GOLD,
            [
                cases(r"t^2, & \text{if } t>2,", r"4-3t, & \text{if } t \leq 2."),
                cases(r"t^2 & \text{for } 2<t", r"-3t+4 & \text{for } 2 \ge t"),
                cases(r"4-3t & t \le 2", "t^2 & t>2"),
                cases(r"t^2 & t>2", r"4-3t & \text{otherwise}"),
                cases(r"t^2 & \text{otherwise}", r"4-3t & t \le 2"),
                cases(r"t^2 \text{ if } t>2", r"4-3t \text{ else}"),
                cases(r"t^2, t>2", r"4-3t, t \le 2"),
                cases(r"t^2 & t \in (2,\infty)", r"4-3t & t \in (-\infty,2]"),
                "f(t) = " + cases("t^2 & t>2", r"4-3t & t \le 2"),
                r"\left\{ \begin{array}{ll} t^2 & t>2 \\ 4-3t & t \le 2 \end{array} \right.",
            ],
            [
                cases(r"t^2 & t \ge 2", "4-3t & t<2"),
                cases("t^2 & t<2", r"4-3t & t \ge 2"),
                cases("t^2 & t>2", r"4+3t & t \le 2"),
                cases("4-3t & t>2", r"t^2 & t \le 2"),
                cases("t^2 & t>2", "t^2 & t>2"),
                cases("t^2 & x>2", r"4-3t & x \le 2"),
                cases("t^2 & t>2", r"4-3t & t \le 2", "0 & t = 9"),
                cases(r"t^2 & t \ge 2", r"4-3t & \text{otherwise}"),
                cases(r"t^2 & t > 3", r"4-3t & \text{otherwise}"),
                cases("t^2 & t>2", r"4-3t & t \le 2") + ", 5",
                "5 = " + GOLD, "t > 2 = " + GOLD, "5, f(t) = " + GOLD,
                "t^2", "t^2, 4-3t", r"\text{see above}",
            ],
        ),
        (
            THREE,
            [cases("-1, & x<0", "0, & x=0", "1, & 0<x"), cases("1 & x>0", "-1 & x<0", "0 & x = 0")],
            [cases("-1, & x<0", "1, & x=0", "0, & x>0"), cases("1 & x>0", "-1 & x<0"), cases("1 & x>0", r"-1 & x \le 0")],
        ),
        (
            PARITY,
            [cases(r"2, & \text{if } n \text{ is even}", r"3, & \text{if } n \text{ is odd}"),
             cases(r"2 & n \text{ even}", r"3 & \text{otherwise}")],
            [cases(r"3 & n \text{ even}", r"2 & n \text{ odd}"), cases(r"2 & m \text{ even}", r"3 & m \text{ odd}"),
             cases(r"2 & n \text{ odd}", r"3 & \text{otherwise}")],
        ),
        (cases(r"1 & x = 0", r"2 & \text{otherwise}"), [cases("1 & x=0", r"2 & x \ne 0")], [cases("1 & x=0", "2 & x>0")]),
    ],
)  # fmt: skip
def test_piecewise(gold: str, right: list[str], wrong: list[str]) -> None:
    assert [answer for answer in [gold, *right] if compare(gold, answer).equal is not True] == []
    assert [(answer, compare(gold, answer)) for answer in wrong if compare(gold, answer).equal is not False] == []


@pytest.mark.parametrize("gold", ["f(t) = " + GOLD, r"\phi_{1} = " + GOLD])
def test_the_name_is_the_golds_or_left_out(gold: str) -> None:
    assert compare(gold, GOLD).equal is True
    assert compare(gold, gold.replace(" = ", "=")).equal is True
    assert compare(gold, "g(t) = " + GOLD).reason == "a function of another name than the gold"


def test_reasons_are_in_words() -> None:
    assert compare(GOLD, "t^2").reason == "no function by cases like the gold"
    assert compare(GOLD, THREE).reason == "3 cases where the gold has 2"
    assert compare(THREE, THREE.replace("-1", "-2")).reason == "a case of the gold is missing or has another value"


@pytest.mark.parametrize(
    "text",
    [
        "x",
        cases("x = 1", "y = 2"),
        cases("x &= 1", "y &= 2"),
        cases("x + y = 1, x - y = 2", "x = 3"),
        cases("x & x > 0"),
    ],
)
def test_a_system_of_equations_is_no_function_by_cases(text: str) -> None:
    assert branches_of(normalise(text)) is None


@given(st.permutations(range(4)), st.integers(0, 3), st.integers(1, 9))
def test_the_order_is_free_and_each_value_counts(order: list[int], changed: int, by: int) -> None:
    rows = [f"x + {k} & {k} < x < {k + 1}" for k in range(4)]
    assert compare(cases(*rows), cases(*(rows[k] for k in order))).equal is True
    rows[changed] = rows[changed].replace(f"+ {changed}", f"+ {changed + by}")
    gold = cases(*(f"x + {k} & {k} < x < {k + 1}" for k in range(4)))
    assert compare(gold, cases(*(rows[k] for k in order))).equal is False


@pytest.mark.parametrize("piece", ["x & x>0 \\\\ ", "&", "\\text{if}", ",", "\\begin{cases}", "otherwise ", "x = "])
def test_time_is_linear_in_the_length(piece: str) -> None:
    text = r"\begin{cases}" + piece * 3000 + r"\end{cases}"
    started = time.process_time()
    branches_of(text)
    assert time.process_time() - started < 20
