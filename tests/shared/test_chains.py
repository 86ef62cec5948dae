r"""Which sides of a chain are dropped because they only name what is asked, and which are not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.chains import (
    asked_expressions,
    has_several_values,
    split_sides,
    with_golds_name,
    without_asked_name,
    without_naming_sides,
)
from justtinker_plugins.shared.latex.ladder import compare, readings_of
from justtinker_plugins.shared.latex.normalise import normalise


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("12", ["12"]),
        ("x = 5 = 6", ["x", "5", "6"]),
        (r"\sum_{k=1}^{n} k = 3", [r"\sum_{k=1}^{n} k", "3"]),
        (r"\lim_{x \to 1} f(x=2) = 3", [r"\lim_{x \to 1} f(x=2)", "3"]),
        (r"\begin{cases} x=1 \end{cases}", [r"\begin{cases} x=1 \end{cases}"]),
        ("= 12", ["= 12"]),
        ("12 =", ["12 ="]),
        ("x == 12", ["x == 12"]),
        ("(x = 12", ["(x = 12"]),
        ("]x = 12[", ["]x = 12["]),
        ("", [""]),
    ],
)
def test_the_sides_of_a_chain(text: str, parts: list[str]) -> None:
    assert split_sides(text) == parts


@pytest.mark.parametrize(
    "text", ["1, 2", "1; 2", "a : b", r"x \le 2", r"1 \text{ and } 2", "1 or 2", r"\pm 1", r"1 \\ 2"]
)
def test_sides_with_several_values(text: str) -> None:
    assert has_several_values(text)
    assert not has_several_values(f"f({text})")


@pytest.mark.parametrize(
    ("chain", "left"),
    [
        (r"\sum_{k=1}^{100} k = 5050", "5050"),
        (r"S = \sum_{k=1}^{100} k = \frac{100 \cdot 101}{2} = 5050", r"S = \frac{100 \cdot 101}{2} = 5050"),
        (r"1 + 2 + \cdots + 100 = 5050", "5050"),
        (r"\binom{10}{3} = 120", r"\binom{10}{3} = 120"),
        (r"\frac{d}{dx} x^2 = 2x", "2x"),
        (r"\det A = -2", "-2"),
        (r"2^{10} \bmod 6 = 4", "4"),
        ("f^{-1}(3) = 12", "12"),
        ("f(-1) = 12", "12"),
        ("f(x+1) = 12", "f(x+1) = 12"),
        (r"P(A \cap B) = 12", "12"),
        (r"\mathrm{Var}(X) = 5", "5"),
        ("7 = 12", "7 = 12"),
        (r"12, \max f = 12", r"12, \max f = 12"),
        (r"13 \max f = 12", r"13 \max f = 12"),
        (r"\max f > 11 = 12", r"\max f > 11 = 12"),
        (r"13 \bmod 12, 3 = 12", r"13 \bmod 12, 3 = 12"),
        (r"12 = \max f", r"12 = \max f"),
    ],
)
def test_sides_that_only_name_are_dropped(chain: str, left: str) -> None:
    assert without_naming_sides(split_sides(normalise(chain)), readings_of) == normalise(left)


QUESTION = r"""Let $x + y = 12$ and $2x < 5$. Find $m+n$, then $k+1$. What is the value of $|z|$?
Compute \(\cos A\) and, for a line, determine its slope $x+y$."""


def test_expressions_that_a_question_asks_for() -> None:
    assert asked_expressions(QUESTION) == {"m+n", "|z|", r"\cosA"}
    assert asked_expressions("Find $x < 2$. Find $12$. Find $a, b$.") == set()


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("Find the ratio $PM:MQ$.", {"PM:MQ"}),
        (r"Find $|PQ|$ and $\overline{RS}$.", {"PQ", "RS"}),
        ("Find $y_1$, $y_2$ and the value of $z$.", {"y_1", "y_2", "z"}),
        ("Find $y$ if $z$ is even.", {"y"}),
        (r"If $y=2$, then $\sin B=$ ____.", {r"\sinB"}),
        (r"If $y=2$, then $\sin B=\underline{\hspace{1cm}}$.", {r"\sinB"}),
        (r"If $y=2$, then $z=?$", {"z"}),
        ("If $y=2$, then $z=3$. Find $z$.", set()),
        ("Find the largest value of $y+z$.", {"y+z"}),
        ("Find the sum of $y+z$.", {"y+z"}),
        ("Find the square of $y+z$.", set()),
        ("Find the number of divisors of $2n+1$.", set()),
        ("Find the derivative of $y^3$.", set()),
        ("What is the remainder when $y+z$ is divided by 7?", set()),
        ("What is the distance from $P$ to $Q$?", set()),
    ],
)
def test_names_are_asked_for_in_several_ways(question: str, names: set[str]) -> None:
    assert asked_expressions(question) == names


@pytest.mark.parametrize(
    ("question", "gold", "answer", "value"),
    [
        ("Find $y$ and $z$.", "a, b", "y = a, z = b", "a, b"),
        ("Find $y$ and $z$.", "(a, b)", "(y, z) = (a, b)", "(y, z) = (a, b)"),
        ("Find $y$.", "a", "z = a", "z = a"),
        ("Find $y$ in terms of $a$.", "a", "y = a", "a"),
        ("Give $A$, $B$ or $C$.", "B", "A = B", "A = B"),
        ("Find $PM:MQ$.", "3:8", "PM:MQ = 3:8", "3:8"),
        ("Find $PM:MQ$.", "3:8", "MQ:PM = 3:8", "MQ:PM = 3:8"),
        ("Find $PQ$.", "8", "|PQ| = 8", "8"),
        ("Find $|PQ|$.", "8", "PR = 8", "PR = 8"),
    ],
)
def test_asked_names_are_dropped_one_by_one(question: str, gold: str, answer: str, value: str) -> None:
    assert without_asked_name(question, gold, answer) == value


@pytest.mark.parametrize(
    ("question", "gold", "answer", "value"),
    [
        ("Find $x+y$.", "x+y=9", "9", "x+y = 9"),
        ("Find $x+y$.", "x+y=9", "y+x=9", "y+x=9"),
        ("Find the line.", "x+y=9", "9", "9"),
        ("Find $x+y$.", "9", "9", "9"),
        ("Find all $a$.", "a=2, a=-6", r"\{a=2, a=-6\}", r"\{a=2, a=-6\}"),
        ("Find all $a$.", "a=2, a=-6", "2, -6", "2, -6"),
    ],
)
def test_the_golds_name_is_written_if_it_is_asked_for(question: str, gold: str, answer: str, value: str) -> None:
    assert with_golds_name(question, gold, answer) == value


@pytest.mark.parametrize(
    ("gold", "answer", "value"),
    [
        ("113", "m + n = 113", "113"),
        ("113", "m+n = 100 + 13 = 113", "100 + 13 = 113"),
        ("12", "|z| = 12", "12"),
        (r"\frac12", r"\cos A = \frac12", r"\frac12"),
        ("12", "x + y = 12", "x + y = 12"),
        ("12", "k + 1 = 12", "k + 1 = 12"),
        ("12", "m + 2n = 12", "m + 2n = 12"),
        ("m+n=12", "m+n=12", "m+n=12"),
        ("12", "m+n", "m+n"),
        ("12", "12 = m+n", "12 = m+n"),
        ("12", "m+n > 12", "m+n > 12"),
    ],
)
def test_the_asked_expression_is_dropped_as_a_name(gold: str, answer: str, value: str) -> None:
    assert without_asked_name(QUESTION, gold, answer) == value
    assert without_asked_name("", gold, answer) == answer


def test_a_false_chain_stays_false() -> None:
    assert compare("12", without_asked_name(QUESTION, "12", "m + n = 11 = 12")).equal is False
    assert compare("12", without_asked_name(QUESTION, "12", "m + n = 7 + 5")).equal is False
    assert compare("12", without_asked_name(QUESTION, "12", "m + n = 12, 13")).equal is False


_PIECES = st.sampled_from(
    [*r"12xf()[]{}=,;<+ ", r"\max ", r"\binom{4}{2}", r"\ldots ", r"\text{or}", r"\bmod ", r"\sum_{k=1}^3 k"]
)


@given(st.lists(_PIECES, max_size=30).map("".join))
def test_a_chain_is_correct_only_if_an_outer_side_is(text: str) -> None:
    """Whatever is dropped, a chain is correct only if its last or first side is."""
    chain = split_sides(normalise(text))
    claim = without_naming_sides(chain, readings_of)
    assert claim.endswith(chain[-1])
    if compare("12", text).equal:
        assert compare("12", chain[-1]).equal or compare("12", chain[0]).equal


@pytest.mark.parametrize(
    "piece", ["=", "(", r"\max ", r"\frac{d", "f(", r"\bmod ", r"\ldots+", "P(a", "find $", "find "]
)
def test_time_is_linear_in_the_length(piece: str) -> None:
    def seconds(count: int) -> float:
        text = piece * count
        started = time.process_time()
        without_naming_sides(split_sides(text), readings_of)
        asked_expressions(text)
        has_several_values(text)
        return time.process_time() - started

    seconds(1)
    assert seconds(4_000) < 60 * seconds(400) + 0.3
