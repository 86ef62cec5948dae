from __future__ import annotations

import time

import pytest

from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.qualified import drop_qualifiers, split_qualifier


@pytest.mark.parametrize(
    ("text", "claim", "kinds"),
    [
        (r"g(x)=ax, a\in\mathbb{R}", "g(x)=ax", {"a": "real"}),
        (r"g(x)=ax \text{ for any real number } a", "g(x)=ax", {"a": "real"}),
        (r"g(x)=ax \text{ for every } a", "g(x)=ax", {"a": "any"}),
        (r"g(x)=ax \text{ where $a$ is an arbitrary constant}", "g(x)=ax", {"a": "any"}),
        (r"g(x)=ax+b \text{ with } a, b\in\mathbb{Q}", "g(x)=ax+b", {"a": "rational", "b": "rational"}),
        (r"C_{1}x+C_2, \text{ where } C_1, C_2 \text{ are constants}", "C_{1}x+C_2", {"C_1": "any", "C_2": "any"}),
        (r"2m\pi \ (m \in \mathbb{Z})", r"2m\pi", {"m": "integer"}),
        (r"2m\pi, m \text{ is an integer}", r"2m\pi", {"m": "integer"}),
        (r"3^m \text{ for all positive integers } m", "3^m", {"m": "natural"}),
        (r"3m, m\in\mathbb{Z}^+", "3m", {"m": "natural"}),
        (r"g(x)=x \ \forall x\in\mathbb{R}", "g(x)=x", {"x": "real"}),
    ],
)
def test_what_is_said_of_letters_is_split_off(text: str, claim: str, kinds: dict[str, str]) -> None:
    found, said = split_qualifier(normalise(text))
    assert (found.strip(), said) == (claim, kinds)


@pytest.mark.parametrize(
    "text",
    [
        "(a, b)", "x, y", "1, a", "g(x)=x, g(x)=-x", r"g(x)=x^3 \text{ for } x>0", r"ax, a>0", r"3 \text{ for } x",
        r"ax, a \neq 0", r"2m\pi, m=1,2", r"x \in \mathbb{R}", r"\text{for all } x", r"ax \text{ for some nice } a",
        r"m\pi, m\in\{1,2\}", r"ax \text{ for all real } x \text{ but } 0", r"ax, a \in \mathbb{R}, a \neq 1",
        r"ax \text{ for positive real } a",
    ],
)  # fmt: skip
def test_everything_else_is_part_of_the_claim(text: str) -> None:
    assert split_qualifier(normalise(text)) == (normalise(text), {})


@pytest.mark.parametrize(
    ("gold", "answer", "dropped"),
    [
        (r"n\pi", r"n\pi, n \in \mathbb{Z}", True),
        (r"n\pi, n \in \mathbb{Z}", r"n\pi", True),
        (r"n\pi, n \in \mathbb{Z}", r"n\pi \text{ for any integer } n", True),
        (r"n\pi, n \in \mathbb{N}", r"n\pi, n \in \mathbb{Z}", False),
        (r"n\pi, n \in \mathbb{N}", r"n\pi", False),
        (r"n\pi", r"n\pi, k \in \mathbb{Z}", False),
        (r"n\pi", r"n\pi, n \in \mathbb{R}", False),
        (r"g(x)=0 \text{ for all } x", "0", True),
        (r"b", r"b, b \in \mathbb{Z}", False),
        ("12", r"12, n \in \mathbb{Z}", False),
        (r"g(x)=bx", r"g(x)=bx, b \in \mathbb{R}", True),
        (r"g(x)=bx", r"g(x)=bx, b \in \mathbb{Z}", False),
        (r"g(x)=bx \text{ for any real } b", "g(x)=bx", True),
        (r"g(x)=bx \text{ for any real } b", r"g(x)=bx \text{ where } b \text{ is a constant}", True),
        (r"g(x)=bx \text{ for any real } b", r"g(x)=bx, b\in\mathbb{Q}", False),
        (r"g(x)=x^2", r"g(x)=x^2 \text{ for all real } x", True),
        (r"g(x)=x^2 \text{ for all real } x", r"g(x)=x^2 \text{ for all } x\in\mathbb{Z}", False),
    ],
)
def test_what_gold_and_answer_both_mean_is_dropped(gold: str, answer: str, dropped: bool) -> None:
    gold, answer = normalise(gold), normalise(answer)
    left = drop_qualifiers(gold, answer)
    assert (left != (gold, answer)) == dropped
    if dropped:
        assert [split_qualifier(text)[1] for text in left] == [{}, {}]


@pytest.mark.parametrize("piece", [", n", r"\text{ for all } x", r"\text{where ", "(n ", ", ", r"\forall ", "C_{1"])
def test_time_is_linear_in_the_length(piece: str) -> None:
    def seconds(count: int) -> float:
        started = time.process_time()
        split_qualifier(piece * count)
        return time.process_time() - started

    seconds(1)
    assert seconds(4_000) < 60 * seconds(400) + 0.3
