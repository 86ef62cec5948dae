r"""Which equal answers leave the work that the question asks for, and which forms are as good as the gold's."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.asked_form import forms_asked, work_dodged

Case = tuple[str, str, list[str], list[str]]
CASES: list[Case] = [  # question, gold, finished answers, dodges
    (
        r"Compute $13 \cdot 27$.",
        "351",
        ["351", "351.0", r"3.51 \cdot 10^2", r"351 \text{ units}", r"13 \cdot 27 = 351", r"351 \cdot 1", r"\{351\}"],
        [
            "20^2-7^2", r"13\% \cdot 2700", r"\frac{26 \cdot 54}{4}", r"\frac{702}{2}", r"1.3 \cdot 270", "(20-7)27",
            r"13 \cdot \frac{54}{2}", r"26 \cdot 13.5", r"\frac{13}{1/27}", r"3^3 \cdot 13", r"x = 39 \cdot 9",
            r"39 \cdot 9 = 9 \cdot 39", "378-27", r"35.1 \cdot 10",
        ],
    ),
    ("What is 96/8?", "12", ["12"], ["24/2", r"\frac{48}{4}", r"3 \cdot 4", r"12 \cdot \frac{8}{8} \cdot 2 / 2"]),
    ("Evaluate $3^6$.", "729", ["729"], ["9^3", "27^2", r"3 \cdot 3^5"]),
    (r"Compute $3^2 \cdot 3^4$.", "729", ["729", "3^6"], ["9^3", r"9 \cdot 81", r"3^3 \cdot 3^3"]),
    (
        r"Compute $\frac34 \cdot \frac57$.",
        r"\frac{15}{28}",
        ["15/28", r"\frac{30}{56}"],
        [r"\frac{3 \cdot 5}{28}", r"\frac{1.5}{2.8}"],
    ),
    (r"Find $\frac{30!}{28!}$.", "870", ["870"], [r"30 \cdot 29", r"29 \cdot 30"]),
    (
        r"Compute $2 + 4 + 6 + \cdots + 60$.",
        "930",
        ["930", "930.0"],
        [r"30 \cdot 31", r"\frac{60 \cdot 31}{2}", r"\frac{1860}{2}"],
    ),
    (r"Evaluate $\sum_{k=1}^{30} 2k$.", "930", ["930"], [r"30 \cdot 31", r"\frac{60 \cdot 31}{2}"]),
    (r"Evaluate $\sum_{k=0}^{9} \binom{9}{k}$.", "512", ["2^9", "512"], [r"2 \cdot 256", r"\frac{1024}{2}"]),
    ("Evaluate $ab$ for $a = 13$ and $b=27$.", "351", ["351", "ab = 351"], [r"13 \cdot 27", r"\frac{26 \cdot 27}{2}"]),
    ("Compute $(3+i)(1-2i)$.", "5-5i", ["-5i+5", "5(1-i)"], ["(i+3)(-2i+1)", "(1-2i)(3+i)", r"\frac{50}{5+5i}"]),
    ("Compute $(3+i)(1-2i)$.", "5-5i", [], ["5-5i^5", "-5i^2-5i"]),
    ("Evaluate $i^{9} + 4$.", "4+i", ["i+4"], ["i^5+4", "i - 4i^2"]),
    (r"Simplify $\sqrt{x} \cdot x$.", "x^{3/2}", [r"x\sqrt{x}", "x^{1.5}"], [r"x\sqrt{x} + \cos x - \cos x"]),
    (r"Simplify $i^{n} \cdot i$.", "i^{n+1}", ["i^{1+n}"], []),
    (r"Write $\frac{1}{2-\sqrt3}$ without a root below.", r"2+\sqrt3", [r"\sqrt3+2"], [r"\frac{3}{6-3\sqrt3}"]),
    ("How many words of 9 letters a, b?", "512", ["2^9", r"2 \cdot 256", r"\frac{1024}{2}"], []),
    ("Compute the number of words of 5 letters a, b, c.", "243", ["3^5", r"3 \cdot 81"], []),
    (
        r"Compute $12 \cdot 10$ as a product of primes.",
        r"2^3 \cdot 3 \cdot 5",
        [r"5 \cdot 3 \cdot 2^3", r"2 \cdot 2 \cdot 2 \cdot 3 \cdot 5"],
        [r"8 \cdot 15", "120"],
    ),
    (
        r"Write $\frac{28}{42}$ in lowest terms.",
        r"\frac23",
        ["2/3", r"\frac{-2}{-3}", r"\frac{28}{42} = \frac{2}{3}"],
        [r"\frac{4}{6}", "14/21", r"\frac{2 \cdot 2}{6}", r"2 \cdot \frac13", r"\frac{1}{1.5}", r"1 - \frac13"],
    ),
    ("How likely is it? Give a common fraction.", r"\frac14", ["1/4"], ["2/8", "0.25", r"25\%"]),
    ("How likely is it?", r"\frac14", ["1/4", "2/8", "0.25", r"25\%"], []),
    ("Find $m+n$ if it is $m/n$ in lowest terms.", "12", ["12", r"3 \cdot 4"], []),
    (
        r"Simplify $\sqrt{98}$.",
        r"7\sqrt2",
        [r"\sqrt2 \cdot 7", r"7 \cdot 2^{1/2}", r"\frac{7\sqrt2}{1}", r"\sqrt{98} = 7\sqrt2"],
        [
            r"\sqrt{49 \cdot 2}", r"\sqrt[4]{9604}", r"\sqrt{196/2}", r"\frac{14}{\sqrt2}", r"\frac{14\sqrt2}{2}",
            r"\sqrt{7} \sqrt{14}", r"\frac{\sqrt{392}}{2}", r"5\sqrt2 + 2\sqrt2", r"9604^{1/4}", r"\sqrt{99-1}",
        ],
    ),
    (
        "How long is it, in simplest radical form?",
        r"\frac{\sqrt5}{5}",
        [r"\frac15 \sqrt5"],
        [r"\frac{1}{\sqrt5}", r"\sqrt{1/5}"],
    ),
    (
        r"Simplify $\frac{2}{\sqrt{20}}$.",
        r"\frac{\sqrt5}{5}",
        [r"\frac{1}{\sqrt5}"],
        [r"\sqrt{\frac15}", r"\frac{3}{\sqrt{45}}"],
    ),
    (
        r"Simplify $\frac{x^2-25}{x-5}$.",
        "x+5",
        ["5+x"],
        [
            r"\frac{(x-5)(x+5)}{x-5}", r"\frac{3x+15}{3}", r"\frac{x^2+5x}{x}",
            r"\frac{(x+5)^2}{x+5}", r"\frac{x+5}{1/x}\frac1x", "x+7-2",
            r"x + 5\sin^2 x + 5\cos^2 x", r"(\sqrt{x+5})^2", r"\ln e^{x+5}", "x+5e^0",
        ],
    ),
    ("Simplify $4(k+1)-k-2$.", "3k+2", ["2+3k"], ["4(k+1)-(k+2)", "4k+4-k-2", "3(k+1)-1"]),
    ("Simplify $(a+2)^2-(a-2)^2-4$.", "8a-4", ["4(2a-1)"], ["(a+2)^2-(a-2)^2-2-2"]),
    (r"Simplify $\frac{1+\cos 2x}{\sin 2x}$.", r"\cot x", [r"\frac{\cos x}{\sin x}", r"\frac{1}{\tan x}"], []),
    (
        "Factor $x^2+3x-10$.",
        "(x-2)(x+5)",
        ["(x+5)(x-2)", "(2-x)(-5-x)", "-(2-x)(x+5)", r"(5+x) \cdot (x-2)", "x^2+3x-10 = (x-2)(x+5)"],
        [
            "x(x+3)-10", "(x-2)x + 5(x-2)", "(x+1.5)^2-12.25",
            r"\frac{(2x-4)(x+5)}{2}", r"x(x+3-\frac{10}{x})", "(x-2)(x+2+3)",
        ],
    ),
    ("Factor $x^4-81$ completely.", "(x-3)(x+3)(x^2+9)", ["(x^2+9)(x+3)(x-3)"], ["(x^2-9)(x^2+9)"]),
    ("Factor $5x^2-20$.", "5(x-2)(x+2)", ["5(x+2)(x-2)"], ["(5x-10)(x+2)", "5(x^2-4)"]),
    (
        "Write the prime factorization of 84.",
        r"2^2 \cdot 3 \cdot 7",
        [r"7 \cdot 3 \cdot 2^2"],
        ["84", r"4 \cdot 21", r"12 \cdot 7"],
    ),
    ("What is the greatest common factor of 24 and 36?", "12", ["12", r"3 \cdot 4"], []),
    (
        "Expand $(x-2)(x+5)$.",
        "x^2+3x-10",
        ["-10+3x+x^2", "3x+x^2-10"],
        [
            "(x-2)x+5(x-2)", r"\frac{(2x-4)(x+5)}{2}", "(x+1.5)^2-12.25",
            "x(x+3)-10", r"\frac{2x^2+6x-20}{2}", "(x-2)(5+x)",
        ],
    ),
    (r"Write $\frac58$ as a decimal.", "0.625", [".625", r"6.25 \cdot 10^{-1}"], ["10/16", r"\frac{625}{1000}"]),
    (r"Write $\frac{19}{4}$ as a mixed number.", r"4\frac34", ["4 3/4"], ["38/8", "4.75"]),
    ("Write 67000 in scientific notation.", r"6.7 \times 10^4", [r"6.70 \cdot 10^{4}"], ["67000", r"67 \cdot 10^3"]),
    ("Factor or expand $3x+3$ as you like.", "3(x+1)", ["3(1+x)"], []),
    (r"Simplify $\frac{10}{8}$ to fourths or eighths.", r"\frac{10}{8}", ["10/8"], []),
]  # fmt: skip
FINISHED = [(question, gold, answer) for question, gold, answers, _ in CASES for answer in answers]
DODGES = [(question, gold, answer) for question, gold, _, answers in CASES for answer in answers]


@pytest.mark.parametrize(("question", "gold", "answer"), FINISHED)
def test_finished_answers_are_not_refused(question: str, gold: str, answer: str) -> None:
    assert work_dodged(question, gold, answer) == ""


@pytest.mark.parametrize(("question", "gold", "answer"), DODGES)
def test_dodged_work_is_refused_in_words(question: str, gold: str, answer: str) -> None:
    assert work_dodged(question, gold, answer).startswith("the question asks ")


@pytest.mark.parametrize(("question", "gold", "answer"), DODGES)
def test_dodged_work_is_refused_in_a_list_or_with_a_name(question: str, gold: str, answer: str) -> None:
    assert "=" in answer or work_dodged(question, gold, f"Q = {answer}")


@pytest.mark.parametrize(
    ("question", "forms"),
    [
        ("Simplify $x+x$.", ["to simplify"]),
        ("Find the sum, then simplify.", ["to simplify"]),
        ("We can simplify this. How many?", []),
        ("Factor $x^2-1$ completely.", ["to factor"]),
        ("Which factor of $x^2-1$ is even? Use integrating factors.", []),
        ("Expand and factorise it.", ["to expand", "to factor"]),
        ("When it expands, the gas cools.", []),
        ("Express your answer as a common fraction.", ["for lowest terms"]),
        ("To one decimal place, how long is it?", []),
        ("What is $1/2$ as a decimal?", ["for a decimal"]),
        ("", []),
    ],
)
def test_the_forms_that_a_question_asks_for(question: str, forms: list[str]) -> None:
    assert sorted(forms_asked(question)) == sorted(forms)


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("Simplify it.", r"\frac{2}{4}", "the question asks to simplify, and a fraction can be reduced"),
        ("Give it in lowest terms.", "0.5", "the question asks for lowest terms, and a decimal is no fraction"),
        ("Compute $3/4 - 1/4$.", r"2 \cdot \frac14", "the question asks for a value, and arithmetic is left"),
        ("Simplify it.", r"\frac12" + "+0" * 300, "the question asks for work, and the answer is padded"),
    ],
)
def test_reasons_are_in_words(question: str, answer: str, reason: str) -> None:
    assert work_dodged(question, r"\frac12", answer) == reason


@given(st.integers(1, 99), st.integers(1, 99), st.integers(2, 9))
def test_lowest_terms_are_as_the_whole_numbers_say(top: int, bottom: int, k: int) -> None:
    question, gold = "Write it in lowest terms.", rf"\frac{{{top}}}{{{bottom}}}"
    assert work_dodged(question, gold, f"{top}/{bottom}") == ""
    reduces = any(top % n == bottom % n == 0 for n in range(2, 100))
    assert bool(work_dodged(question, r"\frac12", f"{top}/{bottom}")) == reduces
    assert bool(work_dodged(question, r"\frac12", f"{k * top}/{k * bottom}"))


@given(st.integers(2, 60), st.integers(2, 60), st.integers(2, 9))
def test_a_product_in_other_figures_is_no_value(a: int, b: int, k: int) -> None:
    question, gold = rf"Compute ${a} \cdot {b}$.", str(a * b)
    assert work_dodged(question, gold, gold) == ""
    for dodge in (
        rf"\frac{{{k * a} \cdot {b}}}{{{k}}}",
        rf"{a} \cdot \frac{{{k * b}}}{{{k}}}",
        rf"\frac{{{k * a * b}}}{{{k}}}",
    ):
        assert work_dodged(question, gold, dodge)


@given(st.permutations(["(x-2)", "(x+5)", "3", "(y+1)"]), st.permutations(["x^2", "3x", "17", "y"]))
def test_the_order_of_factors_and_terms_is_free(factors: list[str], terms: list[str]) -> None:
    assert work_dodged("Factor it.", "3(x-2)(x+5)(y+1)", "".join(sorted(factors, key="3".__ne__))) == ""
    assert work_dodged("Expand and simplify it.", "x^2+3x+y+17", "+".join(terms)) == ""


@pytest.mark.parametrize(
    "answer",
    [
        r"\frac{7^{9000}}{7^{9000}} \cdot " * 30 + "351",
        "(x+1)^{12}" * 60,
        "+".join(rf"\sqrt{{{10**29 + k}}}" for k in range(90)),
        "".join(r"\frac{1}{1+" for _ in range(18)) + "x" + "}" * 18,
        "(a+b+c+d+e+f)" * 40,
    ],
)
def test_no_answer_takes_long(answer: str) -> None:
    for question in (
        "Simplify, factor and expand it in simplest radical form, in lowest terms.",
        r"Compute $13 \cdot 27$.",
    ):
        work_dodged(question, "351", answer)
        started = time.process_time()
        work_dodged(question, "351", answer)
        assert time.process_time() - started < 20
