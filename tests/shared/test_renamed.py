from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.ladder import compare, with_golds_constants
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.renamed import calls, letters, letters_of_question, rename, renamings


def test_letters_have_their_index_and_words_have_none() -> None:
    text = normalise(r"g(x)=C_{1}\sin x + \lambda xy_2 + \pi e + cos t \text{ for any k}")
    assert letters(text) == {"g", "x", "C_1", r"\lambda", "y_2", "t"}


@pytest.mark.parametrize(
    ("text", "names", "renamed"),
    [
        (r"g(t)=\tan t + t_1", {"t": "x"}, r"g(x)=\tan x + t_1"),
        ("C_1x+C_{2}", {"C_1": "A", "C_2": "C_3"}, "Ax+C_{3}"),
        (r"axy", {"x": r"\lambda"}, r"a\lambda y"),
        (r"at \text{ for all at and } t", {"t": "x"}, r"ax \text{ for all at and } x"),
        ("xy", {"x": "y", "y": "x"}, "yx"),
    ],
)
def test_letters_are_replaced_at_once(text: str, names: dict[str, str], renamed: str) -> None:
    assert rename(text, names) == renamed


def test_functions_and_their_arguments() -> None:
    assert calls(r"g(t)=t, h(x,y) = x") == [("g", ("t",)), ("h", ("x", "y"))]
    assert calls("ag(t)=t, g(t+1)=2, g(3)=1") == []


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        ("g(n)=3n", ["g(x)=3x", "g(m)=3m", r"g(t)=3t \text{ for all } t"], ["g(x)=3n", "h(x)=3x", "3x", "g(2)=6"]),
        ("g(x)=b", ["g(t)=b"], ["g(x)=x", "g(b)=b", "g(x)=3"]),
        ("g(x,y)=x-y", ["g(s,t)=s-t"], ["g(s,t)=t-s", "g(s)=s-y"]),
        ("g(x)=x, g(x)=-x", ["g(t)=t, g(t)=-t"], ["g(t)=t"]),
        ("g(x)=bx", ["g(t)=bt", "g(x)=xb"], ["g(x)=ax", "g(x)=bx^2", "g(x)=b"]),
        ("P(A)=p", ["P(A)=p", "p"], ["P(B)=p"]),
        ("g(a)=5", ["5"], ["g(b)=5"]),
        (r"\frac{\pi}{5}+n\pi, n\in\mathbb{Z}", [r"\frac{\pi}{5}+k\pi, k\in\mathbb{Z}",
         r"\frac{\pi}{5}+k\pi \text{ for any integer } k"], [r"\frac{\pi}{5}+k\pi, k\in\mathbb{N}",
         r"\frac{\pi}{5}+2k\pi, k\in\mathbb{Z}", r"\frac{\pi}{5}+k\pi", r"\frac{\pi}{5}+k\pi, n\in\mathbb{Z}"]),
        (r"x=n\pi, n\in\mathbb{Z}", [r"k\pi, k\in\mathbb{Z}", r"x=k\pi, k\in\mathbb{Z}"],
         [r"n=k\pi, k\in\mathbb{Z}", r"kx, k\in\mathbb{Z}"]),
        (r"n\pi, n\in\mathbb{Z}", [r"x=k\pi, k\in\mathbb{Z}"], [r"n=k\pi, k\in\mathbb{Z}", r"x=x\pi, x\in\mathbb{Z}"]),
        (r"g(x)=bx \text{ for any real } b", [r"g(x)=ax, a\in\mathbb{R}", r"g(t)=at \text{ for any constant } a"],
         [r"g(x)=ax, a\in\mathbb{Z}", r"g(x)=ax^2, a\in\mathbb{R}"]),
    ],
)  # fmt: skip
def test_bound_and_declared_letters(gold: str, right: list[str], wrong: list[str]) -> None:
    assert [answer for answer in right if not compare(gold, answer).equal] == []
    assert [answer for answer in wrong if compare(gold, answer).equal is not False] == []


FIND = r"Find all functions $g$ with $g(x+y)=g(x)+g(y)$."


@pytest.mark.parametrize(
    ("question", "gold", "answer", "is_right"),
    [
        (FIND, "g(x)=bx", "g(x)=ax", True),
        (FIND, "g(x)=bx", r"g(x)=kx \text{ where } k \text{ is a constant}", True),
        (FIND, "g(x)=bx", "g(x)=yx", False),
        (FIND, "g(x)=bx", "g(x)=ax^2", False),
        (FIND, "g(x)=ax+b", "g(x)=c+dx", True),
        (FIND, "g(x)=ax+b", "g(x)=cx+c", False),
        (FIND, "g(x)=C_1x+C_2", "g(x)=Ax+B", True),
        (r"Find $g$ in terms of $b$.", "g(x)=bx", "g(x)=ax", False),
        (r"Let $a$ be given. Find $g$.", "g(x)=bx", "g(x)=ax", False),
        ("Let k be given. Find a function g.", "g(x)=bx", "g(x)=kx", False),
        ("Let k be given. Find a function g.", "g(x)=bx", "g(x)=ax", True),
        ("Find a function g in terms of a.", "g(x)=bx", "g(x)=ax", False),
        (FIND, "P(A)=p", "P(B)=p", False),
        (FIND, "2b", "2a", False),
        (FIND, "b", "a", False),
        ("Solve $y'=2y$.", "y=Ce^{2x}", r"y=Ae^{2x} \text{ where } A \text{ is a constant}", True),
        ("Solve $y'=2y$.", "y=Ce^{2x}", "y=Ae^{2x}", False),
        ("Find the general solution of $y'=2y$.", "y=Ce^{2x}", "y(x)=Ae^{2x}", True),
        ("Find the general solution of $y'=2y$.", "y=Ce^{2x}", "y=Ae^{3x}", False),
        ("Find the general solution of $y'=2Ay$.", "y=Ce^{2Ax}", "y=Ae^{2Ax}", False),
        ("Find the general solution of $y''=y$.", "y=C_1e^x+C_2e^{-x}", "y=Ae^x+Be^{-x}", True),
        ("Find the general solution of $y''=y$.", "y=C_1e^x+C_2e^{-x}", "y=Ae^x+Ae^{-x}", False),
        ("Solve $y'=2Ay$.", "y=Ce^{2Ax}", r"y=Be^{2Bx} \text{ where } B \text{ is a constant}", False),
        (r"Solve $\sin x=0$.", r"x=n\pi", r"x=k\pi, k\in\mathbb{Z}", True),
        (r"Solve $\sin kx=0$.", r"x=\frac{n\pi}{k}", r"x=\frac{m\pi}{k}, m\in\mathbb{Z}", True),
        (r"Solve $\sin kx=0$.", r"x=\frac{n\pi}{k}", r"x=\frac{n\pi}{m}, m\in\mathbb{Z}", False),
        (r"Solve $\sin x=0$.", r"x=c", r"x=k, k\in\mathbb{Z}", False),
    ],
)
def test_constants_that_the_question_does_not_name(question: str, gold: str, answer: str, is_right: bool) -> None:
    assert compare(gold, with_golds_constants(question, gold, answer)).equal is is_right


def test_the_letters_of_a_question_are_those_of_its_mathematics_and_those_alone() -> None:
    assert letters_of_question(
        r"Let $a_1$ be a number, I mean k, of \(x+\sin y\). Is it B's? Given A and a, a is A."
    ) == {
        "A",
        "a",
        "a_1",
        "k",
        "x",
        "y",
    }


NAMES = st.permutations("kmnstuvw")


@given(NAMES, NAMES)
def test_renaming_is_one_to_one_and_can_be_undone(one: list[str], other: list[str]) -> None:
    text = "g(k)=3k+mn^2-s_1t"
    there = rename(text, dict(zip(one, other, strict=True)))
    assert rename(there, dict(zip(other, one, strict=True))) == text
    assert len(letters(there)) == len(letters(text))


@given(st.sampled_from("klmnrstuvwxyz"), st.sampled_from("klmnrstuvwxyz"), st.integers(1, 5))
def test_an_argument_of_any_name_is_the_same(one: str, other: str, power: int) -> None:
    gold, answer = (f"g({x})=2{x}^{power}+1" for x in (one, other))
    assert compare(gold, answer).equal is True
    assert compare(gold, answer.replace("2", "3", 1)).equal is False


def test_there_is_nothing_to_rename_without_letters_of_ones_own() -> None:
    assert list(renamings("g(x)=x", "g(x)=c", ((), ()), {"c", "x"})) == []
    assert list(renamings("g(x)=ax", "g(x)=bx", ((), ()))) == []
    assert list(renamings("g(x)=ax", "g(x)=bx", ((), ()), {"a", "b"})) == [{"b": "a"}]


@pytest.mark.parametrize("piece", ["g(x)=", "g(", ", g(x,", r"\text{", r"\lambda", "C_{", "sinx"])
def test_time_is_linear_in_the_length(piece: str) -> None:
    def seconds(count: int) -> float:
        text = piece * count
        started = time.process_time()
        calls(text)
        rename(text, {"x": "y"})
        list(renamings("g(z)=z", text, ((), ())))
        return time.process_time() - started

    seconds(1)
    assert seconds(4_000) < 60 * seconds(400) + 0.3
