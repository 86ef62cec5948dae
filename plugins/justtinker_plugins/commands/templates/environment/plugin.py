"""Environment `my_plugin`: a number guessing game, with its problems, episodes and verifier."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from typing import Annotated

from justtinker_core import DataSpec, Policy, Problem, Prompt, Rollout, Verdict, hookimpl, plugin
from pydantic import Field

GUESS = re.compile(r"\[([0-9]{1,9})\]")


@plugin
class MyPlugin:
    """The policy writes ``[50]``, reads "higher" or "lower", and guesses again."""

    largest: Annotated[int, Field(ge=2)] = 100
    """The largest number; the smallest is 1."""
    turns: Annotated[int, Field(ge=1)] = 7
    """How many guesses the policy has."""
    count: Annotated[int, Field(ge=1)] = 200
    """How many problems to generate."""

    @hookimpl
    def load_problems(self, spec: DataSpec, seed: int) -> Iterator[Problem]:
        """Yield problems of a kind of their own, so that no other verifier takes them."""
        rng = random.Random(f"my_plugin {spec.purpose} {seed}")
        question = f"Guess my number from 1 to {self.largest} in {self.turns} turns. Write a guess like [7]."
        for number in range(self.count):
            answer = str(rng.randint(1, self.largest))
            yield Problem(f"{spec.purpose}-{number}", question, answer, kind="my_plugin")

    @hookimpl
    def rollout(self, problem: Problem, prompt: Prompt, policy: Policy) -> Rollout | None:
        """Play one episode, in a thread of its own. The policy reads what `observe` adds, but is not trained on it."""
        if problem.kind != "my_plugin" or problem.answer is None:
            return None
        for _ in range(self.turns):
            guess = GUESS.search(policy.generate(stop=("]",)))
            if guess is None:  # it stopped without a guess, or ran out of tokens
                break
            hint = hint_for(int(guess[1]), int(problem.answer))
            policy.observe(f" {hint}\n")
            if hint == "right":
                break
        return policy.rollout()

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """Judge the last guess, and ignore the word "right", which the policy could write itself."""
        if problem.kind != "my_plugin":
            return None
        verdicts = []
        for rollout in rollouts:
            guesses = [int(guess) for guess in GUESS.findall(rollout.text)]
            won = 0 < len(guesses) <= self.turns and str(guesses[-1]) == problem.answer
            verdicts.append(Verdict("correct" if won else "incorrect", str(guesses[-1]) if guesses else None))
        return verdicts


def hint_for(guess: int, gold: int) -> str:
    """The answer to a guess."""
    if guess == gold:
        return "right"
    return "higher" if guess < gold else "lower"
