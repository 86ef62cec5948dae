"""Honest lists of cases, as puzzles need them: on one pattern, but each line says something new."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator

NAMES = ["Alice", "Bob", "Carol", "David", "Emma", "Frank", "Grace", "Henry", "Irene", "Jack"]
VERDICTS = [
    "does not work",
    "is too small",
    "is too large",
    "fails",
    "is not an integer",
    "contradicts the second clue",
    "is ruled out",
    "leaves a remainder",
    "breaks the rule",
    "is not what we need",
    "overshoots",
    "comes close, but no",
]
STARTS = ["", "Try", "Next,", "Now", "So", "What about", "Or", "Then", "Maybe", "Also", "Let me test", "Consider"]


def countdown(draw: random.Random) -> Iterator[str]:
    """Attempts to reach a number from four others."""
    while True:
        a, b, c, d = draw.sample([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 25, 50, 75, 100], 4)
        first, second = draw.choice([(a + b, "+"), (a * b, "*"), (a - b, "-")]), draw.choice([c, d])
        yield (
            f"{draw.choice(STARTS)} {a} {first[1]} {b} = {first[0]}, and {first[0]} + {second} = {first[0] + second}, "
            f"which {draw.choice(VERDICTS)}."
        )


def remainders(draw: random.Random) -> Iterator[str]:
    """Values of n, one after another."""
    for n in itertools.count(draw.randint(1, 50)):
        m, value = draw.choice([7, 11, 13]), n * n + n + 1
        yield draw.choice(
            [
                f"n = {n}: {n}^2 + {n} + 1 = {value}, remainder {value % m} modulo {m}, {draw.choice(VERDICTS)}.",
                f"For n = {n} we get {value} = {m} * {value // m} + {value % m}.",
            ]
        ).strip()


def seatings(draw: random.Random) -> Iterator[str]:
    """Orders of five people."""
    people = draw.sample(NAMES, 5)
    orders = list(itertools.permutations(people))
    draw.shuffle(orders)
    for order in itertools.cycle(orders):
        i, j = draw.sample(range(5), 2)
        yield draw.choice(
            [
                f"{', '.join(order)}: {order[i]} sits {abs(i - j)} from {order[j]}, so this {draw.choice(VERDICTS)}.",
                f"If the order is {'-'.join(order)}, then {order[i]} is in seat {i + 1}; that {draw.choice(VERDICTS)}.",
            ]
        )


def knights(draw: random.Random) -> Iterator[str]:
    """Who is a knight and who a knave."""
    people = draw.sample(NAMES, 4)
    while True:
        kinds = [draw.choice(["knight", "knave"]) for _ in people]
        a, b = draw.sample(range(4), 2)
        says = draw.choice(["tells the truth", "lies", "is honest", "cannot say that", "must be lying", "is right"])
        who = ", ".join(f"{p} a {k}" for p, k in zip(people, kinds, strict=True))
        yield draw.choice(
            [
                f"Suppose {who}. Then {people[a]} {says} about {people[b]}, which {draw.choice(VERDICTS)}.",
                f"Case: {who}; {people[a]}'s statement means that {people[b]} {says}, and it {draw.choice(VERDICTS)}.",
            ]
        )


KINDS: dict[str, Callable[[random.Random], Iterator[str]]] = {
    "countdown": countdown,
    "remainders": remainders,
    "seatings": seatings,
    "knights": knights,
}


def case_list(draw: random.Random, characters: int, kind: str, before: str) -> str:
    """A list after the start of some reasoning, at least so many characters in all."""
    lines = [before]
    for line in KINDS[kind](draw):
        lines.append(line.strip())
        if sum(map(len, lines)) + len(lines) >= characters:
            return "\n".join(lines)
    raise AssertionError("a list has no end")
