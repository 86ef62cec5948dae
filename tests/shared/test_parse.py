from __future__ import annotations

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.parse import Node, parse
from justtinker_plugins.shared.latex.tokens import MalformedError, TooLargeError, UnsupportedError, decimal_literal


def tree(text: str) -> Node:
    return parse(normalise(text))


def num(value: int | Fraction) -> Node:
    return ("num", Fraction(value))


X = ("sym", "x")


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("5", num(5)),
        ("-5", ("neg", num(5))),
        (r"0.333\ldots", num(Fraction(1, 3))),
        ("0.1666...", num(Fraction(1, 6))),
        (r".1212\dots", num(Fraction(4, 33))),
        (r"0.011011\ldots", num(Fraction(11, 999))),
        (r"2.1\ldots", ("mul", (num(Fraction(21, 10)), ("sym", "\\ldots")))),
        ("i5", ("mul", (("const", "i"), num(5)))),
        (r"7 \text{ to } 4", ("rel", (num(7), num(4)), (":",))),
        ("1.5e-3", num(Fraction(3, 2000))),
        (r"1\frac{4}{5}", ("add", (num(1), ("div", num(4), num(5))))),
        (r"1\frac45\%", ("pct", ("add", (num(1), ("div", num(4), num(5)))))),
        (r"-1\tfrac45^\circ", ("neg", ("deg", ("add", (num(1), ("div", num(4), num(5))))))),
        (r"\$1\frac{4}{5}", ("unit", ("add", (num(1), ("div", num(4), num(5)))), "dollars")),
        (r"3 \cdot 1\frac45", ("mul", (num(3), ("add", (num(1), ("div", num(4), num(5))))))),
        (r"1\frac45^2", ("mul", (num(1), ("pow", ("div", num(4), num(5)), num(2))))),
        (r"(1)\frac45", ("mul", (num(1), ("div", num(4), num(5))))),
        (r"x^2\frac45", ("mul", (("pow", X, num(2)), ("div", num(4), num(5))))),
        (r"2\frac{5}{4}", ("mul", (num(2), ("div", num(5), num(4))))),
        (r"\frac43", ("div", num(4), num(3))),
        ("x^10", ("pow", X, num(10))),
        ("2x", ("mul", (num(2), X))),
        ("-x^2", ("neg", ("pow", X, num(2)))),
        (r"\sqrt[3]{x}", ("root", num(3), X)),
        (r"\sin^2 x", ("pow", ("fn", "sin", X), num(2))),
        (r"\sin^{-1} x", ("fn", "arcsin", X)),
        (r"\sin 2x + 1", ("add", (("fn", "sin", ("mul", (num(2), X))), num(1)))),
        (r"\log_2 x", ("div", ("fn", "ln", X), ("fn", "ln", num(2)))),
        ("|x|", ("fn", "abs", X)),
        ("f(x)", ("sym", "f(x)")),
        ("C_{10}", ("sym", "C_10")),
        ("52_8", ("base", "52", "8")),
        ("(52)_{(8)}", ("base", "52", "8")),
        ("€5", ("unit", num(5), "euros")),
        ("5€", ("unit", num(5), "euros")),
        ("¥5", ("unit", num(5), "¥")),
        ("5 miles per hour", ("unit", num(5), "miles per hour")),
        ("5 square units", ("unit", num(5), "square units")),
        ("5千米", ("unit", num(5), "千米")),
        ("5 abc", ("mul", (num(5), ("sym", "a"), ("sym", "b"), ("sym", "c")))),
        ("0,111", ("list", (num(0), num(111)))),
        ("5!", ("fact", num(5))),
        (r"5\%", ("pct", num(5))),
        ("5°", ("deg", num(5))),
        (r"5\text{ cm}^2", ("unit", num(5), "cm^2")),
        (r"5\,\mathrm{N}\cdot\mathrm{m}", ("unit", num(5), "N  m")),
        (r"x\mathrm{m}", ("mul", (X, ("sym", "m")))),
        ("1, 2", ("list", (num(1), num(2)))),
        (r"1 \text{ or } 2", ("list", (num(1), num(2)))),
        (r"\{1, 2\}", ("set", (num(1), num(2)))),
        ("(1, 2]", ("tuple", "(]", (num(1), num(2)))),
        ("]1, 2[", ("tuple", "()", (num(1), num(2)))),
        ("x = 1", ("rel", (X, num(1)), ("=",))),
        (r"1 < x \le 2", ("rel", (num(1), X, num(2)), ("<", "<="))),
        (r"(0,1) \cup (2,3)", ("union", (("tuple", "()", (num(0), num(1))), ("tuple", "()", (num(2), num(3)))))),
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", ("matrix", ((num(1), num(2)), (num(3), num(4))))),
        (r"\langle 1, 2\rangle", ("tuple", "()", (num(1), num(2)))),
        (r"\begin{cases} x=1, \\ x=2 \end{cases}", tree("x=1, x=2")),
        (r"1 \pm x", ("pm", num(1), X)),
        (r"\text{east}", ("text", "east")),
        (r"\text{12}", num(12)),
        (r"0.1\overline{6}", num(Fraction(1, 6))),
        ("e^{i\\pi}", ("pow", ("const", "e"), ("mul", (("const", "i"), ("const", "\\pi"))))),
    ],
)
def test_trees(text: str, node: Node) -> None:
    assert tree(text) == node


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("(1, 2", r"'\(' is never closed"),
        ("1 +", "something is missing at the end"),
        (r"12 \text{ is wrong}", "unexpected 'is wrong'"),
        ("x2", "'x' and '2' side by side"),
        ("(5]", r"'\(' is closed by '\]'"),
        (r"5\%\%", r"unexpected '\\\\%'"),
        ("12?", r"'\?' is not mathematics"),
        (r"\frac{1}", "something is missing at the end"),
        (r"\frac2.^5", "a decimal without braces"),
        (r"\text{not} x", "words cannot be multiplied"),
        (r"\nonsense", r"\\nonsense is not known here"),
        ("1 = ", "something is missing at the end"),
        (r"\begin{pmatrix} 1", "pmatrix is never closed"),
        (r"\langle 1, 2)", r"is closed by '\)', or does not hold a vector"),
    ],
)
def test_malformed(text: str, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        tree(text)


@pytest.mark.parametrize(
    "text",
    [
        r"\int_0^1 x dx",
        r"\sum_{k=1}^n k",
        r"\max(a, b)",
        r"\begin{vmatrix} 1 \end{vmatrix}",
        r"\begin{cases} 1 \\ 2 \end{cases}",
    ],
)
def test_operators_are_unsupported(text: str) -> None:
    with pytest.raises(UnsupportedError, match="is not known"):
        tree(text)


@pytest.mark.parametrize(
    "text", ["f(x+1)", "f(2x)", "f(a+b)", "g(2-x)", "P(x-1)", "h(f(x)+1)", "f^{-1}(x+1)", "f(f(x))"]
)
def test_an_expression_is_the_argument_of_a_function(text: str) -> None:
    assert tree(text)[0] == "call"


@pytest.mark.parametrize("text", ["g(m-M)", "h(a+b)", "P(1+r)", "x(y+1)", "2f", "k(x+1)", "G(M+m)", "f"])
def test_an_expression_is_a_factor_after_other_letters(text: str) -> None:
    assert "call" not in str(tree(text))


@pytest.mark.parametrize("text", ["C(n,2)", "f(-1)", "V(x,+0,z)", "f^{-1}(3)", "I(0)", r"g(\theta)", "P(-2)"])
def test_simple_arguments_are_part_of_the_name(text: str) -> None:
    assert tree(text) == ("sym", normalise(text).strip())


def test_a_sum_is_read_on_demand() -> None:
    assert parse(r"\sum_{k=1}^n u_{k+1}x + 2", sums=True) == (
        "add", (("big", "sum", "k", num(1), ("sym", "n"),
                 ("mul", (("call", "u_", (("add", (("sym", "k"), num(1))),)), ("sym", "x")))), num(2)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("(" * 100 + "1" + ")" * 100, "nested more than 40 deep"),
        ("2^" * 100 + "2", "nested more than 40 deep"),
        ("1+" * 2000 + "1", "more than 1500 symbols"),
        ("1e99999", "a number of more than 2000 digits"),
        ("1" * 2500, "a number of more than 2000 digits"),
        ("1" + "!" * 100, "too many powers"),
    ],
)
def test_caps(text: str, reason: str) -> None:
    with pytest.raises(TooLargeError, match=reason):
        tree(text)


def test_thousands_are_a_separate_reading() -> None:
    assert parse("1,234,567", thousands=True) == num(1234567)
    assert parse("1,234", thousands=False) == ("list", (num(1), num(234)))
    assert parse("12,34", thousands=True) == ("list", (num(12), num(34)))


def test_a_letter_in_mathrm_is_a_unit_or_a_symbol() -> None:
    text = normalise(r"3\,\mathrm{A}")
    assert parse(text) == ("unit", num(3), "A")
    assert parse(text, units=False) == ("mul", (num(3), ("sym", "A")))


@given(st.fractions(), st.integers(-30, 30))
def test_numbers_are_exact(value: Fraction, exponent: int) -> None:
    digits = f"{abs(value.numerator)}.{value.denominator}e{exponent}"
    assert decimal_literal(digits) == Fraction(f"{abs(value.numerator)}.{value.denominator}") * Fraction(10) ** exponent


_COMMANDS = (
    r"\frac", r"\sqrt", r"\{", r"\}", r"\pm", r"\text{cm}", r"\sin", r"\pi", r"\\", "&",
    r"\begin{pmatrix}", r"\end{pmatrix}",
)  # fmt: skip
_PIECES = st.sampled_from((*"0123456789xyi+-*/^_=<>(){}[],|!%' ", *_COMMANDS))


@given(st.integers(0, 99), st.integers(1, 9999).map(str), st.integers(2, 4))
def test_a_continued_decimal_goes_on_as_it_began(before: int, period: str, times: int) -> None:
    value = parse(normalise(rf"0.{before:02}{period * times}\ldots"))
    longer = parse(normalise(rf"0.{before:02}{period * (times + 2)}\ldots"))
    assert value == longer
    digits = f"{before:02}{period * times}"
    assert 0 <= value[1] - Fraction(int(digits), 10 ** len(digits)) <= Fraction(1, 10 ** len(digits))


@settings(max_examples=500)
@given(st.lists(_PIECES, max_size=80).map("".join))
def test_any_text_is_a_tree_or_an_error(text: str) -> None:
    with contextlib.suppress(MalformedError, UnsupportedError, TooLargeError):
        assert isinstance(tree(text), tuple)
