r"""Which equal answers are refused because no work was done, and which are answers all the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.ladder import compare, readings_of, restates
from justtinker_plugins.shared.latex.made_of import sorted_parts
from justtinker_plugins.shared.latex.restated import math_snippets


@pytest.mark.parametrize(
    ("question", "expressions"),
    [
        ("47+38=?", ["47+38"]),
        ("What is 12 × 3, and $x^2 = 4$?", ["x^2", "4", "12 × 3"]),  # noqa: RUF001
        (r"Let \(a \le b + 1\) and \[c = \frac{1}{2}.\]", ["a", "b + 1", "c", r"\frac{1}{2}"]),
        ("On 2024-01-02 it costs $5.", ["2024-01-02"]),
        ("[asy] draw((1+2,sqrt(51))); [/asy] How long is it?", []),
        ("", []),
    ],
)
def test_math_snippets_of_a_question(question: str, expressions: list[str]) -> None:
    assert list(math_snippets(question)) == expressions


SUM = "47+38=?"


@pytest.mark.parametrize(
    ("question", "gold", "answer"),
    [
        (SUM, "85", "47+38"),
        (SUM, "85", "38 + 47"),
        (SUM, "85", "(47+38)"),
        (SUM, "85", "x = 47+38"),
        (SUM, "85", "47+38 = 38+47"),
        (SUM, "85", r"1 \cdot 47 + 38 + 0"),
        ("Compute $17 \\cdot 23$.", "391", r"23 \times 17"),
        ("What is 4.7+3.8?", "8.5", "3.8+4.7"),
        (r"Simplify $\frac{6}{8}$.", r"\frac{3}{4}", "6/8"),
        ("How much is 2/8 as a decimal?", "0.25", "Q = 2/8"),
        ("Factor $x^2-1$.", "(x-1)(x+1)", "-1+x^2"),
        (r"Of $12\sqrt{180}$ and $2\sqrt{180}$, simplify the latter.", r"12\sqrt{5}", r"2\sqrt{180}"),
        ("Factor $x^2-1$.", "(x-1)(x+1)", r"1 \cdot (x^2-1)"),
        ("Factor $x^2-1$.", "(x-1)(x+1)", "x^2 - 1 + 0"),
        (r"Simplify $\sqrt{180}$.", r"6\sqrt{5}", r"(\sqrt{180})^1"),
    ],
)
def test_the_question_in_another_order_is_restated(question: str, gold: str, answer: str) -> None:
    assert restates(question, gold, answer)


@pytest.mark.parametrize(
    ("question", "gold", "answer"),
    [
        (SUM, "85", "85"),
        (SUM, "85", "47+38 = 85"),
        (SUM, "85", r"\frac{170}{2}"),
        (r"The angle is $60^\circ$. What is half of $120^\circ$?", "60", r"60^\circ"),
        (r"[asy] D = (sqrt(51),7); [/asy] What is $DE$?", r"\sqrt{51}", "sqrt(51)"),
        (r"What is $\frac{3}{4}$ of 1?", "0.75", r"\frac{3}{4}"),
        ("A quarter, 1/4, of 2/2?", "0.25", "1/4"),
        ("Which is larger, $2^{10}$ or $10^2$?", "2^{10}", r"2^{10}"),
        ("Is $x^2-1$ or $(x-1)^2$ equal to $(x-1)(x+1)$?", "x^2-1", "(x-1)(x+1)"),
        ("All $(n+1)^{3}-1$ points", "3n", "(3n)"),
        ("Compute $3n + 4n$ for $n = 2$.", "14", r"2 \cdot 7"),
        ("What is $1+1$", "two", "2"),
        (r"It is $12\sqrt3$ long.", r"\sqrt{12}", r"2\sqrt3"),
        (r"Compute $17 \cdot 235$.", "391", r"17 \cdot 23"),
        ("What is $(1+$", "5", "5"),
        ("As $2+6=8$, what is a dozen?", "12", r"2 \cdot 6"),
        (r"Simplify $\sqrt{242}$.", r"11\sqrt2", r"11 \cdot 2^{1/2}"),
        ("Expand $(x+1)(x+2)$.", "x^2+3x+2", "2 + 3x + x^2"),
        ("Factor $x^2+2x-15$.", "(x+5)(x-3)", r"(x-3) \cdot (5+x)"),
        (r"What is $\frac{-3+4i}{1+2i}$?", "1+2i", "{1+2i}"),
        (r"What is $\frac{-3+4i}{1+2i}$?", "1+2i", "2i+1"),
    ],
)
def test_worked_out_expressions_are_not_restated(question: str, gold: str, answer: str) -> None:
    assert not restates(question, gold, answer)


DISGUISES = [
    r"({})\cdot 2^0", r"2^0\cdot ({})", r"\frac{7({})}{7}", r"({})^{2/2}", r"\frac{{}}{2}\cdot 2", r"\sqrt{({})^2}",
    r"\sqrt[3]{({})^3}", r"({})^1", r"({})+5-5", r"\frac{{}}{7^0}", r"-(-({}))", r"({})\cdot\frac{3}{3}", r"({})(2-1)",
    r"\frac12({})+\frac12({})", r"\frac{1}{\frac{1}{{}}}", r"2({})-({})", r"\frac{({})^2}{{}}", r"({})\cdot 100\%",
    r"x = ({})\cdot 1^5 = ({}) + 0",
]  # fmt: skip
OPEN = [
    (r"Simplify $\sqrt{242}$.", r"\sqrt{242}", r"11\sqrt2"),
    (r"Find $\arcsin \left( -\frac{1}{2} \right).$", r"\arcsin(-\frac12)", r"-\frac{\pi}{6}"),
    ("Simplify $(-k + 4) + (-2 + 3k)$.", "(-k+4)+(-2+3k)", "2k+2"),
    (r"Compute $17 \cdot 23$.", r"17\cdot23", "391"),
    ("Factor $x^2+2x-15$.", "x^2+2x-15", "(x+5)(x-3)"),
    ("Expand $(x+1)(x+2)$.", "(x+1)(x+2)", "x^2+3x+2"),
    (r"Write $\frac{-3+4i}{1+2i}$ as $a+bi$; $\frac{3+4i}{1+2i}$ is wrong.", r"\frac{-3+4i}{1+2i}", "1+2i"),
]


@pytest.mark.parametrize("disguise", ["{}", *DISGUISES])
@pytest.mark.parametrize(("question", "expression", "gold"), OPEN)
def test_an_expression_of_the_question_is_recognised_in_any_disguise(
    question: str, expression: str, gold: str, disguise: str
) -> None:
    assert restates(question, gold, disguise.replace("{}", expression))
    assert not restates(question, gold, f"{disguise.replace('{}', expression)} = {gold}")
    assert not restates(question, gold, disguise.replace("{}", gold))


@pytest.mark.parametrize(
    ("question", "gold", "answer"),
    [
        (r"Compute $17 \cdot 23$.", "391", r"\frac{7 \cdot 17 \cdot 23}{7}"),
        (r"Compute $17 \cdot 23$.", "391", r"\frac{17}{1/23}"),
        (r"Simplify $\sqrt{242}$.", r"11\sqrt2", "242^{0.5}"),
        (r"Simplify $\frac{x^2-1}{x-1}$.", "x+1", r"(x^2-1)(x-1)^{-1}"),
        (r"Simplify $\frac{x^2-1}{x-1}$.", "x+1", r"\frac{7(x^2-1)}{7(x-1)}"),
        ("Expand $(x+1)^2$.", "x^2+2x+1", "(x+1)(x+1)"),
        ("Expand $(x+1)(x+2)$.", "x^2+3x+2", r"(x+1) \cdot \frac{7(x+2)}{7}"),
        (r"What is $\frac12 + \frac14$?", r"\frac34", "0.5+0.25"),
        (r"What is $\frac12 + \frac14$?", r"\frac34", r"\frac24 + \frac14"),
        ("What is $(5/2)^3 (2/5)^3$?", "1", r"\frac12 ((5/2)^3 (2/5)^3) + \frac12 ((5/2)^3 (2/5)^3)"),
        (r"Compute $17 \cdot 23$.", "391", r"17 \cdot 23" + r" \cdot 1" * 400),
    ],
)
def test_other_ways_to_do_nothing(question: str, gold: str, answer: str) -> None:
    assert restates(question, gold, answer)


@pytest.mark.parametrize("answer", [r"12 \cdot \frac{1e4999}{1e4999}", r"12 + 0 \cdot 1e-4999", "12e4500 / 1e4500"])
def test_very_long_numbers_are_parts_like_others(answer: str) -> None:
    assert not restates("What is $7+5$?", "12", answer)


UNFINISHED = [
    ("85", "50+35"),
    ("85", "40+7+38"),
    ("85", "x = 50+35"),
    ("85", "50+35 = 51+34"),
    ("85", "47--38"),
    ("85", r"\frac{47+38}{1}"),
    ("85", r"47^1 + 38 \cdot 1"),
    ("85", "85+0"),
    ("x = 85", "x = 50+35"),
    (r"85^\circ", r"(50+35)^\circ"),
    ("1, 2", "2, 0+1"),
    ("(3,4)", "(1+2,4)"),
    ("8.5", "4+4.5"),
    ("-12", "-(10+2)"),
    ("-1", "0 % -1"),
    ("8", r"5\text{ cm} + 3\text{ cm}"),
    ("85", r"47+38 \cdot 2^0"),
    ("85", "|47|+|38|"),
    ("85", r"\sqrt{47^2}+38"),
    ("85", "47^{2/2}+38"),
    ("85", r"47+\frac{38}{7^0}"),
    ("85", "47+(37+2^0)"),
    ("85", r"47(1+\frac{38}{47})"),
    ("85", r"47+\frac{76}{2}"),
    ("85", r"\frac{4700+3800}{100}"),
    ("85", r"47 \cdot \frac{2^9}{2^9} + 38"),
    ("85", r"\frac{47^3}{47^2} + 38"),
    ("85", r"47^3 \cdot 47^{-2} + 38"),
    ("1815", r"47 \cdot 38+29"),
    ("48", r"2^2 \cdot 11 + 4"),
    (r"\begin{pmatrix} 4 \\ 6 \end{pmatrix}", r"\begin{pmatrix} 1+3 \\ 2+4 \end{pmatrix}"),
    (r"\frac{3}{4}", "0.5+0.25"),
    (r"\frac{3}{4}", r"\frac{2+1}{4}"),
]
FINISHED = [
    ("1537", r"3 \cdot 2^9 + 1"),
    ("1025", "(-2)^{10}+1"),
    ("5.5", r"5\frac12"),
    (r"\frac{14}{3}", r"4\frac{2}{3}"),
    ("85", "50+35 = 85"),
    ("85", "x = 50 + 35 = 85"),
    ("85", r"5 \cdot 17"),
    ("1025", "2^{10}+1"),
    ("1.8", r"1\frac{4}{5}"),
    (r"\frac{3}{4}", r"1 - \frac{1}{4}"),
    (r"3+2\sqrt{2}", r"2\sqrt{2}+3"),
    ("6+9i", "9i+6"),
    ("n+1", "1+n"),
]


@pytest.mark.parametrize(("gold", "answer"), UNFINISHED)
def test_an_unevaluated_sum_is_refused(gold: str, answer: str) -> None:
    assert compare(gold, answer) == (False, "gate", "a sum is left unevaluated")


@pytest.mark.parametrize(("gold", "answer"), FINISHED)
def test_finished_answers_are_accepted(gold: str, answer: str) -> None:
    assert compare(gold, answer).equal is True


@given(st.integers(-99, 99), st.integers(-99, 99), st.sampled_from(["{a}+{b}", "{b} + {a}", "({a}) - (-({b}))"]))
def test_any_sum_of_two_numbers_is_refused(a: int, b: int, form: str) -> None:
    assert compare(str(a + b), form.format(a=a, b=b)).equal is False
    assert compare(str(a + b), f"{form.format(a=a, b=b)} = {a + b}").equal is True


@given(st.permutations(["x^2", "3y", "17", r"\sqrt{2}"]))
def test_the_order_of_parts_makes_no_difference(terms: list[str]) -> None:
    trees, others = readings_of("+".join(terms)), readings_of("+".join(sorted(terms)))
    assert isinstance(trees, tuple)
    assert isinstance(others, tuple)
    assert sorted_parts(trees[0]) == sorted_parts(others[0]) == ("17", "2", "2", "2", "3", "pow", "root", "x", "y")
