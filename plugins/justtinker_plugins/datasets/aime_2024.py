"""AIME 2024, the thirty problems of both exams, for evaluation: ``HuggingFaceH4/aime_2024``.

Answers are integers from 0 to 999. If the set cannot be reached, ``Maxwell-Jia/AIME_2024`` takes its place, with the
same ids and a warning. Thirty problems are few: an accuracy of 50 % from one sample a problem has a 95 % interval of
about 32 to 68 %.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from justtinker_core import DataSpec, NameOrPath, Problem, plugin
from justtinker_plugins.datasets._hub import HubSet, Row

_URL = re.compile(r"(\d{4})_AIME_(I+)_Problems/Problem_(\d+)")
_ID = re.compile(r"(\d{4})-(I+)-(\d+)")


@plugin
class Aime2024(HubSet):
    """Thirty problems with ids like ``2024-II-4``; metadata: ``year``, ``exam`` (I or II) and ``url``, where known."""

    columns: ClassVar[tuple[str, ...]] = ("problem", "answer")
    splits: ClassVar[Mapping[str, str]] = {"train": "train", "eval": "train"}
    fallback: ClassVar[tuple[str, str | None] | None] = ("Maxwell-Jia/AIME_2024", None)

    source: NameOrPath = "HuggingFaceH4/aime_2024"
    """A hub id, or a directory with a copy of the set."""
    split: str | None = None
    """The set has only train, also for evaluation."""

    def problem(self, row: Row, spec: DataSpec) -> Problem | str:
        """The problem with its integer answer, without leading zeros."""
        answer = row.text("answer").strip()
        if not re.fullmatch("[0-9]{1,3}", answer):
            return "the answer is not an integer from 0 to 999"
        url = row.text("url")
        named = _URL.search(url) or _ID.fullmatch(row.text("id"))
        year, exam, number = named.groups() if named else (row.text("year"), None, None)
        name = f"{year}-{exam}-{number}" if named else f"aime_2024-{row.number}"
        meta = {"year": int(year) if year.isdecimal() else None, "exam": exam, "url": url or None}
        return Problem(name, row.text("problem"), str(int(answer)), meta=meta)
