from __future__ import annotations

import math
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.digits import same_value, value_of
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.parse import Node, parse
from justtinker_plugins.shared.latex.tokens import TooLargeError, UnsupportedError
from justtinker_plugins.shared.latex.values import UndefinedError

POINT = {"x": Fraction(7, 5), "n": Fraction(6)}


def tree(text: str) -> Node:
    return parse(normalise(text))


EQUAL = [
    (r"\sqrt{12}", r"2\sqrt{3}"),
    (r"\sqrt{2} \sqrt{5}", r"\sqrt{10}"),
    (r"\sqrt{2} \sqrt{5} - \sqrt{10}", "0"),
    (r"\sqrt{4 + 2\sqrt{3}}", r"1 + \sqrt{3}"),
    (r"\sqrt[3]{2 + \sqrt{5}}", r"\frac{1 + \sqrt{5}}{2}"),
    (r"\sqrt[3]{7 - 5\sqrt{2}}", r"1 - \sqrt{2}"),
    (r"\coth 70", r"\frac{e^{140} + 1}{e^{140} - 1}"),
    (r"\tanh 70", r"1 - \frac{2}{e^{140} + 1}"),
    (r"\cosh 3 + \sinh 3", "e^3"),
    (r"\frac{5^{2000} - 1}{\sqrt{3}}", r"\frac{\sqrt{3}(5^{2000} - 1)}{3}"),
    (r"5^{2000} \sin 1", r"25^{1000} \sin 1"),
    ("3^{3^{500}}", "9^{3^{500}/2}"),
    ("e^{-4000}", r"\left(e^{-1000}\right)^4"),
    (r"\ln 5^{3000}", r"3000 \ln 5"),
    ("e^{i\\pi}", "-1"),
    ("i^{2^{90}}", "1"),
    ("(-3)^{2^{90} + 1}", r"-3 \cdot 3^{2^{90}}"),
    (r"\sin 30°", r"\frac{1}{2}"),
    (r"\arcsin 1", r"\frac{\pi}{2}"),
    (r"\arccos(-1) - \pi", "0"),
    (r"\arctan(\tan 1)", "1"),
    (r"\sec 1 \csc 1", r"\frac{1}{\sin 1 \cos 1}"),
    (r"\tan 1 \cot 1", "1"),
    (r"\lg 1000", r"\log_{10} 1000"),
    (r"\lfloor \log_3 9 \rfloor", "2"),
    (r"\lceil \sqrt{2} \sqrt{8} \rceil", "4"),
    (r"\lfloor (3 + \sqrt{8})^{60} \rfloor + 1", r"(3 + \sqrt{8})^{60} + (3 - \sqrt{8})^{60}"),
    (r"|2 - \sqrt{5}|", r"\sqrt{5} - 2"),
    (r"(1/2)!", r"\frac{\sqrt{\pi}}{2}"),
    (r"\binom{n}{2}", r"\frac{n(n-1)}{2}"),
    (r"\binom{5/2}{1/2}", r"\frac{15}{8} \cdot 1"),
    (r"x^{3000}\sqrt{2}", r"\sqrt{2}(x^{1000})^3"),
    (r"50\% \sqrt{2}", r"\frac{1}{\sqrt{2}}"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal_values(one: str, other: str) -> None:
    assert same_value(tree(one), tree(other), POINT)
    assert same_value(tree(other), tree(one), POINT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\sqrt{3}", r"\sqrt{3 + 10^{-90}}"),
        (r"\sqrt{3}", r"\sqrt{3}(1 - 10^{-900})"),
        (r"\sqrt{3}", r"\sqrt{3} \cos 10^{-40}"),
        (r"\sqrt{3}", r"\sqrt{3} \cdot 2^{10^{-300}}"),
        (r"\sqrt{3}", r"(\sqrt{3})^{\frac{10^{300}}{10^{300} + 1}}"),
        (r"\sqrt{3}", "1.73205080756887729352744634150587236694280525381038062805580697945193301690880003708"),
        (r"\sqrt{3}", r"\frac{\lfloor 10^{300} \sqrt{3} \rfloor}{10^{300}}"),
        (r"\sqrt{3}", r"\sqrt{3} \cdot \sqrt[10^{200}]{2}"),
        (r"\frac{1}{e}", r"\frac{\lfloor \frac{90!}{e} \rfloor}{90!}"),
        ("e", "+".join(["1", *(rf"\frac{{1}}{{{k}!}}" for k in range(1, 70))])),
        (r"\sin 10^{-40}", "10^{-40}"),
        (r"\tan 10^{-40}", r"\sin 10^{-40}"),
        (r"e^{10^{-50}}", "1 + 10^{-50}"),
        (r"\pi", r"2\arctan 10^{80}"),
        ("1 - e^{-150}", "1"),
        ("1 - e^{-150}", "1 - e^{-151}"),
        (r"\tanh 70", "1"),
        (r"\sinh 300", r"\cosh 300"),
        (r"2^{200}\sqrt{5} + 1", r"2^{200}\sqrt{5} - 1"),
        (r"(3 + \sqrt{8})^{60} + (3 - \sqrt{8})^{60}", r"(3 + \sqrt{8})^{60}"),
        ("e^{-5000}", "e^{-5001}"),
        ("e^{-5000}", "-e^{-5000}"),
        ("e^{-5000}", "0"),
        ("3^{3^{500}}", "3^{3^{501}}"),
        (r"\ln(3^{500} + 1)", r"500 \ln 3"),
        (r"e^{\pi\sqrt{163}}", "640320^3 + 744"),
        ("i", "-i"),
        (r"\sqrt{-2}", r"-\sqrt{2} i"),
    ],
)
def test_values_that_are_nearly_equal_differ(one: str, other: str) -> None:
    assert not same_value(tree(one), tree(other))
    assert not same_value(tree(other), tree(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\sqrt[3]{x - 5}", "(x - 5)^{1/3}"),
        (r"\sqrt[3]{x - 5}^2", "(x - 5)^{2/3}"),
        (r"\frac{1}{\sqrt[5]{x - 5}}", "(x - 5)^{-0.2}"),
        ("(-8)^{1/3}", "-2"),
    ],
)
def test_a_power_with_an_odd_root_is_real(one: str, other: str) -> None:
    assert same_value(tree(one), tree(other), POINT)
    assert not same_value(tree(one), tree(other), POINT, principal=True) or "{2/3}" not in other


def test_a_principal_power_is_complex_and_a_root_sign_is_not() -> None:
    assert same_value(tree("(-8)^{1/3}"), tree(r"1 + \sqrt{3} i"), principal=True)
    assert same_value(tree(r"\sqrt[3]{-8}"), tree("-2"), principal=True)
    assert same_value(tree("(x - 5)^{1/2}"), tree(r"i \sqrt{5 - x}"), POINT)
    assert same_value(tree("(x - 5)^{2/4}"), tree(r"\sqrt{x - 5}"), POINT)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r"\frac{1}{\sqrt{2}\sqrt{3} - \sqrt{6}}", "a division by zero"),
        (r"\tan(\arccos 0)", "a division by zero"),
        (r"\ln(\sqrt{2}\sqrt{3} - \sqrt{6})", "a logarithm of zero"),
        (r"(\sqrt{2}\sqrt{3} - \sqrt{6})^{-1}", "a division by zero"),
        (r"(\sqrt{2}\sqrt{3} - \sqrt{6})^{-\pi}", "a power of zero"),
        ("0^0", "a power of zero"),
        ("(-3)!", "gamma function pole"),
        ("y", "y has no value"),
    ],
)
def test_undefined_values(text: str, reason: str) -> None:
    with pytest.raises(UndefinedError, match=reason):
        value_of(tree(text))


@pytest.mark.parametrize("text", ["(1, 2)", r"\text{a b}", r"\sec^{-1} 2"])
def test_what_is_not_a_number_here(text: str) -> None:
    with pytest.raises(UnsupportedError):
        value_of(tree(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("6^{6^6}", "6^{6^6} + 1"),
        ("2^{2^{2^{200}}}", "3"),
        (r"\sqrt{3}(2^{90000} - 1)", r"\sqrt{3} \cdot 2^{90000}"),
        (r"\sqrt{3}", r"\sqrt{3}(1 + 10^{-9999})"),
        (r"\sin 2^{2^{100}}", r"\frac{1}{2}"),
        ("(10^{900})!", r"\pi"),
        (r"\sqrt{3}", "+".join([r"10^{-200} \arctan 5"] * 99) + r"+ \sqrt{3}"),
    ],
)
def test_what_cannot_be_told_apart_is_soon_given_up(one: str, other: str) -> None:
    start = time.process_time()
    with pytest.raises(TooLargeError):
        same_value(tree(one), tree(other))
    assert time.process_time() - start < 20


_ROOTS = st.recursive(
    st.integers(1, 99).map(str),
    lambda sub: (
        st.tuples(sub, st.sampled_from(["+", "-", r"\cdot "]), sub).map(lambda t: f"({''.join(t)})")
        | sub.map(lambda a: rf"\sqrt{{{a}}}")
    ),
    max_leaves=6,
)


@given(_ROOTS, _ROOTS)
def test_a_square_is_worked_out_and_a_tiny_change_is_seen(a: str, b: str) -> None:
    square, expanded = tree(f"({a} + {b})^2"), tree(rf"({a})^2 + 2({a})({b}) + ({b})^2")
    assert same_value(square, expanded)
    assert not same_value(square, tree(rf"({a})^2 + 2({a})({b}) + ({b})^2 + 10^{{-500}}"))


@given(st.floats(-20, 20), st.sampled_from(["sin", "cos", "tan", "arctan", "sinh", "cosh", "tanh", "exp"]))
def test_functions_have_the_values_of_the_standard_library(x: float, name: str) -> None:
    expected = getattr(math, name.replace("arc", "a"))(x)
    node = ("fn", name, ("num", Fraction(x)))
    assert complex(value_of(node)) == pytest.approx(expected, rel=1e-9, abs=1e-12)
