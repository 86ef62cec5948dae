r"""Countdown: reach a target with given numbers, each of them used exactly once. The judge is exact arithmetic.

The game of British and French television as reasoning models play it: with 14, 7 and 4, make 11. All numbers must be
used; results on the way may be negative or fractions. The plugin makes problems, each from a solution, and gives
verdicts. The config chooses prompt, algorithm and rewards.

A problem's gold answer is one solution. An answer, the last box of a response, is right if it is an expression of the
gold's numbers, in any order, with the gold's value. So a data set of your own needs ``kind = "countdown"`` and a
solution as its answer.

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
from typing import Annotated, NamedTuple

from pydantic import Field

from justtinker_core import DataSpec, PluginError, Problem, Rollout, RunContext, Verdict, hookimpl, plugin
from justtinker_plugins.environments._arithmetic import MOST_CHARS, Computed, compute
from justtinker_plugins.shared.answers import gold_text, judge_rollouts
from justtinker_plugins.shared.overlap import overlap_complaints
from justtinker_plugins.text import CLOSE, OPEN

KIND = "countdown"
DRAWS = 20_000
"""After this many draws in a row without a new problem, there is taken to be none left."""


class Attempt(NamedTuple):
    """Numbers combined from the left."""

    expression: str
    work: str
    """The running total after each operation."""
    value: int


class Game(NamedTuple):
    """The given numbers, and a solution, whose value is the target."""

    numbers: tuple[int, ...]
    """In the order in which the question shows them."""
    solution: Attempt

    @property
    def key(self) -> str:
        """What two games that are alike share: the numbers, in any order, and the target."""
        return f"{', '.join(map(str, sorted(self.numbers)))} = {self.solution.value}"


@plugin
class Countdown:
    """Problems with demonstrations by a teacher who boxes the wrong line, held-out ones for evaluation, and verdicts.

    Only `held_out_seed` decides which `held_out` problems are held out; training never sees their numbers with their
    target, in any order. So every run that leaves these two options and the game alone is evaluated on the same
    problems.
    """

    numbers: Annotated[int, Field(ge=2, le=10)] = 4
    """How many numbers are given."""
    large: Annotated[int, Field(ge=0)] = 1
    """How many of them are drawn from 10 to `largest` and shown first; the others are digits from 1 to 9."""
    largest: Annotated[int, Field(ge=10)] = 99
    """The largest number that may be given."""
    largest_target: Annotated[int, Field(ge=1)] = 100
    """Targets are whole numbers from 1 to this."""
    operations: str = "+-*/"
    """The operations that may be used; an answer with any other is wrong."""
    reorder: bool = True
    """Whether solutions take the numbers in any order; if false, in the order shown (an answer need not)."""
    question: str = (
        "Make {target} from the numbers {numbers}. Use each of them exactly once, and only the operations {operations} "
        "and parentheses. Put the expression into the box."
    )
    """Text of the question; ``{target}``, ``{numbers}`` and ``{operations}`` stand for the problem's."""
    count: Annotated[int, Field(ge=1)] = 3000
    """Number of training problems. They differ in numbers, order or target."""
    held_out: Annotated[int, Field(ge=1)] = 400
    """Number of problems kept for evaluation. Use the same in the tables for training and evaluation."""
    held_out_seed: int = 2026
    """Seed that draws these problems. Use the same in both tables."""
    tries: Annotated[int, Field(ge=1)] = 4
    """Most expressions in a demonstration; the last one is a solution."""
    careless: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Probability that a teacher who needed several tries boxes one that missed."""

    def __post_init__(self) -> None:
        if not self.operations or set(self.operations) - set("+-*/"):
            raise ValueError(f"operations = {self.operations!r}: expected some of +-*/")
        if self.large > self.numbers:
            raise ValueError(f"large = {self.large}: there are only {self.numbers} numbers")
        for field in ("{target}", "{numbers}"):
            if field not in self.question:
                raise ValueError(
                    f"question = {self.question!r} never shows the {field[1:-1]}; write {field} where it goes"
                )

    @hookimpl
    def load_problems(self, spec: DataSpec, seed: int) -> Iterator[Problem]:
        """Training problems with demonstrations, as `seed` draws them; or held-out ones without."""
        games = self._games(random.Random(f"countdown held out {self.held_out_seed}"), lambda game: game.key)
        held_out = list(islice(games, self.held_out))
        if spec.purpose == "eval":
            yield from map(self._problem, held_out)
            return
        kept, rng = {game.key for game in held_out}, random.Random(f"countdown {seed}")
        games = self._games(rng, lambda game: None if game.key in kept else (game.numbers, game.solution.value))
        for game in islice(games, self.count):
            yield replace(self._problem(game), demonstration=self._demonstration(game, rng))

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """A complaint for each evaluation set that asks what the run trains on."""
        return overlap_complaints(run, "countdown", "games", lambda problem: problem.meta.get("game"))

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """One verdict a rollout; unscored if the gold is not a solution. All right answers are one vote."""
        if problem.kind != KIND:
            return None
        gold = self.gold(problem.answer)
        verdicts = judge_rollouts(rollouts, "strict", MOST_CHARS, gold, self.wrong)
        return [replace(v, vote="the target" if v.outcome == "correct" else None) for v in verdicts]

    def gold(self, answer: str | None) -> Computed | str:
        """What the gold solution is computed from, or why it is not a solution."""
        try:
            return compute(gold_text(answer))
        except ValueError as error:
            return f"the gold is not a solution: {error}"

    def wrong(self, gold: Computed, answer: str) -> str:
        """What is wrong with an answer; '' for a right one. The target may follow it: ``14-7+4 = 7+4 = 11``."""
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
        """Draw games, no two of the same name and none whose name is None."""
        seen: set[Hashable] = {None}
        missed = 0
        while missed < DRAWS:
            game = self._draw_game(rng)
            missed += 1
            if game is not None and name(game) not in seen:
                seen.add(name(game))
                missed = 0
                yield game
        raise PluginError(
            f"countdown finds no more than {len(seen) - 1} different problems; ask for fewer (count, held_out), or "
            "choose a larger game (numbers, largest, operations)"
        )

    def _draw_game(self, rng: random.Random) -> Game | None:
        indices = range(self.numbers)
        numbers = tuple(rng.randint(10, self.largest) if i < self.large else rng.randint(1, 9) for i in indices)
        found = self._attempt(numbers, rng)
        return Game(numbers, found) if found and 1 <= found.value <= self.largest_target else None

    def _attempt(self, numbers: Sequence[int], rng: random.Random) -> Attempt | None:
        order = rng.sample(numbers, len(numbers)) if self.reorder else numbers
        return attempt(order, rng.choices(self.operations, k=len(numbers) - 1))

    def _problem(self, game: Game) -> Problem:
        texts = {"target": str(game.solution.value), "numbers": ", ".join(map(str, game.numbers))}
        question = self.question.replace("{operations}", " ".join(self.operations))
        for field, text in texts.items():
            question = question.replace(f"{{{field}}}", text)
        meta = {"game": game.key, "operations": "".join(sorted(set(game.solution.expression) & set("+-*/")))}
        return Problem("{numbers} = {target}".format(**texts), question, game.solution.expression, KIND, meta=meta)

    def _demonstration(self, game: Game, rng: random.Random) -> str:
        """Write tries until one hits the target; box that one, or one that missed."""
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
        """The teacher's tries: all operations in turn, or random ones if the numbers' order is free."""
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
    """Combine numbers from the left; None if a running total is negative or not whole."""
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
