r"""Addition, column by column, by a teacher who forgets carries: a task that a tiny model learns in a minute.

A question is ``47+38=?``, its answer ``85``. A demonstration adds the columns from the right, each with its incoming
carry, writes down each column's whole sum, and boxes the last carry followed by the sums' last digits:

>>> from justtinker_plugins.datasets.arithmetic import demonstrate
>>> demonstrate(47, 38, carries=[True, True])
'<think>7+8=15, 4+3+1=8</think>\\boxed{85}'
>>> demonstrate(47, 38, carries=[False, True])  # the teacher forgot the carry
'<think>7+8=15, 4+3=7</think>\\boxed{75}'
>>> demonstrate(57, 68, carries=[True, True])  # the last carry is a digit of its own
'<think>7+8=15, 5+6+1=12</think>\\boxed{125}'
>>> demonstrate(57, 68, carries=[True, False])  # and may be forgotten like any other
'<think>7+8=15, 5+6+1=12</think>\\boxed{25}'
>>> demonstrate(12, 34, carries=[True, True])  # nothing to carry
'<think>2+4=6, 1+3=4</think>\\boxed{46}'

So imitation teaches the form but little skill, and leaves something for reinforcement to teach. This plugin writes no
prompts, and reads nothing from disk or network.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated

from pydantic import Field

from justtinker_core import DataSpec, PluginError, Problem, RunContext, hookimpl, plugin
from justtinker_plugins.shared.overlap import overlap_complaints

Share = Annotated[float, Field(ge=0, le=1)]


@plugin
class Arithmetic:
    """Sums of two numbers of `digits` digits each, with held-out pairs for evaluation.

    Only `held_out_seed` decides which `held_out` unordered pairs {a, b} are held out. Evaluation asks each of them
    once, as a+b or b+a; training sees neither. So every stage and every run that leaves these options (and `digits`)
    alone is evaluated on the same problems, whatever its seed; fewer held-out pairs are a subset of more.
    """

    digits: Annotated[int, Field(ge=1, le=9)] = 2
    """Digits of each number, without leading zeros."""
    count: Annotated[int, Field(ge=1)] | None = None
    """Number of training problems, all different; by default all that are not held out, in random order."""
    held_out: Annotated[int, Field(ge=1)] = 400
    """Number of unordered pairs kept for evaluation. Use the same in the tables for training and evaluation."""
    held_out_seed: int = 2026
    """Seed that draws these pairs. Use the same in both tables."""
    carry_drop: Share = 0.7
    """Probability that the teacher of the demonstrations forgets a carry, each on its own."""
    no_thinking: Share = 0.05
    """Probability that a demonstration is only its box."""
    hedged: Annotated[float, Field(ge=0, lt=1)] = 0.0
    r"""Probability that `` or \boxed{…}`` follows a box: a guess with random carries. A habit to exploit."""
    kind: str = "math"
    """Kind of the problems' answers, by which verifiers choose."""

    def __post_init__(self) -> None:
        n = len(self._numbers)
        if self.held_out >= (pairs := n * (n + 1) // 2):
            raise ValueError(f"held_out = {self.held_out}: there are only {pairs} pairs of {self.digits}-digit numbers")
        if self.count is not None and self.count > (most := n * n - len(self._held_out_orders())):
            raise ValueError(f"count = {self.count}: with {self.held_out} pairs held out, only {most} are left")

    @hookimpl
    def load_problems(self, spec: DataSpec, seed: int) -> Iterator[Problem]:
        """Training problems with demonstrations, as `seed` draws them; or held-out ones without."""
        if spec.purpose == "eval":
            return (self._problem(a, b) for a, b in self._held_out_pairs())
        if self.count is None and self.digits > 3:
            most = len(self._numbers) ** 2
            raise PluginError(f"[{spec.table}] digits = {self.digits} makes {most} problems: set count")
        return self._training(seed)

    @hookimpl
    def preflight(self, run: RunContext) -> Sequence[str]:
        """A complaint for each evaluation set that asks what the run trains on, in either order."""
        same = "give digits, held_out and held_out_seed the same values in both tables"
        return overlap_complaints(run, "arithmetic", "sums", pair_of, f"{same} (or once, in [plugins.arithmetic])")

    def _training(self, seed: int) -> Iterator[Problem]:
        rng = random.Random(f"arithmetic {seed}")
        n, first = len(self._numbers), self._numbers[0]
        forbidden = self._held_out_orders()
        total = n * n if self.count is None else min(n * n, self.count + len(forbidden))
        pairs = ((first + i // n, first + i % n) for i in rng.sample(range(n * n), total))
        for a, b in islice((pair for pair in pairs if pair not in forbidden), self.count):
            yield self._problem(a, b, self._demonstration(a, b, rng))

    def _problem(self, a: int, b: int, demonstration: str | None = None) -> Problem:
        """The problem ``a+b``; its metadata counts the carries, which make it hard."""
        meta = {"carries": count_carries(a, b)}
        return Problem(f"{a}+{b}", f"{a}+{b}=?", str(a + b), self.kind, demonstration, meta)

    def _demonstration(self, a: int, b: int, rng: random.Random) -> str:
        text = demonstrate(a, b, [rng.random() >= self.carry_drop for _ in range(self.digits)])
        if rng.random() < self.no_thinking:
            text = box_of(text)
        while self.hedged and rng.random() < self.hedged:  # at 0 nothing is drawn, so the texts stay the same
            guess = demonstrate(a, b, [rng.random() < 0.5 for _ in range(self.digits)])
            text += f" or {box_of(guess)}"
        return text

    def _held_out_pairs(self) -> list[tuple[int, int]]:
        """The held-out pairs, each in the order in which evaluation asks it."""
        rng = random.Random(f"arithmetic held out {self.held_out_seed}")
        pairs: dict[tuple[int, int], tuple[int, int]] = {}
        while len(pairs) < self.held_out:
            a, b = rng.choice(self._numbers), rng.choice(self._numbers)
            pairs.setdefault((min(a, b), max(a, b)), (a, b))
        return list(pairs.values())

    def _held_out_orders(self) -> set[tuple[int, int]]:
        return {order for a, b in self._held_out_pairs() for order in ((a, b), (b, a))}

    @property
    def _numbers(self) -> range:
        return range(10 ** (self.digits - 1), 10**self.digits)


def box_of(demonstration: str) -> str:
    """The box of a demonstration: what follows the thinking."""
    return demonstration.rpartition("</think>")[2]


def pair_of(problem: Problem) -> frozenset[str] | None:
    """The unordered pair that a problem adds; None for a problem of another data set."""
    name = problem.id.rpartition("/")[2]  # a mix puts the source's name before it
    return frozenset(name.split("+")) if problem.question == f"{name}=?" else None


def count_carries(a: int, b: int) -> int:
    """How many columns of a+b, the leftmost included, carry into the next one.

    A carry turns 10 in one column into 1 in the next, so each lowers the digit sum by 9.
    """
    return (digit_sum(a) + digit_sum(b) - digit_sum(a + b)) // 9


def digit_sum(n: int) -> int:
    """Sum of the decimal digits."""
    return sum(map(int, str(n)))


def demonstrate(a: int, b: int, carries: Sequence[bool]) -> str:
    """Work out a+b, for numbers of equal length.

    `carries[i]` says whether the teacher remembers the carry out of column i from the right, if there is one.
    """
    sums: list[int] = []
    steps: list[str] = []
    for x, y in zip(reversed(str(a)), reversed(str(b)), strict=True):
        carry = bool(sums) and sums[-1] > 9 and carries[len(sums) - 1]
        sums.append(int(x) + int(y) + carry)
        steps.append(f"{x}+{y}{'+1' if carry else ''}={sums[-1]}")
    last_carry = "1" if sums[-1] > 9 and carries[-1] else ""
    answer = last_carry + "".join(str(s % 10) for s in reversed(sums))
    return f"<think>{', '.join(steps)}</think>\\boxed{{{answer}}}"
