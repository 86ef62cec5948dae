r"""The verifier for answers that are one text: equal after harmless differences of writing are taken out.

Those are: Unicode composition, white space (LaTeX's too), ``$…$`` or ``\text{…}`` around the whole, a final full stop;
and letter case where the options say so. No synonyms, no mathematics: ``1/2`` is not ``0.5``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from justtinker_core import Problem, Rollout, Verdict, hookimpl, plugin
from justtinker_plugins.shared.answers import Pipeline, gold_text, judge

_SPACE = re.compile(r"(?:\s|\\[,;:! ]|~)+")
_WRAPPER = re.compile(r"\$([^$]*)\$|\\(?:text|textbf|textit|mathrm|mbox)\s?\{([^{}]*)\}")


@plugin
class Exact:
    """Compares the answer with the gold as text."""

    kinds: tuple[str, ...] = ("math", "text")
    """Which `Problem.kind` it answers for."""
    pipeline: Pipeline = "strict"
    """strict: boxed only. flexible: where there is no box also ``Answer: x``, ``#### x``, ``the answer is x``.
    gsm8k: ``#### x`` only."""
    case_sensitive: bool = True
    """Whether ``Yes`` is something else than ``yes``."""
    max_chars: Annotated[int, Field(ge=1)] = 2000
    """A longer answer is wrong."""

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """One verdict a rollout; unscored where the gold is empty."""
        if problem.kind not in self.kinds:
            return None
        text = normal(gold_text(problem.answer), self.case_sensitive)
        gold = _Gold(text) if text else "the problem has no gold answer"
        return judge(rollouts, self.pipeline, self.max_chars, gold, self._wrong, self._vote)

    def _vote(self, answer: str) -> str:
        return normal(answer, self.case_sensitive)

    def _wrong(self, gold: _Gold, answer: str) -> str:
        return "" if normal(answer, self.case_sensitive) == gold.text else "not the gold's text"


@dataclass(frozen=True, slots=True)
class _Gold:
    text: str


def normal(text: str, case_sensitive: bool = True) -> str:
    """The one way to write a text; writing it twice changes nothing."""
    text = unicodedata.normalize("NFC", text if case_sensitive else text.casefold())
    before = None
    while before != text:
        before = text
        text = _SPACE.sub(" ", text).strip().rstrip(". ")  # all at once: one a turn is quadratic
        if wrapped := _WRAPPER.fullmatch(text):
            text = wrapped[1] or wrapped[2] or ""
    return text
