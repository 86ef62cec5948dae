r"""A calculator that the policy may call while it answers: several turns, on problems that are hard without it.

The policy writes ``<calc>47*38</calc>``; there its turn ends. The environment writes ``=1786`` and a new line, and the
policy goes on, until it ends its answer or has used up its calls. What the calculator says is never trained. Three
roles: problems, how any problem of the right kinds is played, and how many calls are made and fail. Judging is left to
a verifier: answers are numbers, so `math_verify` and `numeric` will do.

>>> from justtinker_plugins.environments.calculator import Calculator
>>> Calculator().press("47*38")
'=1786\n'
>>> Calculator().press("1/0")
'=error: division by zero\n'

A result cannot be faked: a turn ends with its call, so whatever follows a call is the calculator's. What looks like a
result without a call is the policy's own claim, and pays nothing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from justtinker_core import Group, Problem, Rollout, hookimpl, plugin
from justtinker_plugins.environments._arithmetic import compute

if TYPE_CHECKING:
    from justtinker_core.config import DataSpec
    from justtinker_core.episodes import Policy

ERROR = "=error: "


@plugin
class Calculator:
    """Problems such as ``47*38+6=?``, demonstrations by a teacher who often estimates instead, and the calculator.

    `held_out` problems are drawn by `held_out_seed` alone, and training sees none of their products. So every run that
    leaves these two, `digits` and `steps` alone is evaluated on the same problems.
    """

    open: str = "<calc>"
    """What a call begins with."""
    close: str = "</calc>"
    """What ends a call, and the turn. The prompt must tell the policy of both, or demonstrations teach them."""
    calls: Annotated[int, Field(ge=1)] = 8
    """Most calls in a response; one more ends it."""
    operations: Annotated[int, Field(ge=1)] = 1
    """Most operations in a call: 1 is a pocket calculator, so that several steps take several calls."""
    kinds: tuple[str, ...] = ("math", "number")
    """Problems of which `Problem.kind` may use the calculator, whichever data set they come from."""
    digits: Annotated[int, Field(ge=1, le=6)] = 2
    """Of both numbers that are multiplied."""
    steps: Annotated[int, Field(ge=1, le=4)] = 2
    """The product, and then so many numbers of one digit less one to add."""
    count: Annotated[int, Field(ge=1)] = 3000
    """How many training problems; fewer, if there are no more."""
    held_out: Annotated[int, Field(ge=1)] = 400
    """How many are kept for evaluation. Must be equal in the tables for training and evaluation."""
    held_out_seed: int = 2026
    """Which these are. Must be equal too."""
    estimates: Annotated[float, Field(ge=0, le=1)] = 0.6
    """With what probability the teacher takes round factors and no calculator."""

    def __post_init__(self) -> None:
        if not self.open or not self.close or self.open == self.close:
            raise ValueError(f"open = {self.open!r} and close = {self.close!r}: two different texts are wanted")
        if self.held_out >= self._products:
            raise ValueError(
                f"held_out = {self.held_out}: there are {self._products} products of {self.digits}-digit numbers"
            )

    @hookimpl
    def load_problems(self, spec: DataSpec, seed: int) -> Iterator[Problem]:
        """Training problems with demonstrations, a function of `seed`; or the held-out ones, without."""
        held_out = list(islice(self._sums(f"held out {self.held_out_seed}"), self.held_out))
        if spec.purpose == "eval":
            yield from map(make_problem, held_out)
            return
        rng, taken = random.Random(f"calculator demonstrations {seed}"), set(map(factors, held_out))
        fresh = (numbers for numbers in self._sums(f"{seed}") if factors(numbers) not in taken)
        for numbers in islice(fresh, min(self.count, self._products - self.held_out)):
            yield replace(make_problem(numbers), demonstration=self._demonstration(numbers, rng))

    @hookimpl
    def rollout(self, problem: Problem, policy: Policy) -> Rollout | None:
        """Turns of policy and calculator, until the policy ends its answer or runs out of calls or tokens."""
        if problem.kind not in self.kinds:
            return None
        for _ in range(self.calls):
            call = self.called(policy.generate(stop=[self.close]))
            if call is None or policy.truncated:
                return policy.rollout()
            policy.observe(self.press(call))
        policy.generate(stop=[self.close])
        return policy.rollout()

    @hookimpl
    def measure(self, group: Group) -> dict[str, list[float | None]]:
        """`calls` of each rollout, and `failed_calls`: the share of them that gave an error; None without a call."""
        calls = [rollout.text.count(f"{self.close}=") for rollout in group.rollouts]
        failed = [rollout.text.count(f"{self.close}{ERROR}") for rollout in group.rollouts]
        return {
            "calls": [float(n) for n in calls],
            "failed_calls": [bad / n if n else None for bad, n in zip(failed, calls, strict=True)],
        }

    def called(self, turn: str) -> str | None:
        """What a turn that ends in a call asks for; None if it ends the answer.

        Nothing, and so an error, without a beginning; or if the last token reaches beyond the end, with a guess.
        """
        before, closed, after = turn.partition(self.close)
        _, opened, call = before.rpartition(self.open)
        if not closed:
            return None
        return call if opened and not after else ""

    def press(self, call: str) -> str:
        """What the calculator shows."""
        try:
            found = compute(call)
            if len(found.operations) > self.operations:
                raise ValueError(f"more than {self.operations} operation{'s' * (self.operations > 1)} in a call")
        except ValueError as error:
            return f"{ERROR}{error}\n"
        return f"={found.value}\n"

    @property
    def _products(self) -> int:
        """How many pairs of factors there are."""
        n = len(self._numbers)
        return n * (n + 1) // 2

    @property
    def _numbers(self) -> range:
        return range(10 ** (self.digits - 1), 10**self.digits)

    def _sums(self, seed: str) -> Iterator[tuple[int, ...]]:
        """Two factors and what is added, in random order, no pair of factors twice."""
        rng, seen = random.Random(f"calculator {seed}"), set[tuple[int, ...]]()
        while len(seen) < self._products:
            added = rng.choices(range(1, 10), k=self.steps - 1)
            numbers = (*rng.choices(self._numbers, k=2), *added)
            if factors(numbers) not in seen:
                seen.add(factors(numbers))
                yield numbers

    def _demonstration(self, numbers: tuple[int, ...], rng: random.Random) -> tuple[str, ...]:
        """Turns of the teacher and the calculator. An estimate is one turn, and usually wrong."""
        first, *others = numbers
        if rng.random() < self.estimates:
            a, b = (round(n, 1 - self.digits) for n in numbers[:2])
            value = a * b + sum(others[1:])
            return (f"<think>{a}*{b}={a * b}\n</think>\\boxed{{{value}}}",)
        turns, text, value = [], "<think>", first
        for sign, number in zip("*+++", others, strict=False):
            call = f"{value}{sign}{number}"
            turns += [f"{text}{self.open}{call}{self.close}", self.press(call)]
            text, value = "", value * number if sign == "*" else value + number
        return (*turns, f"</think>\\boxed{{{value}}}")


def factors(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """Those of the product, in order of size."""
    return tuple(sorted(numbers[:2]))


def make_problem(numbers: tuple[int, ...]) -> Problem:
    """The problem with these factors and, after them, what is added."""
    a, b, *others = numbers
    text = "+".join(map(str, (f"{a}*{b}", *others)))
    return Problem(text, f"{text}=?", str(a * b + sum(others)))
