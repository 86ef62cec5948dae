"""Words with a meaning in mathematics, alone and in a comparison."""

# ruff: noqa: E501 (a table)
from __future__ import annotations

import pytest

from justtinker_plugins.shared.latex.ladder import compare
from justtinker_plugins.shared.latex.normalise import normalise
from justtinker_plugins.shared.latex.words import meaning

GROUPS = [
    [r"\emptyset", r"\{\}", r"\text{No solution}", "no solutions", r"\text{There is no solution.}", r"\text{empty set}"],
    [r"\mathbb{R}", r"\text{all real numbers}", r"(-\infty,\infty)", r"\text{all reals}", r"x \in \mathbb{R}"],
    [r"\mathbb{Z}", r"\text{all integers}", r"\text{the set of all integers}"],
    [r"\text{DNE}", "dne", r"\text{does not exist}", r"\text{The limit does not exist}", r"\text{doesn't exist}"],
    [r"\infty", "infinity", r"\text{Infinity}", r"\text{positive infinity}", "inf", "+inf"],
    [r"-\infty", "-infinity", r"\text{negative infinity}", r"-\text{infinity}", "-inf"],
    [r"\text{undefined}"], [r"\text{no real solutions}"], ["0"], [r"\text{all positive real numbers}"], [r"\mathbb{Q}"],
    [r"\text{infinitely many}"], [r"\text{one solution}"], [r"\text{exists}"],
]  # fmt: skip


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group[0])
def test_words_of_one_meaning_are_equal_and_no_others(group: list[str]) -> None:
    for gold in group:
        assert [answer for answer in group if compare(gold, answer).equal is not True] == []
        assert [
            other for others in GROUPS if others is not group for other in others if compare(gold, other).equal
        ] == []


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        ("(-\\infty, 9)", ["(-inf, 9)", r"(-\text{infinity}, 9)"], ["(-inf, 9]", "(inf, 9)", "(-in, 9)"]),
        (r"\arctan 5", ["atan(5)", r"\operatorname{atan}(5)", "arctg 5"], ["tan(5)", "acos 5", "atan(6)"]),
        (r"\arcsin y", ["asin y", "asin(y)"], ["asin x", "sin y"]),
        ("|y - 3|", ["abs(y-3)", r"\abs{3-y}", r"\operatorname{abs}(y-3)"], ["abs(y+3)", "y - 3"]),
        (r"\lfloor x \rfloor", ["floor(x)"], ["ceil(x)", "x"]),
        (r"\theta", ["theta", r"\text{theta}"], ["eta", r"\phi", "t"]),
        (r"3\alpha", ["3alpha", "alpha*3"], ["3a", "alpha"]),
        (r"\pi", [r"\mathrm{\pi}", r"\text{\pi}", "pi"], [r"\mathrm{\phi}", r"\mathrm{p}"]),
        (r"\inf A", [r"\inf A"], [r"\infty A"]),
        ("7:4", [r"7 \text{ to } 4", "7 to 4", r"\text{7 to 4}"], ["4 to 7", r"\frac74", "7, 4"]),
        (r"\text{Delta}", ["delta", "Delta"], ["Delt"]),
    ],
)
def test_names_in_plain_text(gold: str, right: list[str], wrong: list[str]) -> None:
    assert [answer for answer in [gold, *right] if compare(gold, answer).equal is not True] == []
    assert [answer for answer in wrong if compare(gold, answer).equal is True] == []


@pytest.mark.parametrize(
    "text", ["x", "2", r"\text{Evelyn}", r"\text{no}", "none of these", "", r"\text{solution}", "(0,1)"]
)
def test_other_texts_have_no_meaning(text: str) -> None:
    assert meaning(normalise(text)) is None
