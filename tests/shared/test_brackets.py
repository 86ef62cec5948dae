r"""What is left to do with the brackets of an expression, and what its factors are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.brackets import factors, has_closed_brackets, has_like_terms, has_product_of_sums
from justtinker_plugins.shared.latex.made_of import tidy
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.parse import Node, parse


def tree(text: str) -> Node:
    read: Node = tidy(parse(normalise(text)))
    return read


@pytest.mark.parametrize(
    ("text", "closed", "products"),
    [
        ("2(x+1)", True, False),
        ("(x+1)(x-2)", True, True),
        ("(x+1)^2", True, True),
        ("(1+i)(2-i)", True, True),
        ("x^2+3x", False, False),
        ("x^{2(n+1)}", False, False),
        (r"\frac{x+1}{2}", False, False),
        (r"2\sin(x+1)", False, False),
        (r"1\frac12", False, False),
    ],
)
def test_closed_brackets(text: str, closed: bool, products: bool) -> None:
    assert (has_closed_brackets(tree(text)), has_product_of_sums(tree(text))) == (closed, products)


@pytest.mark.parametrize("text", ["x(x+1)-(x+1)", "(x-1)^2+4", "2x+x", "x+2+3", r"3\sqrt2+\sqrt2", "x/2+x", "ab+ba"])
def test_like_terms(text: str) -> None:
    assert has_like_terms(tree(text))


@pytest.mark.parametrize(
    "text", ["x^2+x", "x(x+1)-2", "2(x+1)", "4n(2n+1)+1", "1+i", r"1\frac12", "(x+1)^{40}+1", "x+y", "1/x+1"]
)
def test_terms_that_are_not_alike(text: str) -> None:
    assert not has_like_terms(tree(text))


@pytest.mark.parametrize(
    ("text", "count"),
    [("3(x-1)(x+2)", 2), ("(x-1)^2 x", 3), (r"2^2 \cdot 3", 3), ("12", 1), ("-(x-1)", 1), (r"5 \cdot 2^{9999}", 65)],
)
def test_factors(text: str, count: int) -> None:
    assert len(factors(tree(text))) == count


@given(st.lists(st.sampled_from(["x^2", "y", "xy", "7", "z^3", "x"]), min_size=2, unique=True))
def test_different_monomials_are_not_alike_and_a_second_of_one_is(monomials: list[str]) -> None:
    text = "+".join(monomials)
    assert not has_like_terms(tree(text))
    assert has_like_terms(tree(f"{text} - 5{monomials[0]}" if monomials[0] != "7" else f"{text}-5"))
