from __future__ import annotations

import pytest

from justtinker_plugins.shared.latex.ladder import compare
from justtinker_plugins.shared.latex.names import group_ratios, is_bare_name, is_name, is_quantity, is_rival
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.parse import Node, parse


def tree(text: str) -> Node:
    return parse(normalise(text))


@pytest.mark.parametrize("text", ["y", "AB", "g(x)", "a_1", r"\angle PQR", "|S|", r"\text{area}", "(x,y)"])
def test_names(text: str) -> None:
    assert is_name(tree(text))


@pytest.mark.parametrize(
    "text",
    [
        "|PQ|", r"|\vec{p}-\vec{q}|", "PQ^2", r"\tan B", r"\sin^2 B", r"\cos(A-B)", r"\sin\angle PQR", r"\cos\theta",
        r"\frac{PQ}{RS}", "PQ/RS", "S_1:S_2", "a:b:c", r"\vec{p}\cdot\vec{q}",
    ],
)  # fmt: skip
def test_compound_names(text: str) -> None:
    assert is_quantity(tree(text))
    assert compare(f"{text} = 7", "7").equal is True
    assert compare(f"{text} = 7", f"{text} = 7").equal is True
    assert compare(f"{text} = 7", "8").equal is False


@pytest.mark.parametrize("words", ["Area of PQR", "negative root", "second half"])
def test_words_may_name_a_value(words: str) -> None:
    assert compare("7", rf"\text{{{words}}} = 7").equal is True


@pytest.mark.parametrize(
    "words", ["not the area", "twice the area", "half the area", "Area squared", "minus", "negative", "wrong answer"]
)
def test_words_that_change_a_value_do_not_name_it(words: str) -> None:
    assert compare("7", rf"\text{{{words}}} = 7").equal is False
    assert compare("7", rf"7 = \text{{{words}}}").equal is False


@pytest.mark.parametrize("gold", ["never", "false", "negative", "red"])
def test_a_gold_of_words_has_no_other_words_beside_it(gold: str) -> None:
    assert compare(rf"\text{{{gold}}}", rf"\text{{always}} = \text{{{gold}}}").equal is False
    assert compare(rf"\text{{{gold}}}", rf"\text{{{gold}}} = \text{{always}}").equal is False
    assert compare(rf"\text{{{gold}}}", rf"\textbf{{{gold.capitalize()}}}").equal is True


@pytest.mark.parametrize(
    "text", ["x+y", "|x|", "2x", "x^2+y^2", r"\tan x", r"\frac{x}{y}", r"\ln A", "xy", "|z-1|", "A+B", "2AB", "x^2"]
)
def test_sides_of_equations_are_no_names(text: str) -> None:
    assert not is_quantity(tree(text))
    assert compare(f"{text} = 7", "7").equal is False
    assert compare(f"{text} = 7", f"{text} = 7").equal is True


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        ("S_{PQR}:S=5:9", ["5:9", "S_{PQR}:S=5:9"], ["9:5", "5:8", "S:S_{PQR}=5:9"]),
        (r"\frac{PQ}{RS}=\frac{2}{\sqrt5}", [r"\frac{2\sqrt5}{5}", r"\frac{PQ}{RS}=\frac{2\sqrt5}{5}"],
         [r"\frac{\sqrt5}{2}", r"\frac{RS}{PQ}=\frac{2}{\sqrt5}"]),
        ("|PQ|=4", ["4", "PQ=4", "|PQ|=4"], ["5", "PR=4", "|PR|=4"]),
        ("5:9", ["k=5:9"], ["k=9:5", "S_1:S_2=5:9", "5:9=k:1"]),
        ("2x", [r"2x \text{ m}"], [r"2x \text{ A}"]),
        (r"\sin B=0.6", ["0.6", r"\frac35", r"\sin B=\frac35"], ["0.8", r"\cos B=0.6"]),
        (r"\frac{PQ}{RS}=\frac{TU}{VW}", [r"\frac{PQ}{RS}=\frac{TU}{VW}"], [r"\frac{TU}{VW}"]),
        ("y(t)=Ae^{3t}", ["y=Ae^{3t}", "Ae^{3t}"], ["x=Ae^{3t}", "y=Ae^{2t}", "y(2)=Ae^{3t}"]),
        ("y=Ae^{3t}", ["y(t)=Ae^{3t}"], ["y(3)=Ae^{3t}"]),
        ("y=6", ["6", "y=6"], ["y(t)=6", "x=6"]),
        (r"V(r,-0)=\frac{q}{r}", [r"\frac{q}{r}"], [r"\frac{q}{r^2}"]),
        (r"\frac{x+4}{3}", [r"g^{-1}(x)=\frac{x+4}{3}", r"f^{-1}(x)=\frac{x+4}{3}"], [r"f^{-1}(x)=\frac{x+3}{4}"]),
    ],
)  # fmt: skip
def test_named_values(gold: str, right: list[str], wrong: list[str]) -> None:
    assert [answer for answer in right if not compare(gold, answer).equal] == []
    assert [answer for answer in wrong if compare(gold, answer).equal is not False] == []


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        ("D", ["D", "(D)", r"\text{D}", "D.", "D = D"],
         ["C=D", "D=C", "D=y", r"C\approx D", r"C\in D", r"C\equiv D", "C=E=D", "C:D", "C, D", "P(C)=D", "f(2)=D",
          r"\text{(C)} D", r"D \text{ C}", r"D\,\mathrm{C}", r"\{C=D\}", "D(C)", r"\text{C}=\text{D}"]),
        (r"\text{D}", ["D"], ["C=D", "D=C"]),
        (r"\mathrm{D}", ["D"], ["C=D", "D=C"]),
        ("(D)", ["D", "(D)"], ["C=D", "(C)=(D)"]),
        ("z", ["z"], ["z=y", "y=z"]),
        ("PQ", ["PQ", r"\overline{PQ}"], ["PQ=RS", "RS=PQ", r"\overline{PR}", r"\overline{PQ}=\overline{RS}"]),
        (r"\angle P", [r"\angle P"], [r"\angle Q=\angle P"]),
        ("C, D", ["D, C"], ["C, A=D", "A=C, B=D"]),
        ("y=D", ["D", "y=D"], ["C=D", "y=C=D"]),
        ("a_1", ["y=a_1"], ["a_2=a_1", "a_1=b_1"]),
        ("I(0)", ["y=I(0)"], ["I(1)=I(0)"]),
        ("(a,b)", ["(a,b)", "P=(a,b)"], ["(b,a)=(a,b)", "(c,d)=(a,b)"]),
        (r"\infty", [r"y=\infty"], []),
        (r"\mathbb{R}", [r"D=\mathbb{R}", r"x\in\mathbb{R}"], []),
        ("-D", ["y=-D"], ["D=-D"]),
        ("8", ["AB=8", "y=8"], []),
    ],
)  # fmt: skip
def test_a_gold_that_is_a_name_has_no_other_name_beside_it(gold: str, right: list[str], wrong: list[str]) -> None:
    assert [answer for answer in right if not compare(gold, answer).equal] == []
    assert [answer for answer in wrong if compare(gold, answer).equal is not False] == []


def test_rivals_are_names_of_the_same_form() -> None:
    assert is_bare_name(tree("D"))
    assert not is_bare_name(tree(r"\infty"))
    assert is_rival(tree("g(2)"), tree("D"))
    assert not is_rival(tree("y"), tree("a_1"))
    assert not is_rival(tree("y"), tree("12"))


def test_ratios_are_sides_of_equations() -> None:
    sides = (("sym", "A"), ("sym", "B"), tree("1"), tree("2"))
    assert group_ratios(tree("A:B=1:2")) == (
        "rel", (("rel", sides[:2], (":",)), ("rel", sides[2:], (":",))), ("=",)
    )  # fmt: skip
    assert group_ratios(tree("3:40")) == tree("3:40")
