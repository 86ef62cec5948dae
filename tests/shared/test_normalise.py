# ruff: noqa: RUF001 (letters that spelling like others)
from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.normalise import normalise, to_ascii


def spelling(text: str) -> str:
    return normalise(text).replace(" ", "")


@pytest.mark.parametrize(
    "family",
    [
        [
            "5",
            " 5 ",
            "$5$",
            r"\(5\)",
            "5.",
            r"5\,",
            r"\displaystyle 5",
            r"5\!",
            "5\n",
            "\u200b5",
            "５",
            r"\color{red}5",
        ],
        [r"\frac{1}{2}", r"\dfrac{1}{2}", r"\tfrac{1}{2}", r"\cfrac{1}{2}", "½"],
        [r"x \le 2", r"x \leq 2", r"x \leqslant 2", "x ≤ 2", "x <= 2"],
        [r"x \ge 2", r"x \geq 2", r"x\geqslant 2", "x ≥ 2"],
        [r"x \neq 2", r"x \ne 2", "x ≠ 2", "x != 2", "x!=2"],
        ["(1,2]", r"\left(1,2\right]", r"\bigl(1, 2\bigr]", r"\Big( 1,\, 2 \Big]"],
        ["90^\\circ", "90°", "90^{\\circ}", "90\\degree", "90 ^ { \\circ }"],
        ["3,159", r"3\,159", "3{,}159", r"3,\!159", r"3\,159 ", "3~159"],
        ["1.5e-8", "1.5E-8", r"1.5\mathrm{e}-8", r"1.5\text{e}{-8}"],
        [r"\text{cm}", r"\mathrm{cm}", r"\textbf{cm}", r"\mbox{cm}"],
        [r"\mathrm{m}", r"\mathrm m", r"\mathrm{ m }", r"{\rm m}", r"\mathrm{\,m}"],
        [r"x^{2}", "x²"],
        [r"\frac{\sqrt{3}}{2}", r"{\sqrt{3}\over2}"],
        [r"\binom{n}{2}", r"{n\choose 2}"],
        [r"\ln(2)", r"\mathrm{ln}(2)", r"\text{ln}(2)"],
        ["2.5", "2{,}5"],
        ["0.125", "0{,}125"],
        ["1, 2", r"1\quad 2", r"1\qquad2", r"1 \quad\quad 2"],
        [r"15\%", "15％", "百分之15"],
        ["15 percent", "15 per cent", "15 por ciento"],
        [r"15\text{celsius}", "15°C", r"15^{\circ}\text{C}", r"15^\circ C", "15℃"],
        [r"\text{15}", "fifteen", r"\text{Fifteen}"],
        [r"\frac{1}{2}", r"\text{$\frac{1}{2}$}"],
        [r"25\%", r"\text{25\%}"],
        ["12", "12。", r"\huge 12"],
        ["€12", r"\text{€}12"],
        ["1010_2", "(1010)_2"],
        ["x=3+2=5", r"\begin{aligned}x &= 3+2 \\ &= 5\end{aligned}"],
        ["x=1,y=2", r"\begin{aligned}x &= 1 \\ y &= 2 \\ \end{aligned}"],
        [r"\begin{cases}x=1\\y=2\end{cases}", r"\left\{\begin{array}{l}x=1\\y=2\end{array}\right."],
        [r"1\\2", r"1\\[6pt]2"],
        [r"x_{10}", "x₁₀"],
        [r"\pi r", "πr"],
        ["y'", r"y^{\prime}", r"y^\prime", "y′"],
        [r"\emptyset", r"\varnothing", "∅"],
        [r"\{1\}", r"\left\{1\right\}", r"\lbrace 1 \rbrace"],
        [r"\arcsin (x)", r"\operatorname{arcsin}(x)"],
        ["-5", "−5", "–5", "‐5", "－5"],
        [
            "7",
            "7\ufe0f",
            "\\text{ }7",
            "7\\text{}",
            "7\\ ",
            "7\\",
            r"\Rightarrow 7",
            r"\implies 7",
            "⇒ 7",
            "∴ 7",
            "=7",
            "７",
        ],
        [r"\mathbf{7}", r"\colorbox{red}{7}", r"\fcolorbox{red}{white}{7}"],
        ["60^\\circ", "60˚", "60°", "60º"],
        ["1,2", "1、2", "1，2"],
        [r"(0,1) \cup [2,3]", "(0,1) U [2,3]", "(0,1)∪[2,3]", "(0,1)U[2,3]"],
        [r"\mathbb{Z} \setminus \{0\}", "ℤ∖\\{0\\}"],
        [r"x<1 \lor x>2", "x<1 ∨ x>2", r"x<1 \text{ or } x>2"],
        [r"\sqrt[4]{3}", "∜{3}"],
        [r"2 \times 3", "2 ⨯ 3", "2✕3", "2×3"],
        ["3:30", r"\text{3:30}", "3{:}30", "3：30", "3∶30"],
        ["58,500", r"58\,500", "58 500".replace(" ", "\\ ")],
        ["58, 500", r"58\quad500", r"58 \qquad 500"],
        [r"\pi", r"\mathrm{\pi}", r"\text{\pi}"],
        [r"0.3\ldots", "0.3...", "0.3…"],
    ],
    ids=lambda family: family[0],
)
def test_equal_looking_texts_share_a_spelling(family: list[str]) -> None:
    assert {spelling(text) for text in family} == {spelling(family[0])}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12", "1 2"),
        ("3159", "3 160"),
        ("1.5", "15"),
        (".5", "5"),
        ("x'", "x"),
        (r"1 \\ 2", "1 2"),
        ("-5", "5"),
        ("(1,2)", "(1,2]"),
        (r"\text{12}", r"\text{1 2}"),
        ("1e5", "15"),
        (r"\{1\}", "1"),
        (r"\sqrt{x}y", r"\sqrt{xy}"),
        ("5!", "5"),
        (r"5\%", "5"),
        (r"\mathrm{m}", r"\mathrm{e}"),
        (r"\mathrm{m}", "m"),
        ("1,2", "1{,}2"),
        (r"5\text{ sec}2", r"5\sec 2"),
        (r"12\text{5\%}", r"125\%"),
        ("x(10)_3", "x10_3"),
        (r"\\[6,7]", r"\\"),
        (r"\begin{aligned}1 & 2\end{aligned}", "12"),
        ("5!=120", r"5 \neq 120"),
    ],
)
def test_different_texts_stay_different(one: str, other: str) -> None:
    assert spelling(one) != spelling(other)


@given(st.text(st.characters(codec=None), max_size=200))
def test_any_unicode_is_normalised(text: str) -> None:
    normalise(text)
    assert not any("０" <= char <= "９" for char in to_ascii(text))


@given(st.text(r"0123456789.,eE+-/\{}() $^_textfracboxed!~", max_size=60))
def test_normalising_is_idempotent(text: str) -> None:
    once = normalise(text)
    assert normalise(once.replace("\x00", " ")).replace(" ", "").strip(".;,") == once.replace(" ", "").strip(".;,")


_PIECES = st.sampled_from((
    *"0123456789.,{}()[]_^ $=!", r"\mathrm{m}", r"\mathrm m", r"\mathrm{", r"{\rm ", r"\text{", r"\text{ln}",
    r"\text{$", "$}", r"\over", r"\choose", r"{a\over b}", r"\sqrt", "{,}", r"\%}", "€", "。", r"\$", r"\huge", "&",
    "per cent", r"\,", r"\begin{aligned}", r"\end{aligned}", r"\begin{cases}", r"\end{cases}", r"\\", r"\\[6pt]",
    r"\langle", r"\rangle",
))  # fmt: skip


@given(st.lists(_PIECES, max_size=16).map("".join))
def test_normalising_is_idempotent_where_rules_meet(text: str) -> None:
    once = normalise(text)
    assert normalise(once.replace("\x00", " ")).replace(" ", "").strip(".;,") == once.replace(" ", "").strip(".;,")


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        " ",
        "{",
        "\\",
        r"\text{",
        r"\,",
        "1 ",
        "1/",
        "e",
        "1e",
        "^{",
        r"\prime",
        "1,",
        r"\left",
        r"\begin{",
        r"{\over",
        r"\begin{aligned}",
        r"\begin{aligned}&=",
        r"\left\{\begin{array}{l}",
        r"\\[",
        "{a}",
        "{{a}",
        r"{\rm a",
        r"\mathrm",
        "1{,}",
        "(1)",
        r"\text{$",
        r"\text{ln}",
        "$",
        "½",
    ],
)
@pytest.mark.slow
def test_time_is_linear_in_the_length(piece: str) -> None:
    """No pattern backtracks: a text sixteen times as long may not take much more than sixteen times the time."""

    def seconds(count: int) -> float:
        best = 1.0
        for k in range(3):
            started = time.process_time()
            normalise(piece * count + str(k))
            best = min(best, time.process_time() - started)
        return best

    assert seconds(16_000) < 60 * seconds(1_000) + 0.05
