r"""Countdown: reach a target with given numbers, each of them used exactly once. The judge is exact arithmetic.

The game of British and French television as reasoning models play it: with 14, 7 and 4 make 11. All numbers must be
used; what comes out on the way may be negative or a fraction. Two roles: the problems, each made from a solution, and
the verdicts. Prompt, algorithm and rewards are what the config enables.

A problem's gold is one solution. An answer, the last box of a response, is right if it is an expression of the gold's
numbers, in any order, with the gold's value. So a data set of your own needs ``kind = "countdown"`` and a solution.

>>> from justtinker_plugins.environments.countdown import attempt, Countdown
>>> attempt([14, 7, 4], "-+")
Attempt(expression='14-7+4', work='14-7=7+4=11', value=11)
>>> rule = Countdown(operations="+-")
>>> rule.wrong(rule.gold("14-7+4"), "4 + (14 - 7) = 11")
''
>>> rule.wrong(rule.gold("14-7+4"), "7 + 4")
'14 is not used'
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice, product
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field

from justtinker_core import PluginError, Problem, Rollout, Verdict, hookimpl, plugin
from justtinker_plugins.environments._arithmetic import MOST_CHARS, Computed, compute
from justtinker_plugins.shared.answers import gold_text, judge
from justtinker_plugins.shared.overlap import overlap_complaints
from justtinker_plugins.text import CLOSE, OPEN

if TYPE_CHECKING:
    from justtinker_core.config import DataSpec
    from justtinker_core.run import Run

KIND = "countdown"
DRAWS = 20_000
"""When so many draws in a row have given nothing new, there is nothing new."""


class Attempt(NamedTuple):
    """Numbers put together from the left."""

    expression: str
    work: str
    """The running total after each operation."""
    value: int


class Game(NamedTuple):
    """What is asked, and a solution."""

    numbers: tuple[int, ...]
    """In the order in which they are shown."""
    solution: Attempt

    @property
    def key(self) -> str:
        """What makes two games alike: the numbers in any order, and the target."""
        return f"{', '.join(map(str, sorted(self.numbers)))} = {self.solution.value}"


@plugin
class Countdown:
    """Problems with demonstrations by a teacher who boxes the wrong line, held-out ones for evaluation, and verdicts.

    `held_out` problems are drawn by `held_out_seed` alone; training never sees their numbers with their target, in any
    order. So every run that leaves these two and the game alone is evaluated on the same problems.
    """

    numbers: Annotated[int, Field(ge=2, le=10)] = 4
    """How many are given."""
    large: Annotated[int, Field(ge=0)] = 1
    """How many of them are drawn from 10 to `largest`, and shown first; the others are digits from 1 to 9."""
    largest: Annotated[int, Field(ge=10)] = 99
    """No number is larger."""
    largest_target: Annotated[int, Field(ge=1)] = 100
    """Targets are whole, from 1 to this."""
    operations: str = "+-*/"
    """Those that may be used; an answer with another one is wrong."""
    reorder: bool = True
    """Solutions take the numbers in any order; false: in the order in which they are shown (an answer need not)."""
    question: str = (
        "Make {target} from the numbers {numbers}. Use each of them exactly once, and only the operations {operations} "
        "and parentheses. Put the expression into the box."
    )
    """How it is asked; ``{target}``, ``{numbers}`` and ``{operations}`` stand for the problem's."""
    count: Annotated[int, Field(ge=1)] = 3000
    """How many training problems. They differ in numbers, order or target."""
    held_out: Annotated[int, Field(ge=1)] = 400
    """How many problems are kept for evaluation. Must be equal in the tables for training and evaluation."""
    held_out_seed: int = 2026
    """Which these are. Must be equal too."""
    tries: Annotated[int, Field(ge=1)] = 4
    """Most expressions in a demonstration; the last of them is a solution."""
    careless: Annotated[float, Field(ge=0, le=1)] = 0.8
    """With what probability a teacher who needed several tries boxes one that missed."""

    def __post_init__(self) -> None:
        if not self.operations or set(self.operations) - set("+-*/"):
            raise ValueError(f"operations = {self.operations!r}: give some of +-*/")
        if self.large > self.numbers:
            raise ValueError(f"large = {self.large}: there are only {self.numbers} numbers")
        for part in ("{target}", "{numbers}"):
            if part not in self.question:
                raise ValueError(
                    f"question = {self.question!r} never shows the {part[1:-1]}; write {part} where it goes"
                )

    @hookimpl
    def load_problems(self, spec: DataSpec, seed: int) -> Iterator[Problem]:
        """Training problems with demonstrations, a function of `seed`; or the held-out ones, without."""
        draw = self._games(random.Random(f"countdown held out {self.held_out_seed}"), lambda game: game.key)
        held_out = list(islice(draw, self.held_out))
        if spec.purpose == "eval":
            yield from map(self._problem, held_out)
            return
        kept, rng = {game.key for game in held_out}, random.Random(f"countdown {seed}")
        draw = self._games(rng, lambda game: None if game.key in kept else (game.numbers, game.solution.value))
        for game in islice(draw, self.count):
            yield replace(self._problem(game), demonstration=self._demonstration(game, rng))

    @hookimpl
    def preflight(self, run: Run) -> list[str]:
        """A complaint for each evaluation set that asks what is trained on."""
        return overlap_complaints(run, "countdown", "games", lambda problem: problem.meta.get("game"))

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """One verdict a rollout; unscored where the gold is no solution. All right answers are one vote."""
        if problem.kind != KIND:
            return None
        gold = self.gold(problem.answer)
        verdicts = judge(rollouts, "strict", MOST_CHARS, gold, self.wrong)
        return [replace(v, vote="the target" if v.outcome == "correct" else None) for v in verdicts]

    def gold(self, answer: str | None) -> Computed | str:
        """What a solution is made from; or why it is none."""
        try:
            return compute(gold_text(answer))
        except ValueError as error:
            return f"the gold is no solution: {error}"

    def wrong(self, gold: Computed, answer: str) -> str:
        """What is wrong with an answer; nothing for a right one. The target may follow it: ``14-7+4 = 7+4 = 11``."""
        expression, *results = answer.split("=")
        try:
            found = compute(expression)
        except ValueError as error:
            return str(error)
        if forbidden := set(found.operations + "-" * found.negated) - set(self.operations):
            return f"{min(forbidden)} is not allowed"
        given, used = Counter(gold.numbers), Counter(found.numbers)
        for number in used - given:
            return f"{number} is {'used too often' if number in given else 'not given'}"
        for number in given - used:
            return f"{number} is not used{' as often as given' if number in used else ''}"
        if found.value != gold.value:
            return f"it makes {str(found.value)[:40]}, not {gold.value}"
        if results and not results[-1].strip(" $."):
            results.pop()
        return "" if all(_value(result) == gold.value for result in results) else "what follows '=' is not the target"

    def _games(self, rng: random.Random, name: Callable[[Game], Hashable]) -> Iterator[Game]:
        """Games of which no two have one name; those without a name are left out."""
        seen: set[Hashable] = {None}
        missed = 0
        while missed < DRAWS:
            game = self._draw(rng)
            missed += 1
            if game is not None and name(game) not in seen:
                seen.add(name(game))
                missed = 0
                yield game
        raise PluginError(
            f"countdown finds no more than {len(seen) - 1} different problems; ask for fewer (count, held_out), or "
            "give a larger game (numbers, largest, operations)"
        )

    def _draw(self, rng: random.Random) -> Game | None:
        places = range(self.numbers)
        numbers = tuple(rng.randint(10, self.largest) if i < self.large else rng.randint(1, 9) for i in places)
        found = self._attempt(numbers, rng)
        return Game(numbers, found) if found and 1 <= found.value <= self.largest_target else None

    def _attempt(self, numbers: Sequence[int], rng: random.Random) -> Attempt | None:
        order = rng.sample(numbers, len(numbers)) if self.reorder else numbers
        return attempt(order, rng.choices(self.operations, k=len(numbers) - 1))

    def _problem(self, game: Game) -> Problem:
        shown = {"target": str(game.solution.value), "numbers": ", ".join(map(str, game.numbers))}
        question = self.question.replace("{operations}", " ".join(self.operations))
        for part, text in shown.items():
            question = question.replace(f"{{{part}}}", text)
        meta = {"game": game.key, "operations": "".join(sorted(set(game.solution.expression) & set("+-*/")))}
        return Problem("{numbers} = {target}".format(**shown), question, game.solution.expression, KIND, meta=meta)

    def _demonstration(self, game: Game, rng: random.Random) -> str:
        """Tries until one hits; in the box, that one or one that missed."""
        misses: dict[str, Attempt] = {}
        solution = game.solution
        for tried in self._search(game.numbers, rng):
            if tried.value == solution.value:
                solution = tried
                break
            if len(misses) == self.tries - 1:
                break
            misses[tried.expression] = tried
        work = ", ".join(tried.work for tried in (*misses.values(), solution))
        boxed = rng.choice(list(misses)) if misses and rng.random() < self.careless else solution.expression
        return f"{OPEN}{work}{CLOSE}\\boxed{{{boxed}}}"

    def _search(self, numbers: Sequence[int], rng: random.Random) -> Iterator[Attempt]:
        """What the teacher tries: all operations in turn, or anything if the order is free too."""
        if self.reorder:
            tried = (self._attempt(numbers, rng) for _ in range(DRAWS))
        else:
            tried = (attempt(numbers, signs) for signs in product(self.operations, repeat=len(numbers) - 1))
        return (found for found in tried if found)


def _value(text: str) -> Fraction | None:
    try:
        return compute(text).value
    except ValueError:
        return None


def attempt(numbers: Sequence[int], signs: Sequence[str]) -> Attempt | None:
    """Put together from the left; None if a running total is negative or not whole."""
    expression = work = str(numbers[0])
    value, is_sum = numbers[0], False
    for sign, number in zip(signs, numbers[1:], strict=True):
        if sign == "/" and value % number:
            return None
        value = {"+": value + number, "-": value - number, "*": value * number, "/": value // number}[sign]
        if value < 0:
            return None
        if is_sum and sign in "*/":
            expression = f"({expression})"
        is_sum = sign in "+-"
        expression, work = f"{expression}{sign}{number}", f"{work}{sign}{number}={value}"
    return Attempt(expression, work, value)
