"""The kinds of golds that have batteries of their own, and built-in problems with such golds.

Most data has few golds of some kinds, and a verifier may fail on just these; so an audit adds problems of its own.
"""

from __future__ import annotations

import random
from collections.abc import Collection

from justtinker_core import Problem
from justtinker_plugins.commands._audit import asked_units, guesses, mixed_numbers, programs, sizes
from justtinker_plugins.commands._audit.variants.single_numbers import read_number

TOPICS = (guesses.TOPIC, mixed_numbers.TOPIC, sizes.TOPIC, asked_units.TOPIC)
BATTERIES = frozenset(name for topic in TOPICS for name in (*topic.wrong, *topic.honest))
"""The names of the batteries that built-in problems get."""
BUILT_IN = "built-in "


def is_built_in(problem: Problem) -> bool:
    """Return whether the problem comes from `draw_problems`."""
    return problem.id.startswith(BUILT_IN)


def draw_problems(kinds: Collection[str], seed: int) -> list[Problem]:
    """Draw built-in problems of the kind ``math``, or else ``number``, whichever the audited problems have.

    If these have programs as answers, add built-in ones with programs too.
    """
    kind = next((kind for kind in ("math", "number") if kind in kinds), "")
    rng = random.Random(f"built-in {seed}")
    drawn = [pair for topic in TOPICS for pair in topic.problems(rng)] if kind else []
    others = programs.draw_problems(BUILT_IN) if programs.KIND in kinds else []
    return others + [
        Problem(f"{BUILT_IN}{number}", question, gold, kind)
        for number, (question, gold) in enumerate(drawn, 1)
        if kind == "math" or read_number(gold)
    ]
