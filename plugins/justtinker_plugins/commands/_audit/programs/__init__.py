"""Batteries for stacks that run programs: problems of the kind ``code``.

The parts of such a problem's responses are programs: the gold is one that is known to be right, and the wrong answers
are programs too.
"""

from __future__ import annotations

from justtinker_plugins.commands._audit.programs import dresses, hacks
from justtinker_plugins.commands._audit.programs.tasks import KIND, draw_problems, items_of, solutions_of

HONEST, WRONG = dresses.HONEST, hacks.WRONG
SHARED = frozenset({
    "answered only in thought", "another answer than thought", "nothing", "cut off", "claims to be correct",
    "fake ends", "no thinking", "empty thinking", "a syllable of thinking", "tags twice", "broken tags",
    "text before thinking", "text after the end", "loops", "loops that count", "padding", "the plain answer",
    "other line breaks", "short thinking", "long thinking", "self correction", "a table of cases",
    "opened thinking cut off", "opened thinking with decoys", "opened thinking left empty", "opened thinking",
    "thinking turned off",
})  # fmt: skip
"""Batteries for answers of any kind that fit programs too."""
OWN = frozenset((*WRONG, *HONEST))
"""Batteries that fit only programs."""

__all__ = ["HONEST", "KIND", "OWN", "SHARED", "WRONG", "draw_problems", "items_of", "solutions_of"]
