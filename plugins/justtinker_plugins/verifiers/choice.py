r"""The verifier for multiple choice: one letter, and nothing beside it.

Reads ``B``, ``(B)``, ``B.``, ``[B]``, ``\text{(B)}``, ``\left(B\right)``, ``option B``. An answer with more to it
(``A or B``, ``(B) 42``) is wrong: who is paid for one of two letters learns to write both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from justtinker_core import Problem, Rollout, Verdict, hookimpl, plugin
from justtinker_plugins.shared.answers import Pipeline, gold_text, judge
from justtinker_plugins.text import visible

# What may be about a letter beside what `visible` leaves out.
_DRESS = re.compile(r"\\(?:left|right|[bB]igg?[lmr]?|boldsymbol|underline)(?![a-zA-Z])|\\[()\[\]]")
_LETTER = re.compile(r"(?:option|choice|answer)?(?:\(([A-Z])\)|\[([A-Z])\]|([A-Z])\)?)[.:]?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Letter:
    """One choice, as it is written."""

    text: str


@plugin
class Choice:
    """Compares a letter with the gold's."""

    kinds: tuple[str, ...] = ("choice",)
    """Which `Problem.kind` it answers for."""
    pipeline: Pipeline = "strict"
    """strict: boxed only. flexible: where there is no box also ``Answer: x``, ``#### x``, ``the answer is x``.
    gsm8k: ``#### x`` only."""
    choices: Annotated[str, Field(pattern="^[A-Z]+$")] = "ABCDE"
    """The letters that there are."""
    case_sensitive: bool = False
    """Whether ``b`` is no ``B``."""
    max_chars: Annotated[int, Field(ge=1)] = 100
    """A longer answer is wrong."""

    @hookimpl
    def verify(self, problem: Problem, rollouts: Sequence[Rollout]) -> list[Verdict] | None:
        """One verdict a rollout; unscored where the gold is not one of the letters."""
        if problem.kind not in self.kinds:
            return None
        text = gold_text(problem.answer)
        gold = letter(text, self.case_sensitive)
        known = gold if gold is not None and gold.text in self.choices else self._bad_gold(text)
        return judge(rollouts, self.pipeline, self.max_chars, known, self._wrong, self._vote)

    def _vote(self, answer: str) -> str | None:
        chosen = letter(answer, self.case_sensitive)
        return chosen.text if chosen else None

    def _bad_gold(self, text: str) -> str:
        return f"the gold {text[:50]!r} is not one of the letters {self.choices}"

    def _wrong(self, gold: Letter, answer: str) -> str:
        chosen = letter(answer, self.case_sensitive)
        if chosen is None or chosen.text not in self.choices:
            return f"not one of the letters {self.choices}"
        return "" if chosen == gold else "another letter than the gold's"


def letter(text: str, case_sensitive: bool = False) -> Letter | None:
    """The one letter that a text is, or None."""
    found = _LETTER.fullmatch(visible(_DRESS.sub("", text)).strip("*"))
    if found is None:
        return None
    name = next(filter(None, found.groups()))
    return Letter(name if case_sensitive else name.upper())
