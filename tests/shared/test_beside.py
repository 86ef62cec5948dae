"""What stands beside a box: what changes its value, and what only stands there."""

# ruff: noqa: E501, RUF001 (tables, and signs that look like others)
from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.beside import changed_by
from justtinker_plugins.text import last_boxed


def beside(text: str) -> str:
    box = last_boxed(text)
    assert box is not None
    return changed_by(text, box.start, box.end)


@pytest.mark.parametrize(
    "text",
    [
        r"-\boxed{6}", r"x = -\boxed{6}", r"$- \boxed{6}$", "\\[\n- \\boxed{6}\n\\]", "x =\n- \\boxed{6}", r"-$\boxed{6}$",
        r"5 - \boxed{6}", r"−\boxed{6}", r"$\pm\boxed{6}$", r"-\left(\boxed{6}\right)", r"-\textbf{\boxed{6}}",
        r"y + \boxed{6}", r"$\boxed{6} + 1$", r"\boxed{6} - 5", r"\boxed{6} - y", r"$\boxed{6} - \text{x}$",
        r"2\cdot\boxed{6}", r"2 × \boxed{6}", r"2\boxed{6}", r"$2 \boxed{6}$", r"2*\boxed{6}", r"n\boxed{6}", r"$5(\boxed{6})$",
        r"$x^{2}\boxed{6}$", r"\frac12 \boxed{6}", r"$\frac{1}{2}\boxed{6}$", r"$\pi\boxed{6}$", r"2π\boxed{6}", r"$(x+1)\boxed{6}$",
        r"$\boxed{6}x$", r"$\boxed{6} i$", r"$\boxed{6}\pi$", r"$\boxed{6}\sqrt{2}$", r"$\boxed{6}(x+1)$", r"\boxed{6}e5",
        r"$\boxed{6}\times 10^3$", r"\boxed{6}*2", r"1/\boxed{6}", r"\boxed{6}/2", r"\boxed{6} / 100", r"\boxed{3}/\boxed{6}",
        r"\boxed{6}^2", r"\boxed{6}^{-1}", r"\boxed{6}²", r"$\boxed{6}$^2", r"\fbox{6}$^2$", r"(\boxed{6})^2", r"2^{\boxed{6}}",
        r"$\boxed{6}!$", r"\boxed{6}!", r"x = \boxed{6}!", r"$\boxed{6}'$", r"\boxed{6}_8", r"$|\boxed{6}|$",
        r"\sqrt{\boxed{6}}", r"\sqrt[3]{ \boxed{6} }", r"\frac{1}{\boxed{6}}", r"\frac{\boxed{6}}{2}", r"\binom{9}{\boxed{6}}",
        r"\dfrac{\sqrt{2}}{\boxed{6}}", r"\sqrt{x=\boxed{6}}", r"\phantom{\boxed{6}}", r"\cancel{\boxed{6}}",
        r"\sin\boxed{6}", r"$\ln(\boxed{6})$", r"\log_2 \boxed{6}", r"\boxed{6}00", r"\boxed{6}.5", r"\boxed{6},000", r"\boxed{6}{,}000",
        r"$\boxed{6}{}^2$", r"$-{}\boxed{6}$", r"$-\text{}\boxed{6}$", r"$\overline{\boxed{6}}$", r"$\lfloor \boxed{6} \rfloor$",
        r"$\boxed{6} \bmod 5$", r"√\boxed{6}", r"\boxed{6} million", r"\boxed{6}\text{ hundredths}", r"$\boxed{6}\text{ dozen}$", r"\boxed{3}:\boxed{6}:7",
    ],
)  # fmt: skip
def test_what_changes_the_value(text: str) -> None:
    assert beside(text)


@pytest.mark.parametrize(
    "text",
    [
        r"\boxed{6}", r"x = \boxed{6}", r"\boxed{6}.", r"\boxed{6}, because", r"$\boxed{6}$", r"$$\boxed{6}$$", r"\(\boxed{6}\).",
        r"\[ 1+5 = \boxed{6} \]", r"\[\begin{aligned} x &= 5+1 \\ &= \boxed{6} \end{aligned}\]", r"$\Rightarrow\boxed{6}$",
        r"\boxed{6}\text{ cm}", r"$\boxed{6}\,\mathrm{m/s}^2$", r"$\boxed{6} m$", r"\boxed{6} apples", r"\boxed{6}cm", r"\boxed{6}/month",
        r"$\boxed{6}\%$", r"\boxed{6}%", r"$\boxed{6}^\circ$", r"$\boxed{6}^{\circ}$", r"\$\boxed{6}", r"$\boxed{6} \pmod{7}$",
        r"- \boxed{6}", "so:\n- \\boxed{6}", "* \\boxed{6}", "+ \\boxed{6}", r"1. \boxed{6}", "2. x\n3. \\boxed{6}", r"> \boxed{6}",
        r"**\boxed{6}**", r"*\boxed{6}*", r"_\boxed{6}_", r"**Answer:** \boxed{6}", r"| total | \boxed{6} |", r"# \boxed{6}",
        r"Answer - \boxed{6}", r"Answer – \boxed{6}", r"Step 3 - \boxed{6}", r"\boxed{6} - a nice number", r"\boxed{6} (since 5+1)",
        r"The answer is \boxed{6}!", "The answer is:\n\n\\boxed{6}!", r"So $x=\boxed{6}$!", r"(the answer is \boxed{6})", r"(A) \boxed{6}",
        r"\textbf{\boxed{6}}", r"$\color{red}{\boxed{6}}$", r"{\Large\boxed{6}}", r"$\text{Total: }\boxed{6}$", r"$\{\boxed{6}\}$",
        "$$\\boxed{6}$$\n- And more.", "\\boxed{6}\n\n2. More", r"costs $5 and so on: \boxed{6} - ok", r"答案是\boxed{6}。", r"答案：$\boxed{6}$",
        r"$n = 5$ and \boxed{6}", r"$f(2) = \boxed{6}$ m",
    ],
)  # fmt: skip
def test_what_only_stands_there(text: str) -> None:
    assert beside(text) == ""


@given(
    st.sampled_from(["So", "we have", "x =", "It is 5:", "**"]), st.sampled_from(["$", "$$", ""]), st.integers(0, 99)
)
def test_a_value_alone_in_its_mathematics_is_never_refused(prose: str, sign: str, value: int) -> None:
    text = rf"{prose} {sign}\boxed{{{value}}}{sign}, and we are done."
    assert beside(text) == ""
    assert beside(text.replace(r"\boxed", r"-\boxed")) == "-"
    assert beside(text.replace("}", "}^2")).startswith("^")


@given(
    st.text(alphabet="\\{}()[]$-+*/^_!=|. \n\t1xab,", max_size=60),
    st.text(alphabet="\\{}()$-+*/^_!., \n1xa", max_size=60),
)
def test_any_neighbours_are_read(before: str, after: str) -> None:
    text = f"{before} \\boxed{{5}}{after}"
    changed_by(text, len(before) + 1, len(before) + 10)


@pytest.mark.parametrize(
    "unit", [" ", "(", "{", "}", "\\text{", "$", "\\ ", "[", "a", "\\begin {", "-", "*", "^{", "_1", "\\frac1"]
)
def test_what_is_read_is_capped(unit: str) -> None:
    text = unit * 20_000 + "\\boxed{5}"
    started = time.process_time()
    for _ in range(20):
        changed_by(text + unit * 20_000, len(text) - 9, len(text))
    assert time.process_time() - started < 20 * 0.02
