from __future__ import annotations

import math
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.parse import Node, parse
from justtinker_plugins.shared.latex.tokens import TooLargeError, UnsupportedError
from justtinker_plugins.shared.latex.values import (
    InexactError,
    UndefinedError,
    approximate,
    exact_value,
    map_parts,
    symbols,
    value_at,
)


def tree(text: str) -> Node:
    return parse(normalise(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"\frac{1}{3} + 0.5", Fraction(5, 6)),
        ("2^{-3}", Fraction(1, 8)),
        (r"\sqrt{\frac{9}{4}}", Fraction(3, 2)),
        ("8^{2/3}", Fraction(4)),
        (r"\sqrt[3]{27}", Fraction(3)),
        ("5!", Fraction(120)),
        (r"\binom{5}{2}", Fraction(10)),
        (r"\lfloor 7/2 \rfloor", Fraction(3)),
        (r"\lceil 7/2 \rceil", Fraction(4)),
        ("|-2|", Fraction(2)),
        (r"50\%", Fraction(1, 2)),
        ("-2^2", Fraction(-4)),
        ("(-1)^{10001}", Fraction(-1)),
    ],
)
def test_exact_values(text: str, value: Fraction) -> None:
    assert exact_value(tree(text)) == value


@pytest.mark.parametrize("text", [r"\sqrt{2}", r"\pi", "x", r"\sin 1", "2^{0.5}", "i", "(-8)^{1/3}"])
def test_inexact_values(text: str) -> None:
    with pytest.raises(InexactError):
        exact_value(tree(text))


@pytest.mark.parametrize("text", ["1/0", "0^{-1}", "0^0", "1/(2-2)"])
def test_undefined_values(text: str) -> None:
    with pytest.raises(UndefinedError):
        exact_value(tree(text))


@pytest.mark.parametrize(
    "text", ["9^{9^{9}}", "2^{100000}", "5000!", r"\binom{10^6}{5}", "10^{-99999}", "(2^{60000})" * 40]
)
def test_caps_of_fractions(text: str) -> None:
    with pytest.raises(TooLargeError):
        exact_value(tree(text))


@pytest.mark.parametrize(
    "text",
    [
        *("9^{9^9}", "e^{1000}", "200!", r"\cosh(500)", "(10^{100})^2", "2^{2^{2^{2^{2}}}}"),
        *("e^{-1000}", "10^{-160}", r"\frac{1}{10^{400}}", r"10^{-100} \cdot 10^{-100} \cdot 10^{100}"),
        r"\lfloor 10^5 + \frac{1}{10^{10}} \rfloor",
    ],
)
def test_caps_of_floats(text: str) -> None:
    with pytest.raises(TooLargeError):
        approximate(tree(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"\sqrt{2}", math.sqrt(2)),
        ("e^{i\\pi}", -1),
        (r"\sin 30°", 0.5),
        (r"\log_2 8", 3),
        (r"\arctan 1", math.pi / 4),
        (r"\sec 1 \csc 1 \cot 1", 1 / math.sin(1) ** 2),
        (r"\sqrt[3]{-8}", -2),
        (r"\tanh 1 \coth 1", 1),
        (r"\lg 1000", 3),
        ("3!", 6),
        (r"\binom{4}{2}", 6),
        ("(-1)^{1/2}", 1j),
        ("(-8)^{1/3}", -2),
        ("(-8)^{5/3}", -32),
        ("(-8)^{-2/3}", 0.25),
        ("(-32)^{0.2}", -2),
        ("(-8)^{2/4}", math.sqrt(8) * 1j),
        (r"\sqrt{\cos 2}", math.sqrt(-math.cos(2)) * 1j),
    ],
)
def test_approximate_values(text: str, value: complex) -> None:
    assert complex(approximate(tree(text)).value) == pytest.approx(value, abs=1e-12)


def test_the_peak_is_the_largest_intermediate_value() -> None:
    assert approximate(tree(r"10^{20} \sqrt{2} - 10^{20} \sqrt{2}")).peak == pytest.approx(math.sqrt(2) * 1e20)


@pytest.mark.parametrize("text", ["(1,2)", r"\text{a b}", "1, 2", r"\text{a b} = 1", "52_8"])
def test_trees_that_are_not_numbers(text: str) -> None:
    with pytest.raises(UnsupportedError):
        approximate(tree(text))


def test_symbols() -> None:
    assert symbols(tree(r"2x_1 + f(x) - \frac{\pi}{\alpha} e^{i t}")) == {"x_1", "f(x)", r"\alpha", "t"}
    assert symbols(tree(r"\begin{pmatrix} a & 1 \\ (b, c) & \{d\} \end{pmatrix}")) == {"a", "b", "c", "d"}


def test_a_principal_power_is_an_option() -> None:
    value = approximate(tree("(-8)^{1/3}"), principal=True).value
    assert value == pytest.approx(complex(1, math.sqrt(3)))


def test_fractions_that_take_long_to_reduce_are_given_up_soon() -> None:
    start = time.process_time()
    with pytest.raises(TooLargeError):
        exact_value(tree("+".join(rf"\frac{{1}}{{{k}^{{9000}}}}" for k in range(3, 99))))
    assert time.process_time() - start < 20


@given(st.text(max_size=5), st.integers(0, 5))
def test_values_of_symbols_are_fixed_and_bounded(name: str, seed: int) -> None:
    assert Fraction(1, 2) <= value_at(name, seed) < Fraction(5, 2)
    assert value_at(name, seed) == value_at(name, seed)


_LEAVES = st.integers(-20, 20).map(lambda n: f"({n})")


@settings(max_examples=200)
@given(
    st.recursive(
        _LEAVES,
        lambda sub: st.tuples(sub, st.sampled_from("+-*/"), sub).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
        max_leaves=12,
    )
)
def test_both_evaluations_agree(text: str) -> None:
    try:
        value = exact_value(tree(text))
    except UndefinedError:
        return
    assert complex(approximate(tree(text)).value) == pytest.approx(float(value), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    "text", ["-5", "x^2 + 3x", r"f(x+1) = \{1, x\}", r"\begin{pmatrix} x & 1 \\ 2 & x \end{pmatrix}"]
)
def test_each_part_is_changed_wherever_it_stands(text: str) -> None:
    def with_y(node: Node) -> Node:
        return ("sym", "y") if node == ("sym", "x") else map_parts(node, with_y)

    assert with_y(tree(text)) == tree(text.replace("x", "y").replace("pmatriy", "pmatrix"))
    assert map_parts(tree(text), lambda part: part) == tree(text)
