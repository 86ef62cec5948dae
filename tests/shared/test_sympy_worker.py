from __future__ import annotations

import pytest

from justtinker_plugins.shared.latex.sympy_worker import WARM_UP, grade


@pytest.mark.parametrize(
    ("gold", "answer", "found"),
    [
        (*WARM_UP, "equal"),
        ("1", "1", "equal"),
        ("1", "2", "different"),
        (r"\int_0^1 x^2 dx", r"\frac{1}{3}", "equal"),
        (r"\sum_{k=1}^{n} k", r"\frac{n(n+1)}{2}", "equal"),
        (r"\lim_{x \to 0} \frac{\sin x}{x}", "1", "equal"),
        (r"\max(a, b)", r"\max(b, a)", "equal"),
        (r"\max(a, b)", r"\max(a, c)", "different"),
        (r"\{1, 2\}", r"\{2, 1\}", "equal"),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", "equal"),
        # what math-verify accepts, and should not
        (r"1.6 \cdot 10^{-19}", "0.0", "overlooked"),
        (r"\frac{1}{2^{99}}", r"\frac{1}{2^{98}}", "overlooked"),
        (r"\sqrt{2}", "1.4142136", "overlooked"),
        (r"\frac{1}{1900!}", r"\frac{1}{1901!}", "overlooked"),
        ("e^{-4000}", "e^{-4001}", "overlooked"),
        (r"\max(a, b)", r"\max(a, b) + 10^{-99}", "overlooked"),
        (r"\int_0^1 e^{-x^2} dx", r"\int_0^1 e^{-x^2} dx + 10^{-99}", "overlooked"),
        # what Python's numbers are too small for
        ("1900!", "1900!", "equal"),
        ("1900!", "1901!", "different"),
        ("7^{9000}", r"\pi", "different"),
        (r"\frac{1}{x - 7} \max(x, 1)", r"\max(1, x) \frac{1}{x - 7}", "equal"),
        # what nobody can parse
        (r"\nonsense", "1", "gold"),
        ("1", r"\nonsense", "answer"),
        ("1", "", "answer"),
    ],
)
def test_grades(gold: str, answer: str, found: str) -> None:
    assert grade(gold, answer)[0] == found


def test_reasons_are_in_words() -> None:
    assert grade("1", "2")[1] == "sympy finds no way to make them equal"
    assert grade(r"1.6 \cdot 10^{-19}", "0.0")[1] == "equal only within an absolute tolerance"
    assert grade(r"\nonsense", "1")[1] == "math-verify cannot parse the gold"
