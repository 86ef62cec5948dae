r"""Countdown: reach a target with given numbers, each of them used exactly once. The judge is exact arithmetic.

The game of the French and British television shows as reasoning models play it: make 6 from 3, 5 and 8. All numbers
must be used; what comes out on the way may be negative or a fraction. Two roles: the problems, each made from a
solution, and the verdicts. Prompt, algorithm and rewards are what the config enables.

A problem's gold is one solution. An answer, the last box of a response, is right if it is an expression of the gold's
numbers, in any order, with the gold's value. So a data set of your own needs ``kind = "countdown"`` and a solution.

>>> from justtinker_plugins.environments.countdown import Countdown, compute
>>> Countdown().wrong(compute("8-5+3"), "3 + (8 - 5) = 6")
''
>>> Countdown().wrong(compute("8-5+3"), "3 + 3")
'not the given numbers, each exactly once'
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice, product
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from justtinker_core import PluginError, Problem, Rollout, Verdict, hookimpl, plugin
from justtinker_plugins.environments._arithmetic import MOST_CHARS, OPERATIONS, Computed, compute
from justtinker_plugins.verifiers._judge import judge

if TYPE_CHECKING:
    from justtinker_core.config import DataSpec

KIND = "countdown"
IDLE = 10_000
"""After so many draws in a row that gave nothing new, there is nothing new."""
Key = tuple[tuple[Fraction, ...], Fraction]


@plugin
class Countdown:
    """Problems with demonstrations by a teacher who gives up early, held-out ones for evaluation, and verdicts.

    `held_out` problems are drawn by `held_out_seed` alone; training never sees their numbers with their target, in any
    order. So every run that leaves these two and the options of the game alone is evaluated on the same problems.
    """

    numbers: Annotated[int, Field(ge=2, le=8)] = 4
    """How many are given."""
    largest: Annotated[int, Field(ge=2)] = 100
    """They are drawn from 1 to this."""
    largest_target: Annotated[int, Field(ge=1)] = 100
    """Targets are whole, from 1 to this."""
    operations: str = "+-*/"
    """Those that are allowed; an answer with another one is wrong."""
    in_order: bool = False
    """Give the numbers in an order that has a solution from left to right: an easier game."""
    question: str = (
        "Make {target} from the numbers {numbers}. Use each of them exactly once, and only the operations {operations} "
        "and parentheses. Put the expression into the box."
    )
    """How it is asked; ``{target}``, ``{numbers}`` and ``{operations}`` stand for those of the problem."""
    count: Annotated[int, Field(ge=1)] = 3000
    """How many training problems; fewer, if the game has no more."""
    held_out: Annotated[int, Field(ge=1)] = 400
    """How many problems are kept for evaluation. Must be equal in the tables for training and evaluation."""
    held_out_seed: int = 2026
    """Which these are. Must be equal too."""
    tries: Annotated[int, Field(ge=1)] = 4
    """Most tries that a demonstration shows, those before its end."""
    gives_up: Annotated[float, Field(ge=0, le=1)] = 0.7
    """With what probability the teacher boxes a wrong expression instead of going on, at each of them."""

    def __post_init__(self) -> None:
        if not self.operations or set(self.operations) - set("+-*/"):
            raise ValueError(f"operations = {self.operations!r}: some of + - * / are wanted")
        for part in ("{target}", "{numbers}"):
            if part not in self.question:
                raise ValueError(f"question = {self.question!r} never tells the {part[1:-1]}: write {part} where it is")

    @hookimpl
    def load_problems(self, spec: DataSpec, seed: int) -> Iterator[Problem]:
        """Training problems with demonstrations, a function of `seed`; or the held-out ones, without."""
        held_out: dict[Key, Problem] = {}
        for problem in self._games(f"held out {self.held_out_seed}"):
            held_out.setdefault(key_of(problem), problem)
            if len(held_out) == self.held_out:
                break
        else:
            raise PluginError(f"[{spec.table}] held_out = {self.held_out}: this game has {len(held_out)} problems")
        if spec.purpose == "eval":
            yield from held_out.values()
            return
        rng = random.Random(f"countdown demonstrations {seed}")
        fresh = (problem for problem in self._games(f"{seed}") if key_of(problem) not in held_out)
        for problem in islice(fresh, self.count):
            yield replace(problem, demonstration=self._demonstration(problem, rng))

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """One verdict a rollout, for problems of this kind; unscored where the gold is no solution."""
        if problem.kind != KIND:
            return None
        try:
            gold: Computed | str = compute(problem.answer or "")
        except ValueError as error:
            gold = f"the gold is no solution: {error}"
        return judge(rollouts, "strict", MOST_CHARS, gold, self.wrong)

    def wrong(self, gold: Computed, answer: str) -> str:
        """What is wrong with an answer, nothing if it is right. ``= target`` may follow it."""
        expression, equals, target = answer.partition("=")
        try:
            found = compute(expression)
            if equals and compute(target).value != gold.value:
                return "it says that it makes something else"
        except ValueError as error:
            return str(error)
        if sorted(found.numbers) != sorted(gold.numbers):
            return "not the given numbers, each exactly once"
        if others := set(found.operations) - set(self.operations):
            return f"{min(others)} is not allowed"
        return "" if found.value == gold.value else "another value than the target"

    def _games(self, seed: str) -> Iterator[Problem]:
        """Problems in random order, none twice, until there seem to be no more."""
        rng, seen, idle = random.Random(f"countdown {seed}"), set[str](), 0
        while idle < IDLE:
            idle += 1
            numbers = [rng.randint(1, self.largest) for _ in range(self.numbers)]
            found = worked(numbers, [rng.choice(self.operations) for _ in numbers[1:]])
            if found is None or not 1 <= found.value <= self.largest_target:
                continue
            given = ", ".join(map(str, numbers if self.in_order else rng.sample(numbers, len(numbers))))
            name = f"{given} = {found.value}"
            if name not in seen:
                seen.add(name)
                idle = 0
                said = {"target": found.value, "numbers": given, "operations": " ".join(self.operations)}
                yield Problem(name, self.question.format(**said), found.expression, kind=KIND)

    def _demonstration(self, problem: Problem, rng: random.Random) -> str:
        """Tries with the solution's numbers, one after the other, to the solution; or to where the teacher gives up."""
        gold = compute(problem.answer or "")
        tries: list[Worked] = []
        for signs in product(self.operations, repeat=len(gold.numbers) - 1):
            if (found := worked([int(n) for n in gold.numbers], signs)) is None:
                continue
            tries = [*tries, found][-self.tries :]
            if found.value == gold.value or rng.random() < self.gives_up:
                break
        return f"<think>{', '.join(t.steps for t in tries)}</think>\\boxed{{{tries[-1].expression}}}"


@dataclass(frozen=True, slots=True)
class Worked:
    """Numbers put together from left to right."""

    expression: str
    """``8-5+3``"""
    steps: str
    """``8-5=3+3=6``"""
    value: int


def worked(numbers: Sequence[int], signs: Sequence[str]) -> Worked | None:
    """Worked out; None where it would become negative or a fraction on the way, as people avoid it."""
    value, *others = numbers
    expression = steps = str(value)
    is_sum = False
    for sign, number in zip(signs, others, strict=True):
        if sign == "/" and value % number:
            return None
        value = value // number if sign == "/" else OPERATIONS[sign](value, number)
        if value < 0:
            return None
        expression = f"({expression}){sign}{number}" if is_sum and sign in "*/" else f"{expression}{sign}{number}"
        is_sum = sign in "+-"
        steps += f"{sign}{number}={value}"
    return Worked(expression, steps, value)


def key_of(problem: Problem) -> Key:
    """What makes two problems the same game: the numbers in order of size, and the target."""
    gold = compute(problem.answer or "")
    return tuple(sorted(gold.numbers)), gold.value
