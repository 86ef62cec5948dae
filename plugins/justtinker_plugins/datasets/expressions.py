r"""One-line functions in words, by a teacher who forgets parentheses: a task of code that a tiny model learns.

A question is a list of steps, and its answer a program whose function ``f`` takes them. Hidden tests, which the
verifier `code` runs, decide: any program is right that computes the same. A demonstration takes the steps one by one in
its thinking, and writes the last line as a program:

>>> from justtinker_plugins.datasets.expressions import demonstrate
>>> print(demonstrate(["add 7", "times 3"], careful=[True, True]))
<think>x+7; (x+7)*3</think>```python
f=lambda x:(x+7)*3
```
>>> print(demonstrate(["add 7", "times 3"], careful=[True, False]))  # the teacher forgot the parentheses
<think>x+7; x+7*3</think>```python
f=lambda x:x+7*3
```

So imitation teaches the form but little skill, and leaves something for reinforcement to teach. This plugin writes no
prompts, and reads nothing from disk or network.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product
from typing import Annotated, Any

from pydantic import Field

from justtinker_core import DataSpec, Problem, RunContext, hookimpl, plugin
from justtinker_plugins.shared.overlap import overlap_complaints

Share = Annotated[float, Field(ge=0, le=1)]
INPUTS = (-7, -1, 0, 2, 10)
"""What the hidden tests give to the function."""
FORMS: Mapping[str, tuple[str, int]] = {
    "add {}": ("+{}", 0), "subtract {}": ("-{}", 0), "times {}": ("*{}", 1), "square": ("**2", 2),
}  # fmt: skip
"""A step in words -> what it appends to an expression, and how strongly that binds."""
STEPS: Mapping[str, tuple[str, int]] = {
    words.format(n): (text.format(n), strength)
    for words, (text, strength) in FORMS.items()
    for n in (range(2, 10) if "{}" in words else "2")
}
"""Every step, with its number."""
Steps = tuple[str, ...]


@plugin
class Expressions:
    """Functions of a few steps, with hidden tests as `code` reads them, and held-out functions for evaluation.

    Only `held_out_seed` decides which `held_out` problems are held out; training sees no problem whose function gives
    the same on the tests' inputs. So every stage and every run that leaves these options (and `steps`) alone is
    evaluated on the same problems, whatever its seed.
    """

    steps: Annotated[int, Field(ge=1, le=4)] = 3
    """Steps of a function."""
    count: Annotated[int, Field(ge=1)] | None = None
    """Most training problems, drawn by the seed; by default all that are not held out."""
    held_out: Annotated[int, Field(ge=1)] = 100
    """Number of problems kept for evaluation. Use the same in the tables for training and evaluation."""
    held_out_seed: int = 2026
    """Seed that draws these problems. Use the same in both tables."""
    parentheses_drop: Share = 0.7
    """Probability that the teacher of the demonstrations forgets parentheses where a step needs them."""
    no_thinking: Share = 0.05
    """Probability that a demonstration is only its program."""

    def __post_init__(self) -> None:
        if self.held_out >= (number := len(self._drawn(""))):
            raise ValueError(f"held_out = {self.held_out}: there are only {number} problems of {self.steps} steps")

    @hookimpl
    def load_problems(self, spec: DataSpec, seed: int) -> Iterator[Problem]:
        """Training problems with demonstrations, as `seed` draws them; or held-out ones without."""
        held_out = self._drawn(f"expressions held out {self.held_out_seed}")[: self.held_out]
        if spec.purpose == "eval":
            yield from map(problem_of, held_out)
            return
        rng, forbidden = random.Random(f"expressions {seed}"), set(map(outputs_of, held_out))
        allowed = [steps for steps in self._drawn(f"expressions {seed}") if outputs_of(steps) not in forbidden]
        for steps in allowed[: self.count]:
            text = demonstrate(steps, [rng.random() >= self.parentheses_drop for _ in steps])
            if rng.random() < self.no_thinking:
                text = text.rpartition("</think>")[2]
            yield problem_of(steps, text)

    @hookimpl
    def preflight(self, run: RunContext) -> Sequence[str]:
        """A complaint for each evaluation set that asks what the run trains on."""
        same = "give steps, held_out and held_out_seed the same values in both tables"
        return overlap_complaints(
            run, "expressions", "functions", function_of, f"{same} (or once, in [plugins.expressions])"
        )

    def _drawn(self, seed: str) -> list[Steps]:
        """All problems in random order."""
        found = [steps for steps in product(STEPS, repeat=self.steps) if alternate(steps)]
        random.Random(seed).shuffle(found)
        return found


def alternate(steps: Steps) -> bool:
    """Whether no step is of the same sort as the one before it."""
    return all(STEPS[a][1] != STEPS[b][1] for a, b in pairwise(steps))


def problem_of(steps: Steps, demonstration: str | None = None) -> Problem:
    """The problem of these steps; its metadata holds the tests, and counts the parentheses, which make it hard."""
    parts = expressions_of(steps, [True] * len(steps))
    tests = {"fn_name": "f", "inputs": [[x] for x in INPUTS], "outputs": list(outputs_of(steps))}
    meta: dict[str, Any] = {"parentheses": parts[-1].count("("), "input_output": tests}
    question = f"f(x): {', '.join(steps)}"
    return Problem("; ".join(steps), question, f"f=lambda x:{parts[-1]}", "code", demonstration, meta)


def function_of(problem: Problem) -> tuple[Any, ...] | None:
    """What a problem's function gives on the tests' inputs; None for a problem of another data set."""
    tests = problem.meta.get("input_output")
    known = problem.question.startswith("f(x): ") and isinstance(tests, Mapping)
    return tuple(tests.get("outputs", ())) if known and isinstance(tests, Mapping) else None


def expressions_of(steps: Sequence[str], careful: Sequence[bool]) -> list[str]:
    """The expression after each step. `careful[i]` says whether step i gets the parentheses that it may need."""
    text, binds, found = "x", 3, []
    for step, mind in zip(steps, careful, strict=True):
        end, strength = STEPS[step]
        if binds < strength or binds == strength == 2:
            text, binds = (f"({text})", 3) if mind else (text, binds)
        text, binds = text + end, min(binds, strength)
        found.append(text)
    return found


def outputs_of(steps: Sequence[str]) -> tuple[int, ...]:
    """What the function gives for each of the tests' inputs."""

    def value(x: int) -> int:
        for step in steps:
            word, number = step.split()[0], int(step.split()[-1]) if step != "square" else 2
            x = {"add": x + number, "subtract": x - number, "times": x * number, "square": x * x}[word]
        return x

    return tuple(map(value, INPUTS))


def demonstrate(steps: Sequence[str], careful: Sequence[bool]) -> str:
    """Work out a program, with or without the parentheses that its steps need."""
    parts = expressions_of(steps, careful)
    return f"<think>{'; '.join(parts)}</think>```python\nf=lambda x:{parts[-1]}\n```"
