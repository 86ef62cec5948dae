r"""A completion prompt for base models: a few solved problems, then the question with its solution left open.

For models without chat training. It does not ask for a thinking block: its examples show short solutions that end in
``\boxed{…}``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

from justtinker_core import Problem, Prompt, hookimpl, plugin

STOP = "\n\nProblem:"


@dataclass(frozen=True)
class Example:
    """One solved problem."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid")

    problem: str
    solution: str


EXAMPLES = (
    Example(
        "A shirt costs $40$ dollars. Its price is reduced by $15\\%$. What is the new price in dollars?",
        "The reduction is $0.15 \\cdot 40 = 6$ dollars, so the new price is $40 - 6 = 34$ dollars. "
        "The answer is $\\boxed{34}$.",
    ),
    Example(
        "Find the sum of all solutions of $x^2 - 5x + 6 = 0$.",
        "The equation factors as $(x - 2)(x - 3) = 0$, so its solutions are $2$ and $3$, and their sum is $2 + 3 = 5$. "
        "The answer is $\\boxed{5}$.",
    ),
    Example(
        "Two fair six-sided dice are rolled. What is the probability that the sum is $9$?",
        "Of the $36$ equally likely rolls, $(3,6)$, $(4,5)$, $(5,4)$ and $(6,3)$ sum to $9$. The probability is "
        "$\\frac{4}{36} = \\frac{1}{9}$. The answer is $\\boxed{\\frac{1}{9}}$.",
    ),
    Example(
        "A right triangle has legs of length $5$ and $12$. What is the length of its hypotenuse?",
        "By the Pythagorean theorem its square is $5^2 + 12^2 = 25 + 144 = 169$, so the length is $\\sqrt{169} = 13$. "
        "The answer is $\\boxed{13}$.",
    ),
)


@plugin
class FewShot:
    """``Problem: … Solution: …`` for each example and for the question; stops where another problem would begin."""

    examples: tuple[Example, ...] = EXAMPLES
    """The solved problems, in order, as a list of tables with the keys problem and solution."""

    def __post_init__(self) -> None:
        if not self.examples:
            raise ValueError("examples = []: a base model needs at least one, to see what to do")

    @hookimpl
    def build_prompt(self, problem: Problem) -> Prompt:
        """The whole prompt as text, ending in ``Solution:``; the response begins with the space after it."""
        solved = [f"Problem: {e.problem}\nSolution: {e.solution}" for e in self.examples]
        return Prompt(text="\n\n".join([*solved, f"Problem: {problem.question}\nSolution:"]), stop=(STOP,))
