"""A data set from a generator, with a held-out split that cannot overlap.

Questions are ``Write 2026 in base 7.``; number and base are random, and the answer is computed. A hash of a problem's
text decides on which side of the split it is. So no seed, count, order or later change of the range can move a problem
to the other side, and two runs always agree on what is held out.

Both sides are drawn without repetition, the held-out side the same in every run. If a range has too few problems, that
is an error, not a shorter epoch. A text seeds `random.Random`, because numpy does not promise the same stream in its
next version.

What can go wrong. Held out does not mean different: the evaluation asks new numbers of the same kind, so it measures
whether the policy has learned the rule, not whether it knows more than the rule. For that, use another range
(`largest`) in the table for evaluation. A larger `held_out` moves problems out of training: keep it fixed as long as
you compare runs.

    [data.train]
    use = "change_of_base"
    count = 2000

    [data.eval.held_out]
    use = "change_of_base"
    count = 200

    [local_plugins]
    change_of_base = "change_of_base.py:ChangeOfBase"
"""

from __future__ import annotations

import random
from hashlib import blake2b
from itertools import islice
from typing import Annotated

from pydantic import Field

from justtinker_core import DataSpec, PluginError, Problem, hookimpl, plugin


@plugin
class ChangeOfBase:
    """Numbers to write in another base, from 2 to 9."""

    count: Annotated[int, Field(ge=1)]
    """How many problems, all different."""
    largest: Annotated[int, Field(ge=1, le=1_000_000)] = 9999
    """Numbers go from 1 to this one."""
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """The share of all problems that is only ever evaluated. Use the same in all tables."""

    @hookimpl
    def load_problems(self, spec: DataSpec, seed: int) -> list[Problem]:
        """Training problems, as the seed draws them; or held-out ones, the same in every run."""
        evaluated = spec.purpose == "eval"
        rng = random.Random(f"change of base {'held out' if evaluated else seed}")
        order = rng.sample(range(8 * self.largest), 8 * self.largest)
        problems = (make_problem(i // 8 + 1, i % 8 + 2) for i in order)
        side = list(islice((p for p in problems if is_held_out(p.id, self.held_out) == evaluated), self.count))
        if len(side) < self.count:
            raise PluginError(f"[{spec.table}] count = {self.count}: there are only {len(side)}; raise largest")
        return side


def make_problem(number: int, base: int) -> Problem:
    """Make a problem; its id holds number and base."""
    text = digits(number, base)
    return Problem(f"{number} in {base}", f"Write {number} in base {base}.", text, meta={"digits": len(text)})


def digits(number: int, base: int) -> str:
    """Write a positive number in a base up to 10."""
    rest, digit = divmod(number, base)
    return (digits(rest, base) if rest else "") + str(digit)


def is_held_out(name: str, share: float) -> bool:
    """Toss a coin with that probability, which always falls the same way for the same problem."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) < share * 2**64
