"""What ``justtinker audit`` tries on certain kinds of golds: letters, words, mixed, tiny and huge numbers, units."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from justtinker_core import Problem
from justtinker_plugins.commands._audit import topics
from justtinker_plugins.commands._audit.cases import BATTERIES
from justtinker_plugins.commands._audit.items import ANSWER_FORMATS, Item, item_of
from justtinker_plugins.commands._audit.variants import equivalent_variants
from justtinker_plugins.commands._audit.variants.forms import letter_of, word_of
from justtinker_plugins.commands._audit.variants.single_numbers import read_number as read_gold
from justtinker_plugins.text import last_boxed
from justtinker_plugins.verifiers.numeric import read_number
from tests.plugins.test_audit import audit, here, stack

__all__ = ["here"]
SEEDS = st.integers(0, 10_000)


def make_item(gold: str, question: str = "?", kind: str = "math", others: tuple[str, ...] = ("7", "Rome")) -> Item:
    return item_of(Problem("1", question, gold, kind), others, ANSWER_FORMATS[0], 0)


def answers(battery: str, item: Item) -> list[str]:
    """The boxed answers of a battery's responses."""
    found = {name: maker for makers in BATTERIES.values() for name, maker in makers.items()}[battery]
    boxes = [last_boxed(text) for text in found(item)]
    return [str(box.content) for box in boxes if box]


# Letters and words


@pytest.mark.parametrize(
    ("gold", "word", "letter"),
    [
        ("Rome", "Rome", ""), (r"\text{blue whale}", "blue whale", ""), ("the blue whale", "the blue whale", ""),
        (r"\textbf{odd}", "odd", ""), (r"\text{yes}.", "yes", ""), ("B", "", "B"), ("(C)", "", "C"),
        (r"\text{(D)}", "", "D"), (r"\mathrm{E}", "", "E"), ("ab", "", ""), ("x", "", ""), ("42", "", ""),
        (r"\text{42 apples}", "", ""), (r"\sin x", "", ""), ("A or B", "", ""), ("", "", ""),
    ],
)  # fmt: skip
def test_what_is_a_word_or_a_letter(gold: str, word: str, letter: str) -> None:
    assert (word_of(gold), letter_of(gold)) == (word, letter)


def test_words_come_only_in_forms_that_people_write() -> None:
    forms = [text for _, text in equivalent_variants("Rome")]
    assert r"\text{Rome}" in forms
    assert "rome" in forms
    assert not any(set(text) & set("=+$[]()") or "displaystyle" in text for text in forms)
    assert "Q = x+1" in [text for _, text in equivalent_variants("x+1")], "an expression may be named"
    assert answers("other words", make_item("Rome", kind="text")) == answers("other words", make_item("Rome"))[:-1]
    assert r"\textbf{(B)}" in answers("other words", make_item("(B)", kind="choice"))
    assert answers("other words", make_item("42")) == []


@pytest.mark.parametrize(
    ("item", "some"),
    [
        (make_item("(B)"), {"(B) = (A)", "(A) = (B)", r"(B) \approx (A)", "(B) = x", r"\text{B or A}"}),
        (make_item(r"\text{odd}"), {r"\text{odd} = \text{even}", r"\text{odd or even}", r"\text{odd} = x"}),
        (make_item("Yes"), {"Yes = No", r"\text{either Yes or No}"}),
        (make_item("Paris"), {"Paris = Rome", r"\text{Rome or Paris}", r"Rome \neq Paris"}),
        (make_item("Rome", others=("7",)), {"Rome = something else"}),
        (make_item("Lima", kind="text", others=("Rome", "Lima")), {"Lima = Rome"}),
        (make_item("C", kind="choice"), {"C = A", "A/C"}),
        (make_item("42"), {"42 = 43", "43 = 42", r"42 \approx 43"}),
        (make_item(r"12\frac{1}{2}\%"), {r"12\frac{1}{2}\% = 7"}),
    ],
)
def test_two_guesses_in_one_fit_the_gold(item: Item, some: set[str]) -> None:
    assert set(answers("two guesses in one", item)) >= some


def test_a_relation_or_a_list_is_no_guess_among_two() -> None:
    for gold in ("x = 4", "x < 4", "1, 2"):
        assert answers("two guesses in one", make_item(gold)) == []


@pytest.mark.parametrize("kind", ["math", "text", "number"])
@pytest.mark.parametrize("gold", ["-98765.4321", "12345.06789", "not the answer", "Not the answer", "$-98765.4321$"])
def test_a_gold_that_is_a_last_resort_has_two_wrong_answers(gold: str, kind: str) -> None:
    item = make_item(gold, kind=kind, others=(gold, gold, gold))
    assert len(item.wrong_answers) >= 2
    assert gold.strip("$").casefold() not in {text.casefold() for text in item.wrong_answers}
    for makers in BATTERIES.values():
        for maker in makers.values():
            list(maker(item))


# Mixed numbers


@given(
    whole=st.integers(1, 99),
    bottom=st.integers(2, 12),
    top=st.integers(1, 11),
    around=st.sampled_from(["{}", r"{}\%", "-{}", r"\${}"]),
)
def test_mixed_numbers_equal_the_gold_and_products_do_not(whole: int, bottom: int, top: int, around: str) -> None:
    """`numeric` reads mixed numbers as exact rationals, so it tells whether an answer is right."""
    value = whole + Fraction(top % bottom or 1, bottom)
    for number in (
        rf"{whole}\frac{{{top % bottom or 1}}}{{{bottom}}}",
        rf"\frac{{{value.numerator}}}{{{value.denominator}}}",
        f"{value.numerator}/{value.denominator}",
    ):
        gold = around.format(number)
        item = make_item(gold)
        want = read_number(gold)
        assert want is not None
        right, wrong = answers("mixed numbers", item), answers("mixed numbers as products", item)
        assert len(right) >= 3
        assert len(wrong) > len(right)
        found = {text: read_number(text) for text in (*right, *wrong)}
        assert {text for text in right if (n := found[text]) is None or n.value != want.value} == set()
        assert {text for text in wrong if (n := found[text]) is not None and n.value == want.value} == set()


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        (r"\$3\frac{1}{2}", {r"\$3.50", r"\$3 1/2"}, {r"\$1.5", r"\$14\frac{1}{4}"}),
        (r"22\frac12^\circ", {r"22.5^\circ", r"\frac{45}{2}^\circ"}, {r"11^\circ", r"22^\circ"}),
        (r"33\frac{1}{3}\%", {r"\frac{100}{3}\%", r"33\tfrac{1}{3}\%"}, {r"11\%", r"\frac{33}{3}\%"}),
        ("42", set(), {r"84\frac{1}{2}", "84 1/2", r"126\frac13"}),
        (r"-\frac{3}{4}", set(), {r"-6\frac{1}{8}"}),
        ("0", set(), set()),
        ("1,234", set(), set()),
        ("x", set(), set()),
    ],
)
def test_mixed_numbers_keep_what_stands_around_them(gold: str, right: set[str], wrong: set[str]) -> None:
    for battery, some in (("mixed numbers", right), ("mixed numbers as products", wrong)):
        found = answers(battery, make_item(gold))
        assert set(found) >= some
        assert bool(found) == bool(some)


@pytest.mark.parametrize(
    ("gold", "same", "other"),
    [
        (r"62\frac{1}{2}\%", r"62.5\%", r"62.5^\circ + 1"), (r"\$3.50", r"\$3\frac12", r"\$3.60"),
        ("0.5", r"\frac{1}{2}", r"-\frac{1}{2}"), (r"50\%", r"\frac{1}{2}", r"\frac{1}{3}"),
        ("(B)", r"\text{B}", "(A)"), ("Rome", r"\textbf{rome}", "Paris"),
    ],
)  # fmt: skip
def test_another_problems_gold_of_the_same_value_is_no_wrong_answer(gold: str, same: str, other: str) -> None:
    item = make_item(gold, others=(same, other))
    assert other in item.wrong_answers
    assert same not in item.wrong_answers


def test_no_mixed_number_where_the_question_fixes_the_form() -> None:
    for form in ("as a decimal", "as an improper fraction", "to the nearest tenth"):
        assert answers("mixed numbers", make_item("2.5", f"How much is it, {form}?")) == []
    assert r"2\frac{1}{2}" in answers("mixed numbers", make_item("2.5", "How much is it?"))
    assert read_gold(r"3\frac{7}{2}") is None, "nobody means a mixed number"
    assert read_gold("3/0") is None


# Tiny and huge numbers

_INNER = r"\{([^{}]*)\}"
_STEPS = (
    (rf"\^{_INNER}", r"**(\1)"), (rf"\\sqrt{_INNER}", r"sqrt(\1)"), (r"([0-9]+)!", r"factorial(\1)"),
    (rf"\\binom{_INNER}{_INNER}", r"binomial(\1,\2)"), (rf"\\frac{_INNER}{_INNER}", r"((\1)/(\2))"),
)  # fmt: skip


def evaluate(text: str) -> Any:
    """Evaluate an answer that is one expression of numbers below 1,000, with mpmath; None for any other."""
    text = (
        re.sub(r"\\(?:left|right)", "", text).replace("dfrac", "frac").replace(r"\exp(", "e**(").replace(r"\pi", "pi")
    )
    for pattern, new in _STEPS * 3:  # the innermost braces first
        text = re.sub(pattern, new, text)
    text = re.sub(r"\\cdot|(?<=[0-9)])(?=\(|sqrt)", "*", text.replace("^", "**"))
    if "\\" in text or re.search("[0-9]{4}", text):
        return None
    names = {name: getattr(mpmath, name) for name in ("sqrt", "factorial", "binomial", "pi", "e", "mpf")}
    return eval(re.sub(r"(?<![a-z0-9])([0-9]+)", r"mpf(\1)", text), {"__builtins__": {}}, names)


GOLDS = (
    "{n}!", r"\frac{{1}}{{{n}!}}", r"1-\frac{{1}}{{{n}!}}", "2^{{{n}}}", "2^{{{n}}}-1", r"\frac{{1}}{{3^{{{n}}}}}",
    "e^{{-{n}}}", "1-e^{{-{n}}}", r"\binom{{{n}}}{{9}}", r"2^{{{n}}}\sqrt{{3}}",
)  # fmt: skip


@pytest.mark.parametrize("template", GOLDS)
@settings(max_examples=20)
@given(n=st.integers(50, 150))
def test_tiny_and_huge_numbers_equal_the_gold_and_near_misses_do_not(template: str, n: int) -> None:
    gold = template.format(n=n)
    item = make_item(gold)
    with mpmath.workdps(700):
        want = evaluate(gold)
        right = {text: evaluate(text) for text in answers("tiny and huge numbers", item)}
        wrong = {text: evaluate(text) for text in answers("near misses of tiny and huge", item)}

        def close(value: Any) -> bool:
            return bool(abs(value - want) <= abs(want) * mpmath.mpf(10) ** -600)

        assert all(close(value) for value in right.values())
        known = [value for value in wrong.values() if value is not None]
        assert len(known) > 15
        assert not any(map(close, known))
    assert right or "sqrt" in gold or gold.endswith("!") or n % 2


def test_other_golds_are_neither_tiny_nor_huge() -> None:
    for gold in (
        "42",
        "2^{10}",
        "(-1)^{2008}",
        r"\left(-1\right)^{99}",
        "1^{99}",
        "x^{100}",
        "10!",
        r"\frac{1}{2}",
        "A",
        "2^{99}, 3^{99}",
    ):
        assert answers("near misses of tiny and huge", make_item(gold)) == [], gold
        assert answers("tiny and huge numbers", make_item(gold)) == [], gold
    assert "1" in answers("near misses of tiny and huge", make_item(r"1-\frac{1}{2008!}"))
    assert r"\frac{1}{2}" in answers("near misses of tiny and huge", make_item(r"\frac{1}{2}-e^{-99}"))


HAZY = r'''
from justtinker_core import Verdict, hookimpl, plugin

@plugin
class Hazy:
    """Pays the gold's text, and leaves open what holds a power."""
    @hookimpl
    def verify(self, problem, rollouts):
        def one(answer):
            if answer == problem.answer:
                return Verdict("correct", answer)
            return Verdict("unscored" if "^" in answer else "incorrect", answer, reason="a power")
        return [one(r.text.rpartition("boxed{")[2][:-1]) for r in rollouts]
'''


def test_an_ungraded_near_miss_of_a_huge_number_is_a_failure() -> None:
    """Only there: a policy could choose to go ungraded. Elsewhere a verifier may leave an answer open."""
    Path("hazy.py").write_text(HAZY)
    more = '[local_plugins]\nhazy = "hazy.py:Hazy"'
    found = audit(stack("hazy", "correct", rows=[("How many?", "2^{99}")], more=more), "--max-refused", "1", code=1)
    near, misses = found["batteries"]["near misses of tiny and huge"], found["batteries"]["near misses"]
    assert near["failed"] == near["unscored"] > 0
    assert misses["unscored"] > misses["failed"] == 0
    [shown] = [each for each in found["failures"] if each["name"] == "near misses of tiny and huge"][:1]
    assert (shown["graded"], shown["verdict"]["outcome"], shown["worth"]) == (True, "unscored", None)


# Units that the question fixes


@pytest.mark.parametrize(
    ("question", "gold", "right", "wrong"),
    [
        ("How long is it, in centimeters?", "25", r"25\text{ cm}", r"25\text{ kilometers}"),
        ("How many meters is it long?", "2.5", r"2.5~\mathrm{m}", r"2.5\text{ m}^2"),
        ("Give the weight in kilograms.", r"7\text{ kg}", "7", r"7\text{ grams}"),
        (
            "It weighs 3 tons. How heavy is half of it? Answer in kilograms.",
            "1500",
            r"1500\text{ kg}",
            r"1500\text{ seconds}",
        ),
        ("How many dollars did she pay?", "18.90", r"\$18.90", r"18.90\text{ cents}"),
        ("How many dollars did she pay?", r"\$18", "18", r"18\text{ cents}"),
        ("How many seconds does it take?", r"\frac{1}{2}", r"\frac{1}{2}\,\text{s}", r"\frac{1}{2}~\mathrm{h}"),
    ],
)
def test_a_unit_that_the_question_fixes(question: str, gold: str, right: str, wrong: str) -> None:
    item = make_item(gold, question)
    assert right in answers("the unit asked for", item)
    assert wrong in answers("another unit than asked", item)
    assert not set(answers("the unit asked for", item)) & set(answers("another unit than asked", item))


@pytest.mark.parametrize(
    ("question", "gold", "kind"),
    [
        ("How far is it?", "25", "math"),
        ("Let $n$ be the price in cents. What is the sum of the digits of $n$?", "11", "math"),
        ("How many meters are 3 km, in kilometers?", "3", "math"),
        ("How fast is it, in meters per second?", "5", "math"),
        ("How long is it, in meters?", r"25\text{ km}", "math"),
        ("How long is it, in meters?", r"\$25", "math"),
        ("How long is it, in meters?", "0", "math"),
        ("How long is it, in meters?", r"\sqrt{2}", "math"),
        ("How long is it, in meters?", "25", "number"),
        ("How large is it, in square meters?", "25", "math"),
    ],
)
def test_no_unit_is_fixed(question: str, gold: str, kind: str) -> None:
    item = make_item(gold, question, kind)
    assert answers("the unit asked for", item) == answers("another unit than asked", item) == []


# Built-in problems


def built_in(seed: int, kind: str = "math") -> Iterator[Item]:
    for problem in topics.draw_problems({kind, "text"}, seed):
        yield item_of(problem, ["7"], ANSWER_FORMATS[0], seed)


@given(seed=SEEDS)
def test_built_in_problems_give_every_battery_of_golds_something_to_do(seed: int) -> None:
    drawn = list(built_in(seed))
    tried = {name: sum(bool(answers(name, item)) for item in drawn) for name in topics.BATTERIES}
    assert min(tried.values()) >= 5, tried
    assert len({item.problem.id for item in drawn}) == len(drawn)
    assert all(read_gold(item.gold) for item in built_in(seed, "number"))
    assert topics.draw_problems({"text", "choice"}, seed) == []


@given(seed=SEEDS)
def test_built_in_problems_do_not_state_their_answer(seed: int) -> None:
    for item in built_in(seed):
        assert item.gold not in re.findall(r"[0-9]+(?:\.[0-9]+)?", item.problem.question)


def test_built_in_problems_are_added_on_request_and_told_apart() -> None:
    rows = [("How much is 12+30?", "42"), ("How much is 2/8?", r"\frac{1}{4}")]
    config = stack("exact", "correct", "format", "redundancy", rows=rows)
    found = audit(config, "--max-refused", "1", built_in=True)
    assert (found["problems"], found["left_out"]) == (2, [])
    assert found["built_in"] == len(topics.draw_problems({"math"}, 0))
    assert f" responses to 2 problems and {found['built_in']} built-in ones, " in found["output"]
    rows_of = found["batteries"]
    assert rows_of["near misses of tiny and huge"]["tried"] >= 24
    assert rows_of["near misses of tiny and huge"]["n/a"] == 2, "problems of the data"
    assert rows_of["the plain answer"]["tried"] == rows_of["many answers"]["tried"] / 3 == 2
    without = audit(config, "--max-refused", "1")
    assert (without["built_in"], without["batteries"]["near misses of tiny and huge"]["tried"]) == (0, 0)
    assert "2 problems, " in without["output"]


def test_built_in_problems_whose_gold_the_stack_does_not_pay_are_named() -> None:
    config = stack("numeric", "correct", "format", "redundancy", rows=[("How much is 12+30?", "42")])
    found = audit(config, "--max-refused", "1", built_in=True)
    left_out = [each["answer"] for each in found["left_out"]]
    assert {r"\text{(A)}", "Rome"} < set(left_out)
    assert (
        f"left out {len(left_out)} built-in problems, whose gold the stack does not pay: {left_out[0]}, "
        in (found["output"])
    )
    assert not any(row["failed"] for row in found["batteries"].values() if row["kind"] == "wrong")


def test_kinds_without_mathematics_have_no_built_in_problems() -> None:
    config = stack(
        "exact", "correct", kind="text", rows=[("What is the capital of France?", "Paris"), ("Peru?", "Lima")]
    )
    found = audit(config, "--max-in-full", "1", built_in=True)
    assert (found["built_in"], found["left_out"]) == (0, [])
    assert found["batteries"]["two guesses in one"]["tried"] == 6
    assert found["batteries"]["other words"]["tried"] == 6


LENIENT = r'''
from justtinker_core import Verdict, hookimpl, plugin

@plugin
class Lenient:
    """Pays every answer that begins with the gold."""
    @hookimpl
    def verify(self, problem, rollouts):
        answers = [r.text.rpartition("boxed{")[2][:-1] for r in rollouts]
        return [Verdict("correct" if a.startswith(problem.answer) else "incorrect", a) for a in answers]
'''


def test_a_stack_that_pays_the_likeliest_wrong_answer_is_audited_all_the_same() -> None:
    """The plain wrong response then has a hopeless answer, so that the near misses count as paid."""
    Path("lenient.py").write_text(LENIENT)
    more = '[local_plugins]\nlenient = "lenient.py:Lenient"'
    config = stack("lenient", "correct", rows=[("How many?", "x^2")], more=more)
    found = audit(config, "--max-in-full", "1", "--max-refused", "1", "--write-cases", "cases", code=1)
    assert found["batteries"]["the plain answer"]["failed"] == 0
    assert found["batteries"]["near misses"]["failed"] > 0
    written = [json.loads(line) for line in Path("cases").read_text().splitlines()]
    assert all(case["wrong"].endswith(r"\boxed{not the answer}") for case in written)


# Any gold

PIECES = (
    "\\frac",
    "{",
    "}",
    "1",
    "23",
    "/",
    "^",
    "!",
    "%",
    "$",
    "\\text",
    "A",
    "no",
    " ",
    ".",
    "-",
    "=",
    ",",
    "(",
    ")",
)


@example(gold="$", kind="math", question="?")
@example(gold="{}", kind="math", question="?")
@example(gold="1e999999999", kind="number", question="How many meters?")
@given(
    gold=st.lists(st.sampled_from(PIECES), min_size=1, max_size=9).map("".join).filter(str.strip),
    kind=st.sampled_from(["math", "number", "text", "choice", "other"]),
    question=st.sampled_from(["?", "How many meters?"]),
)
def test_any_gold_can_be_audited(gold: str, kind: str, question: str) -> None:
    item = make_item(gold, question, kind)
    assert len(item.wrong_answers) >= 2
    assert item.plain_wrong != gold
    for makers in BATTERIES.values():
        for maker in makers.values():
            for text in maker(item):
                assert isinstance(text, str)
