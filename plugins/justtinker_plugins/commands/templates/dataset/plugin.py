"""Data set `my_plugin`: multiplication, made on the spot."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from justtinker_core import Problem, hookimpl, plugin
from pydantic import Field

if TYPE_CHECKING:
    from justtinker_core.config import DataSpec


@plugin
class MyPlugin:
    """Products of two numbers; every fifth pair is kept for evaluation, so that no run trains on what it is asked."""

    largest: Annotated[int, Field(ge=9)] = 99
    """The largest factor."""

    @hookimpl
    def load_problems(self, spec: DataSpec, seed: int) -> Iterator[Problem]:
        """All pairs in a random order that is a function of the seed alone; `limit` in the data table takes fewer."""
        numbers = range(2, self.largest + 1)
        pairs = [(a, b) for a in numbers for b in numbers if self.held_out(a, b) == (spec.purpose == "eval")]
        random.Random(f"my_plugin {seed}").shuffle(pairs)  # a text as seed is the same everywhere
        for a, b in pairs:
            yield Problem(
                id=f"{a}*{b}",
                question=f"{a}*{b}=?",
                answer=str(a * b),
                demonstration=f"<think>{a} times {b}</think>\\boxed{{{a * b}}}",  # only `sft` reads it
                meta={"digits": len(str(a * b))},  # accuracy is reported by what stands here
            )

    def held_out(self, a: int, b: int) -> bool:
        """Whether a pair is for evaluation; a*b and b*a go together."""
        return (a + b) % 5 == 0
