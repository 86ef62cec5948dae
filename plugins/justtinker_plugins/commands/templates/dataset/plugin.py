"""Data set `my_plugin`: generated multiplication problems."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Annotated

from justtinker_core import DataSpec, Problem, hookimpl, plugin
from pydantic import Field


@plugin
class MyPlugin:
    """Products of two numbers. About a fifth of the pairs is held out, so that no run trains on its evaluation set."""

    largest: Annotated[int, Field(ge=9)] = 99
    """The largest factor."""

    @hookimpl
    def load_problems(self, spec: DataSpec, seed: int) -> Iterator[Problem]:
        """Yield all pairs, in an order that depends only on the seed; `limit` in the data table takes fewer."""
        numbers = range(2, self.largest + 1)
        pairs = [(a, b) for a in numbers for b in numbers if self.held_out(a, b) == (spec.purpose == "eval")]
        random.Random(f"my_plugin {seed}").shuffle(pairs)  # a text seeds alike on every machine
        for a, b in pairs:
            yield Problem(
                id=f"{a}*{b}",
                question=f"{a}*{b}=?",
                answer=str(a * b),
                demonstration=f"<think>{a} times {b}</think>\\boxed{{{a * b}}}",  # used by `sft` only
                meta={"digits": len(str(a * b))},  # evaluations report accuracy by these keys
            )

    def held_out(self, a: int, b: int) -> bool:
        """Whether a pair is for evaluation; a*b and b*a stay together."""
        return (a + b) % 5 == 0
