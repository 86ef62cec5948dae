r"""A calculator that the policy may call while it answers: several turns, and problems that are hard without it.

The policy writes ``<calc>47*38</calc>``, and its turn ends there. The calculator answers ``=1786`` and ends the line,
and the policy goes on until it ends its response or makes one call too many. The calculator's answers are never
trained. The plugin brings problems, plays problems (those of any other data set too), and measures how often calls are
made and fail. Answers are plain numbers, so judging is left to a verifier: `numeric`, `math_verify`, `exact`.

>>> from justtinker_plugins.environments.calculator import Calculator
>>> Calculator().answer("<think>First <calc>47*38</calc>")
'=1786\n'
>>> Calculator().answer("<calc>1/0</calc>")
'=error: division by zero\n'

A result cannot be faked: the call's last character ends the turn, so all that follows a call is the calculator's, and a
call too many ends the episode. The plugin neither tells the model about the calculator (the prompt does) nor runs
anything: see `_arithmetic`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Set
from itertools import islice
from typing import Annotated

from pydantic import Field

from justtinker_core import DataSpec, Group, Policy, Problem, Rollout, RunContext, hookimpl, plugin
from justtinker_plugins.environments._arithmetic import compute
from justtinker_plugins.shared.overlap import overlap_complaints
from justtinker_plugins.text import CLOSE, OPEN

ERROR = "=error: "
MOST_RESULT_CHARS = 50
Numbers = tuple[int, int, int]
"""The two numbers that a problem multiplies and the one that it adds."""


@plugin
class Calculator:
    """Problems ``47*38+29=?``, demonstrations by a teacher who likes to estimate, and a calculator for any problem.

    Only `held_out_seed` decides which `held_out` problems are held out; training sees none of their products, in either
    order. So every run that leaves these two options and `digits` alone is evaluated on the same problems.
    """

    open: str = "<calc>"
    """Text that begins a call."""
    close: str = "</calc>"
    """Text that ends a call and the policy's turn; choose one that the policy writes for nothing else."""
    calls: Annotated[int, Field(ge=1)] = 8
    """Most calls in a response; one more ends it."""
    operations: Annotated[int, Field(ge=1)] | None = None
    """Most operations in a call. With 1, as on a pocket calculator, a problem of two steps takes two calls."""
    kinds: tuple[str, ...] = ("math", "number")
    """Problems of these `Problem.kind`s are played with the calculator, whichever plugin they come from."""
    digits: Annotated[int, Field(ge=1, le=9)] = 2
    """Digits of each number in a problem."""
    count: Annotated[int, Field(ge=1)] = 3000
    """Number of training problems."""
    held_out: Annotated[int, Field(ge=1)] = 400
    """Number of problems kept for evaluation. Use the same in the tables for training and evaluation."""
    held_out_seed: int = 2026
    """Seed that draws these problems. Use the same in both tables."""
    estimates: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Probability that the teacher rounds all numbers and does without the calculator."""

    def __post_init__(self) -> None:
        if not (self.open and self.close) or self.close in self.open:
            raise ValueError(
                f"open = {self.open!r}, close = {self.close!r}: expected two texts, the second not in the first"
            )
        n = len(self._factors)
        if (needed := self.count + self.held_out) > (pairs := n * (n + 1) // 2):
            raise ValueError(
                f"count + held_out = {needed}: there are only {pairs} products of {self.digits}-digit numbers"
            )

    @hookimpl
    def load_problems(self, spec: DataSpec, seed: int) -> Iterator[Problem]:
        """Training problems with demonstrations, as `seed` draws them; or held-out ones without."""
        held_out = list(islice(self._draw_numbers(f"held out {self.held_out_seed}"), self.held_out))
        if spec.purpose == "eval":
            return map(make_problem, held_out)
        rng = random.Random(f"calculator teacher {seed}")
        fresh = self._draw_numbers(str(seed), excluded={product_key(*numbers) for numbers in held_out})
        return (make_problem(n, self._demonstration(n, rng)) for n in islice(fresh, self.count))

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """A complaint for each evaluation set that asks what the run trains on."""
        return overlap_complaints(run, "calculator", "products", lambda problem: problem.meta.get("product"))

    @hookimpl
    def rollout(self, problem: Problem, policy: Policy) -> Rollout | None:
        """Alternate policy and calculator until the policy ends its response or runs out of calls or tokens."""
        if problem.kind not in self.kinds:
            return None
        for _ in range(self.calls):
            answer = self.answer(policy.generate(stop=[self.close]))
            if answer is None or policy.truncated:
                return policy.rollout()
            policy.observe(answer)
        policy.generate(stop=[self.close])
        return policy.rollout()

    @hookimpl
    def measure(self, group: Group) -> dict[str, list[float | None]]:
        """`calls`: how many a rollout had answered; `failed_calls`: their share that were errors (None: no call)."""
        calls = [rollout.text.count(f"{self.close}=") for rollout in group.rollouts]
        failed = [rollout.text.count(f"{self.close}{ERROR}") for rollout in group.rollouts]
        return {
            "calls": [float(n) for n in calls],
            "failed_calls": [f / n if n else None for f, n in zip(failed, calls, strict=True)],
        }

    def answer(self, turn: str) -> str | None:
        """The calculator's answer to a turn, which quotes nothing of it. None: the turn ends without a call."""
        before, closed, after = turn.partition(self.close)
        _, opened, call = before.rpartition(self.open)
        if not closed:
            return None
        if not opened:
            return f"{ERROR}no call was begun\n"
        if after.strip():  # the last token may reach beyond the call: a newline is harmless, a digit is not
            return f"{ERROR}the call goes on\n"
        return self._result(call)

    def _result(self, call: str) -> str:
        try:
            found = compute(call.rstrip().removesuffix("="))
        except ValueError as error:
            return f"{ERROR}{error}\n"
        if self.operations is not None and len(found.operations) > self.operations:
            return f"{ERROR}more than {self.operations} operation{'s' * (self.operations > 1)}\n"
        result = str(found.value)
        return f"={result}\n" if len(result) <= MOST_RESULT_CHARS else f"{ERROR}the result is too long\n"

    @property
    def _factors(self) -> range:
        return range(10 ** (self.digits - 1), 10**self.digits)

    def _draw_numbers(self, seed: str, excluded: Set[str] = frozenset()) -> Iterator[Numbers]:
        """Draw the numbers of problems: no product twice, none of those excluded."""
        rng, seen = random.Random(f"calculator {seed}"), set(excluded)
        while True:
            a, b, c = (rng.choice(self._factors) for _ in range(3))
            if product_key(a, b, c) not in seen:
                seen.add(product_key(a, b, c))
                yield a, b, c

    def _demonstration(self, numbers: Numbers, rng: random.Random) -> tuple[str, ...]:
        """Turns of teacher and calculator. The teacher calls a pocket calculator twice, any other once."""
        if rng.random() < self.estimates:
            a, b, c = (round(n, 1 - len(str(n))) for n in numbers)
            return (f"{OPEN}{a}*{b}={a * b}\n{a * b}+{c}={a * b + c}\n{CLOSE}\\boxed{{{a * b + c}}}",)
        a, b, c = numbers
        calls = [f"{a}*{b}", f"{a * b}+{c}"] if self.operations == 1 else [f"{a}*{b}+{c}"]
        turns = [turn for call in calls for turn in (f"{self.open}{call}{self.close}", self._result(call))]
        return (OPEN + turns[0], *turns[1:], f"{CLOSE}\\boxed{{{a * b + c}}}")


def make_problem(numbers: Numbers, demonstration: tuple[str, ...] | None = None) -> Problem:
    """Make the problem ``a*b+c``."""
    a, b, c = numbers
    text, meta = f"{a}*{b}+{c}", {"product": product_key(a, b, c)}
    return Problem(text, f"{text}=?", str(a * b + c), demonstration=demonstration, meta=meta)


def product_key(a: int, b: int, c: int) -> str:
    """The product, smaller factor first: problems that share it are alike."""
    return f"{min(a, b)}*{max(a, b)}"
