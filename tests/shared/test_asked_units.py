r"""Which unit a question asks for, and which units contradict it."""

# ruff: noqa: RUF001 (Chinese punctuation)
from __future__ import annotations

import time

import pytest

from justtinker_plugins.shared.latex.asked_units import asked_of, stem, wrong_unit


@pytest.mark.parametrize(
    ("question", "measures"),
    [
        ("What is the height in inches?", {"in"}),
        ("If the sides are 3 and 5, what is the perimeter, in meters, of the field?", {"m"}),
        ("Find the speed in miles per hour.", {"h^-1 mi"}),
        ("How many more square feet of carpet do they need?", {"ft^2"}),
        ("Compute the number of seconds until they meet.", {"s"}),
        ("What percent of 80 is 12?", {"pct"}),
        ("By what fraction did it grow? Express your answer as a percentage.", {"pct"}),
        ("What is the degree measure of angle $A$?", {"deg"}),
        (r"Find the energy in $\mathrm{eV}$.", {"eV"}),
        (r"Find the density in $\mathrm{g}/\mathrm{cm}^3$.", {"cm^-3 g"}),
        (r"Give the price, in \$, of both.", {"dollar"}),
        ("A fence is 7 feet long. What is the area in feet?", {"ft", "ft^2", "ft^3"}),
        ("It took 9 minutes. How far, in km, did she go?", {"km"}),
        ("¿Cuántos metros mide?", {"m"}),
        ("¿Cuál es el precio en euros?", {"euro"}),
        ("面积是多少平方厘米？", {"cm^2"}),
        ("占百分之几？", {"pct"}),
        # what fixes no unit
        ("In the figure, all lengths are in inches. What is the ratio of the areas?", set()),
        ("How many elements are in s?", set()),
        ("What number is in the second place?", set()),
        ("In how many ways can 5 people sit in a row?", set()),
        ("Find $m$ in $m + 3 = 5$.", set()),
        ("What is the value of $x$?", set()),
        ("", set()),
    ],
)
def test_the_units_that_a_question_asks_for(question: str, measures: set[str]) -> None:
    assert asked_of(question).measures == measures


@pytest.mark.parametrize(
    ("question", "counts"),
    [
        ("How many owls are there?", True),
        ("Find the number of ordered pairs.", True),
        ("What is the smallest possible number of leaves?", True),
        ("树上有多少只鸟？", True),
        ("¿Cuántas sillas hay?", True),
        ("How many hours does it take?", False),
        ("Find the area of the polygon whose number of sides is 6.", False),
        ("How many owls are there? Is it dark? Find the length of the branch.", False),
        ("How many $k J$ of energy are released?", False),
        ("多少千米？", False),
    ],
)
def test_whether_a_question_counts_things(question: str, counts: bool) -> None:
    assert asked_of(question).counts == counts


ROPE = "A rope of 2 m is cut in four. What is the length of a part in centimeters?"
CASES: list[tuple[str, list[str], list[str]]] = [
    (ROPE, ["50", "50 cm", r"50\text{ centimeters}", r"L = 50\,\mathrm{cm}"],
     [r"50\text{ m}", r"50\,\mathrm{m}", "50 km", r"50\text{ kg}", r"50\text{ s}", r"50\text{ cm}^2", r"50\%",
      r"50^\circ", r"\$50", r"x = 50\text{ m}", r"2 \cdot 25 \text{ kg}"]),
    ("How many dollars did Max pay?", [r"\$50", "50 dollars", "50", "50 USD"], ["50 cents", "50 euros", "€50", "£50"]),
    ("One mug costs €10. What do five mugs cost?", ["€50", "50 euros", "50"], [r"\$50", "50 dollars"]),
    ("How many pounds is it?", ["50 pounds", "£50", "50 lbs"], [r"\$50", "50 kg"]),
    ("How many owls are there?", ["50", "50 owls", "50 ways"],
     [r"50\%", r"50^\circ", r"50\text{ percent}", "50 kg", "50 miles", r"\$50", "50 pairs",
      r"\text{50 groups}", "50 cats"]),
    ("How many pairs of owls are there?", ["50 pairs"], [r"50\%"]),
    ("How many solutions has the system?", ["50 pairs"], [r"50\%"]),
    ("What percent of 20 is 10?", [r"50\%", "50 percent", "50"], ["50 dollars", r"50^\circ"]),
    ("Find the angle in degrees.", [r"50^\circ", "50 degrees"], ["50 radians", r"50\%"]),
    ("Find the temperature in degrees Celsius.", [r"50^\circ C", r"50^\circ\text{C}", r"50^\circ"],
     [r"50^\circ F", r"50\text{ K}"]),
    ("A rod is cut in two. The length of a half in meters?", [r"50\text{ m}", "50"], [r"50\text{ km}", r"50\text{ s}"]),
    ("What is the force in newtons?", [r"50\text{ N}", r"50\text{ kg m/s}^2"], [r"50\text{ J}", r"50\,\mathrm{J}"]),
    ("How high is it, in meters?", [r"50\text{ m}"], [r"50\text{ meters per second}", r"50\,\mathrm{m/s}"]),
    ("How many grams does one weigh?", [r"50\text{ g}"], [r"50\text{ grams per hour}", r"50\text{ g/cm}^3"]),
    ("Find the speed in miles per hour.", [r"50\text{ miles per hour}"], ["50 miles", "50 feet per hour"]),
    ("What is the force in newtons?", [r"50\text{ N}", r"50\text{ kg m/s}^2"], [r"50\text{ J}", r"50\text{ N/m}"]),
    ("How many grams does it weigh?", ["50 grams"], ["50 grams per second", r"50\text{ g/s}"]),
    ("How many boys and how many hours?", ["50 hours"], ["50 kg"]),
    ("What is $x$?", ["50", r"50^\circ", "50 cm", r"50\%"], []),
    ("这条绳子长多少米？", ["50米", r"50\text{ m}"], ["50厘米", "50千克"]),
    ("¿Cuántos metros mide?", ["50 metros", "50"], ["50 litros", r"50\%"]),
]  # fmt: skip


@pytest.mark.parametrize(("question", "right", "wrong"), CASES, ids=[question for question, _, _ in CASES])
def test_units_that_contradict_the_question(question: str, right: list[str], wrong: list[str]) -> None:
    assert [answer for answer in right if wrong_unit(question, "50", answer)] == []
    assert [answer for answer in wrong if not wrong_unit(question, "50", answer)] == []


def test_reasons_name_the_units() -> None:
    assert wrong_unit(ROPE, "50", r"50\text{ kg}") == "kg where the question asks for cm"
    assert wrong_unit("How many owls?", "50", r"50\%") == "pct where the question counts things"
    assert wrong_unit("How many owls?", "50", "50 pairs") == "pairs where the question counts other things"
    assert wrong_unit("How many dozen eggs?", "50", "50 eggs") == "eggs where the question counts other things"
    assert wrong_unit("It costs €5.", "50", r"\$50") == "dollar where the question has euro"


def test_a_gold_with_a_unit_says_itself_what_is_right() -> None:
    assert wrong_unit(ROPE, r"0.5\text{ m}", r"0.5\text{ m}") == ""


@pytest.mark.parametrize(
    ("one", "many"),
    [("berry", "berries"), ("box", "boxes"), ("cookie", "cookies"), ("bus", "buses"), ("glass", "glasses"),
     ("horse", "horses"), ("child", "children"), ("person", "people"), ("knife", "knives"), ("Owl", "owls")],
)  # fmt: skip
def test_a_noun_and_its_plural_have_one_stem(one: str, many: str) -> None:
    assert stem(one) == stem(many)


def test_a_long_question_is_read_quickly() -> None:
    started = time.thread_time()
    asked = asked_of("In the set $x$ there are " + "many dollars in miles, " * 20_000 + "\n\nHow many inches is it?")
    assert asked.measures == {"in"}
    assert time.thread_time() - started < 20  # not a benchmark
