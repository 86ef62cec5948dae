from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.parse import Node, parse
from justtinker_plugins.shared.latex.residues import same_rational
from justtinker_plugins.shared.latex.tokens import TooLargeError
from justtinker_plugins.shared.latex.values import InexactError, UndefinedError, exact_value


def tree(text: str) -> Node:
    return parse(normalise(text))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("3000!", r"2999! \cdot 3000", True),
        ("3000!", "3001!", False),
        (r"\frac{1}{1500!}", r"\frac{1501}{1501!}", True),
        (r"\frac{1}{1500!}", r"\frac{1}{1499!}", False),
        (r"\frac{1}{1500!}", "0", False),
        (r"\frac{1}{1500!}", r"-\frac{1}{1500!}", False),
        (r"1 - \frac{1}{1500!}", "1", False),
        ("6^{90000}", r"36^{45000}", True),
        ("6^{90000}", "6^{90000} + 1", False),
        ("6^{-90000}", r"\frac{1}{6^{90000}}", True),
        (r"\binom{5000}{2500}", r"\frac{5000!}{2500!^2}", True),
        (r"\binom{5000}{2500}", r"\binom{5000}{2499}", False),
        (r"\binom{3}{5}", "0", True),
        ("5^{2^{900}} - 1", "25^{2^{899}} - 1", True),
        ("5^{2^{900}} - 1", "5^{2^{900}}", False),
        (r"\sqrt{16} \cdot 2^{99999}", "2^{100001}", True),
        (r"300\% \cdot 2^{99999}", r"3 \cdot 2^{99999}", True),
        (r"8^{2/3} \cdot 2^{99999}", "2^{100001}", True),
    ],
)
def test_numbers_too_long_to_write_out(one: str, other: str, same: bool) -> None:
    assert same_rational(tree(one), tree(other)) is same
    assert same_rational(tree(other), tree(one)) is same


def test_letters_have_the_values_of_the_point() -> None:
    point = {"x": Fraction(7, 5)}
    assert same_rational(tree("(2x)^{90000}"), tree("2^{90000} x^{90000}"), point)
    assert not same_rational(tree("(2x)^{90000}"), tree("2^{90000} x^{90001}"), point)


@pytest.mark.parametrize("text", [r"\sqrt{2} \cdot 2^{90000}", r"\pi", "x", "2^{0.5}", "(-1)!", r"(\frac{1}{2})!"])
def test_what_is_not_rational_by_its_form(text: str) -> None:
    with pytest.raises(InexactError):
        same_rational(tree("1"), tree(text))


@pytest.mark.parametrize("text", [r"\frac{1}{3000! - 3000!}", "0^{-1}", "0^0", r"(2 - 2)^{-2}"])
def test_undefined_values(text: str) -> None:
    with pytest.raises(UndefinedError, match="a division by zero"):
        same_rational(tree("1"), tree(text))


@pytest.mark.parametrize("text", ["2^{2^{99999}}", "(10^6)!", r"\binom{10^6}{10^5}", "+".join(["x^{2^{5000}}"] * 9)])
def test_caps(text: str) -> None:
    start = time.process_time()
    with pytest.raises(TooLargeError):
        same_rational(tree("1"), tree(text), {"x": Fraction(7, 5)})
    assert time.process_time() - start < 20


_NUMBERS = st.integers(-9, 9).map(lambda n: f"({n})")
_EXPRESSIONS = st.recursive(
    _NUMBERS,
    lambda sub: (
        st.tuples(sub, st.sampled_from("+-*/"), sub).map(lambda t: f"({t[0]}{t[1]}{t[2]})")
        | st.tuples(sub, st.integers(-3, 3)).map(lambda t: f"({t[0]}^{{{t[1]}}})")
    ),
    max_leaves=6,
)


@given(_EXPRESSIONS, _EXPRESSIONS)
def test_it_agrees_with_fractions(one: str, other: str) -> None:
    try:
        expected = exact_value(tree(one)) == exact_value(tree(other))
    except UndefinedError:
        with pytest.raises(UndefinedError):
            same_rational(tree(one), tree(other))
        return
    assert same_rational(tree(one), tree(other)) is expected
