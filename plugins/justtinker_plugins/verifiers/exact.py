r"""The verifier for answers that are a text: equal if they differ only in harmless ways of writing.

These are Unicode composition, white space (LaTeX's included), ``$…$`` or ``\text{…}`` around the whole, a final full
stop, and letter case if the options say so. It knows no synonyms and no mathematics: ``1/2`` is not ``0.5``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from justtinker_core import Problem, Rollout, Verdict, hookimpl, plugin
from justtinker_plugins.shared.answers import Pipeline, gold_text, judge_rollouts

_SPACE = re.compile(r"(?:\s|\\[,;:! ]|~)+")
_WRAPPER = re.compile(r"\$([^$]*)\$|\\(?:text|textbf|textit|mathrm|mbox)\s?\{([^{}]*)\}")


@plugin
class Exact:
    """Compares the answer with the gold as text."""

    kinds: tuple[str, ...] = ("math", "text")
    """Kinds of problems that it judges, as in `Problem.kind`."""
    pipeline: Pipeline = "strict"
    """strict: boxed answers only. flexible: without a box, also ``Answer: x``, ``#### x``, ``the answer is x``.
    gsm8k: ``#### x`` only."""
    case_sensitive: bool = True
    """Whether ``Yes`` and ``yes`` differ."""
    max_chars: Annotated[int, Field(ge=1)] = 2000
    """Longer answers are wrong."""

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """Judge each rollout; all are unscored if the gold is empty."""
        if problem.kind not in self.kinds:
            return None
        text = normal_form(gold_text(problem.answer), self.case_sensitive)
        gold = _Gold(text) if text else "the problem has no gold answer"
        return judge_rollouts(rollouts, self.pipeline, self.max_chars, gold, self._mismatch, self._vote)

    def _vote(self, answer: str) -> str:
        return normal_form(answer, self.case_sensitive)

    def _mismatch(self, gold: _Gold, answer: str) -> str:
        return "" if normal_form(answer, self.case_sensitive) == gold.text else "not the gold's text"


@dataclass(frozen=True, slots=True)
class _Gold:
    text: str


def normal_form(text: str, case_sensitive: bool = True) -> str:
    """Write a text in its normal form; doing so twice changes nothing."""
    text = unicodedata.normalize("NFC", text if case_sensitive else text.casefold())
    before = None
    while before != text:
        before = text
        text = _SPACE.sub(" ", text).strip().rstrip(". ")  # all at once: one at a time is quadratic
        if wrapped := _WRAPPER.fullmatch(text):
            text = wrapped[1] or wrapped[2] or ""
    return text
