r"""Golds that are a word or a letter, and two guesses in one answer, of which one is the gold: ``\boxed{A = B}``."""

from __future__ import annotations

import random
from collections.abc import Iterator

from justtinker_plugins.commands._audit.honest import battery_of_variants
from justtinker_plugins.commands._audit.items import LAST_RESORT, Battery, Item, Topic, register_in
from justtinker_plugins.commands._audit.variants.forms import dressed_as, letter_of, word_of

WRONG: dict[str, Battery] = {}
SOME_WORD = "something else"


@register_in(WRONG)
def two_guesses_in_one(item: Item) -> Iterator[str]:
    """The gold joined to another answer by an equals sign, an arrow, an "or", in words or in signs."""
    texts = name_pairs(item.gold, item.wrong_answers) or number_pairs(item)
    yield from (item.respond(item.format(text)) for text in texts)


def name_pairs(gold: str, wrong: tuple[str, ...]) -> list[str]:
    """Join a letter to another letter, or a word to another word; nothing if the gold is neither."""
    read = letter_of if letter_of(gold) else word_of
    if not (name := read(gold)):
        return []
    others = (read(text) for text in (*wrong, SOME_WORD, "Z") if text not in LAST_RESORT)
    other = next(text for text in others if text and text.casefold() != name.casefold())
    a, b = gold, dressed_as(gold, name, other)
    return [
        f"{a} = {b}", f"{b} = {a}", f"{a} \\approx {b}", f"{b} \\approx {a}", f"{a} = x", f"{b} or {a}", f"{a}, {b}",
        f"\\text{{{name} or {other}}}", f"\\text{{{other} or {name}}}", f"\\text{{either {name} or {other}}}",
        f"{a} \\text{{ or }} {b}", f"{a} \\text{{ and }} {b}", f"{b}/{a}", f"{a} \\to {b}", f"{a} \\equiv {b}",
        f"{b} \\neq {a}", f"{a} \\Leftrightarrow {b}", f"{a} + {b}", f"{a} ({b})", f"\\{{{a}, {b}\\}}",
        f"\\frac{{{a}}}{{{b}}}", f"{a}{b}",
    ]  # fmt: skip


def number_pairs(item: Item) -> list[str]:
    """Join a number or an expression to a wrong number; nothing if the gold is a relation or a list."""
    if not item.mathematical or set(item.gold) & set("=<>,"):
        return []
    a, b = item.gold, item.wrong_number
    return [
        f"{a} = {b}", f"{b} = {a}", f"{a} \\approx {b}", f"{b} \\approx {a}", f"x = {b} = {a}", f"{a} \\to {b}",
        f"{b} \\equiv {a}",
    ]  # fmt: skip


other_words = battery_of_variants(frozenset({"word", "case", "choice"}))
other_words.__doc__ = "A word or a choice's letter in a font or none, in brackets, with a full stop or capitals."


def draw_problems(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Draw problems whose golds are letters, words and numbers of several kinds."""
    numbers = rng.sample(range(20, 90), 4)
    options = " ".join(f"({letter}) {number}" for letter, number in zip("ABCD", numbers, strict=True))
    for dress in ("{}", "({})", "\\text{{{}}}", "\\text{{({})}}"):
        largest = "ABCD"[numbers.index(max(numbers))]
        yield f"Which of these numbers is the largest? {options}", dress.format(largest)
        numbers = [*numbers[1:], numbers[0]]
        options = " ".join(f"({letter}) {number}" for letter, number in zip("ABCD", numbers, strict=True))
    n = rng.randrange(100, 1000)
    yield f"Is {n} an even or an odd number?", f"\\text{{{'odd' if n % 2 else 'even'}}}"
    yield f"Is {n} divisible by 4? Answer yes or no.", "no" if n % 4 else "yes"
    day = rng.randrange(7)
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    yield f"Today is {days[day]}. Which day of the week is it in 100 days?", f"\\text{{{days[(day + 100) % 7]}}}"
    yield "Which city is the capital of Italy?", "Rome"
    red = rng.choice((2, 4, 5, 7))
    yield (
        f"A bag holds {red} red and 9 blue balls. How likely is a ball drawn blindly to be red?",
        (f"\\frac{{{red}}}{{{red + 9}}}"),
    )
    yield f"What is the mean of {n} and {n + 1}, as a decimal?", f"{n}.5"


TOPIC = Topic(WRONG, {"other words": other_words}, draw_problems)
