r"""MATH, competition problems in seven subjects: ``EleutherAI/hendrycks_math`` (7,500 to train on, 5,000 to test).

The gold answer is the last ``\boxed{…}`` (or ``\boxed x``, ``\fbox{…}``) of the solution. Problems of MATH-500 are
never trained on, whatever the split: ``math500.txt`` beside this file holds their `fingerprint`s, not their texts.
Hendrycks et al., 2021 (arXiv:2103.03874).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from justtinker_core import DataSpec, NameOrPath, Problem, plugin
from justtinker_plugins.datasets._hub import HubSet, Part, Row
from justtinker_plugins.text import last_boxed

Subject = Literal[
    "algebra",
    "counting_and_probability",
    "geometry",
    "intermediate_algebra",
    "number_theory",
    "prealgebra",
    "precalculus",
]
SUBJECTS: tuple[Subject, ...] = get_args(Subject)

_BARE = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])\s*([^\s{$][^$\n]*)")


@plugin
class HendrycksMath(HubSet):
    """Competition problems; metadata: ``subject`` (as MATH-500 writes it) and ``level`` (1 to 5, or None)."""

    columns: ClassVar[tuple[str, ...]] = ("problem", "solution", "level", "type")

    source: NameOrPath = "EleutherAI/hendrycks_math"
    """A hub id, or a directory with a copy of the set."""
    split: str | None = None
    """train, test, or ``train+test`` (12,000 to train on, since MATH-500 is left out). Default: train in a table for
    training, test in one for evaluation."""
    subjects: Annotated[tuple[Subject, ...], Field(min_length=1)] = SUBJECTS
    """Which of the seven subjects to load."""

    def parts(self, spec: DataSpec) -> list[Part]:
        """Every split of every subject."""
        splits = [part.split for part in super().parts(spec)]
        return [Part(self.source, subject, split) for split in splits for subject in dict.fromkeys(self.subjects)]

    def problem(self, row: Row, spec: DataSpec) -> Problem | str:
        """The problem with what its solution boxes, unless it is one of MATH-500 and for training."""
        question, answer = row.text("problem"), boxed_answer(row.text("solution"))
        if not answer:
            return "no boxed answer"
        if spec.purpose == "train" and fingerprint(question) in math500_fingerprints():
            return "one of MATH-500"
        level = row.text("level").removeprefix("Level ")
        meta = {"subject": row.text("type"), "level": int(level) if level.isdecimal() else None}
        return Problem(f"{row.part.split}/{row.part.config}/{row.number}", question, answer, meta=meta)


def boxed_answer(solution: str) -> str:
    r"""The content of the last box: braces may nest; ``\boxed x`` reaches to the next ``$`` or line end. Else empty.

    >>> boxed_answer(r"so $x = \boxed{\frac{1}{2}}$."), boxed_answer(r"so $x = \boxed 5$.")
    ('\\frac{1}{2}', '5')
    """
    box = last_boxed(solution)
    bare = next(reversed(list(_BARE.finditer(solution))), None)
    if bare and (box is None or bare.start() > box.start + len(box.content or "")):
        return bare.group(1).strip()
    return (box.content or "").strip() if box else ""


def fingerprint(problem: str) -> str:
    """Hash a problem's text, without white space and case, to 16 hex digits."""
    normalised = "".join(unicodedata.normalize("NFKC", problem).casefold().split())
    return hashlib.sha256(normalised.encode()).hexdigest()[:16]


@cache
def math500_fingerprints() -> frozenset[str]:
    """The fingerprints of MATH-500."""
    return frozenset(Path(__file__).with_name("math500.txt").read_text(encoding="ascii").split())
