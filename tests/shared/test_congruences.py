"""Congruences and permutations in cycles."""

# ruff: noqa: E501 (a table)
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from justtinker_plugins.shared.latex.congruences import compare_congruences, compare_cycles
from justtinker_plugins.shared.latex.ladder import compare
from justtinker_plugins.shared.latex.normalise import normalise


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        (
            r"x \equiv 4 \pmod{9}",
            [r"x\equiv4\pmod9", r"x \equiv 4 \bmod 9", r"x \equiv 4 \mod 9", r"x \equiv 4\ (\text{mod } 9)", "x ≡ 4 (mod 9)",
             r"x \equiv 4 \text{ mod } 9", r"x \equiv 13 \pmod 9", r"x \equiv -5 \pmod 9", r"4 \pmod 9"],
            [r"x \equiv 5 \pmod 9", r"x \equiv 4 \pmod 8", r"x \equiv 4 \pmod{18}", r"x \equiv 4 \pmod 3", r"x \equiv 4, 5 \pmod 9",
             r"y \equiv 4 \pmod 9", "4", "x = 4", "x = 9k + 4", r"x \not\equiv 4 \pmod 9", r"x \equiv 4 \pmod 9, x \equiv 4 \pmod 5",
             r"x \equiv 4 \pmod 0", ""],
        ),
        (
            r"x \equiv 2, 5 \pmod 7",
            [r"x \equiv 5, 2 \pmod 7", r"x \equiv \pm 2 \pmod 7", r"x \equiv 2 \pmod 7 \text{ or } x \equiv 5 \pmod 7"],
            [r"x \equiv 2 \pmod 7", r"x \equiv 2, 5, 6 \pmod 7", r"x \equiv 2 \pmod 7 \text{ or } y \equiv 5 \pmod 7", r"x \equiv \pm 3 \pmod 7"],
        ),
        (r"3 \pmod 4", [r"x \equiv 3 \pmod 4", r"3 \pmod{4}"], [r"1 \pmod 4", "3"]),
        (r"(1\ 5\ 3)", ["(153)", "(5 3 1)", r"(3\ 1\ 5)", r"(1\,5\,3)", "(1,5,3)", r"\sigma = (1\ 5\ 3)"],
         ["(351)", "(1 3 5)", "153", "(15)(3)", "(1 5 3 2)", "(1 5)", "(1,5),(3)", ""]),
        (r"(1\ 2)(3\ 4)", ["(34)(12)", "(2 1)(4 3)", r"(1\ 2)\circ(3\ 4)", "(1 2)(3 4)(5)"], ["(13)(24)", "(1 2 3 4)", "(12)", "(12)(12)"]),
        (r"(1\ 10)(2\ 4)", ["(10 1)(4 2)"], ["(110)(24)", "(1 2)(10 4)"]),
    ],
)  # fmt: skip
def test_equal_and_different(gold: str, right: list[str], wrong: list[str]) -> None:
    assert [answer for answer in [gold, *right] if compare(gold, answer).equal is not True] == []
    assert [(answer, compare(gold, answer)) for answer in wrong if compare(gold, answer).equal is not False] == []


@pytest.mark.parametrize(
    "gold", [r"a \equiv b \pmod n", r"7 \bmod 5", "x = 1", "(1,2,3)", "(12)", r"(1\ 2)(2\ 3)", "(1,234)"]
)
def test_other_golds_are_left_to_others(gold: str) -> None:
    normal = normalise(gold)
    assert compare_congruences(normal, normal) is compare_cycles(normal, normal) is None


def test_reasons_are_in_words() -> None:
    gold = r"x \equiv 4 \pmod 9"
    answers = ["5", r"x \equiv 4 \pmod 5", r"z \equiv 4 \pmod 9", r"x \equiv 3 \pmod 9"]
    assert [compare(gold, answer).reason for answer in answers] == [
        "no congruence with numbers like the gold",
        "modulo 5 where the gold is modulo 9",
        "a congruence of another letter",
        "other residues than the gold",
    ]
    assert compare(r"(1\ 2\ 3)", "(321)").reason == "not the permutation of the gold"


@given(
    st.integers(2, 50), st.sets(st.integers(-99, 99), min_size=1, max_size=4), st.integers(-5, 5), st.integers(-99, 99)
)
def test_residues_count_and_not_their_spelling(modulus: int, values: set[int], turns: int, other: int) -> None:
    def written(numbers: list[int]) -> str:
        return rf"n \equiv {', '.join(map(str, numbers))} \pmod{{{modulus}}}"

    gold = written(sorted(values))
    assert compare(gold, written([value + turns * modulus for value in sorted(values)])).equal is True
    same = other % modulus in {value % modulus for value in values}
    assert compare(gold, written(sorted({*values, other}))).equal is same


@given(st.permutations(range(1, 8)), st.integers(2, 6), st.integers(0, 6))
def test_a_cycle_may_begin_anywhere(numbers: list[int], size: int, turn: int) -> None:
    cycle = numbers[:size]
    turn %= size
    turned = cycle[turn:] + cycle[:turn]
    gold = f"({' '.join(map(str, cycle))})"
    assert compare(gold, f"({' '.join(map(str, turned))})").equal is True
    assert compare(gold, f"({''.join(map(str, turned))})").equal is True
    assert compare(gold, f"({' '.join(map(str, reversed(turned)))})").equal is (size == 2)
