"""A data set from a generator, with a held-out split that cannot overlap.

Questions are like ``Write 2026 in base 7.``; number and base are drawn at random, and the answer is computed. A hash of
a problem's text decides whether it is held out, not the draw. So no seed, count, order or later change of the range can
move a problem to the other side, and two runs agree on what is held out without sharing anything.

Both sides are drawn without repetition, and the held-out one is the same in every run. A range with too few problems is
an error, not a shorter epoch. `random.Random` is seeded with text, because numpy does not promise the same stream in
its next version.

What can go wrong. Held out does not mean different: the test asks for new numbers of the same kind, so it measures
whether the policy has learned the rule, not whether it can do more than that. To test more, use another range
(`largest`) in the evaluation table. A larger `held_out` moves problems out of training, so keep it unchanged while you
compare runs.

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
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from justtinker_core import PluginError, Problem, hookimpl, plugin

if TYPE_CHECKING:
    from justtinker_core.config import DataSpec


@plugin
class ChangeOfBase:
    """Asks for numbers in another base, from 2 to 9."""

    count: Annotated[int, Field(ge=1)]
    """The number of problems, all different."""
    largest: Annotated[int, Field(ge=1, le=1_000_000)] = 9999
    """The largest number; the smallest is 1."""
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """The share of all problems that is only evaluated. It must be equal in all tables, as the default is."""

    @hookimpl
    def load_problems(self, spec: DataSpec, seed: int) -> list[Problem]:
        """Return training problems, a function of the seed, or held-out ones, the same in every run."""
        evaluated = spec.purpose == "eval"
        rng = random.Random(f"change of base {'held out' if evaluated else seed}")
        drawn = rng.sample(range(8 * self.largest), 8 * self.largest)
        problems = (make_problem(place // 8 + 1, place % 8 + 2) for place in drawn)
        side = list(islice((p for p in problems if is_held_out(p.id, self.held_out) == evaluated), self.count))
        if len(side) < self.count:
            raise PluginError(f"[{spec.table}] count = {self.count}: there are only {len(side)}; raise largest")
        return side


def make_problem(number: int, base: int) -> Problem:
    """Make a problem whose id holds all that it is made of."""
    text = digits(number, base)
    return Problem(f"{number} in {base}", f"Write {number} in base {base}.", text, meta={"digits": len(text)})


def digits(number: int, base: int) -> str:
    """A positive number in a base up to 10."""
    rest, digit = divmod(number, base)
    return (digits(rest, base) if rest else "") + str(digit)


def is_held_out(name: str, share: float) -> bool:
    """Toss a coin with that share, which always falls the same way for the same problem."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) < share * 2**64
