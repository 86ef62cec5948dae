"""MATH-500, the usual 500 of MATH's test problems, for evaluation: ``HuggingFaceH4/MATH-500``.

Lightman et al., 2023 (arXiv:2305.20050). `hendrycks_math` leaves these problems out of training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from justtinker_core import DataSpec, NameOrPath, Problem, plugin
from justtinker_plugins.datasets._hub import HubSet, Row


@plugin
class Math500(HubSet):
    """Competition problems; metadata: ``subject`` and ``level`` (1 to 5)."""

    columns: ClassVar[tuple[str, ...]] = ("problem", "answer", "subject", "level", "unique_id")
    splits: ClassVar[Mapping[str, str]] = {"train": "test", "eval": "test"}

    source: NameOrPath = "HuggingFaceH4/MATH-500"
    """A hub id, or a directory with a copy of the set."""
    split: str | None = None
    """The set has only test."""

    def problem(self, row: Row, spec: DataSpec) -> Problem | str:
        """The problem under its id, ``test/precalculus/807.json``."""
        answer = row.text("answer")
        if not answer:
            return "no answer"
        meta = {"subject": row.text("subject"), "level": row.cell("level")}
        return Problem(row.text("unique_id") or f"math500/{row.number}", row.text("problem"), answer, meta=meta)
