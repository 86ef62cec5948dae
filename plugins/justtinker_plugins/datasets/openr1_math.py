"""OpenR1-Math-220k, worked solutions by DeepSeek-R1 to imitate in the cold start: ``open-r1/OpenR1-Math-220k``.

A demonstration is the first generation that is marked correct and has a thinking block (``<think>…</think>`` at its
start), else the first that has one; only the white space around it is removed. The set has no test split, so a tenth of
its problems is held out, chosen by a hash of their text: a table for evaluation gets these, a table for training the
others. `sft`, which can count tokens, checks that a demonstration fits the model's context.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from justtinker_core import DataSpec, NameOrPath, Problem, plugin
from justtinker_plugins.datasets._hub import HubSet, Part, Row
from justtinker_plugins.shared.letters import is_choice
from justtinker_plugins.text import thinking_part


@plugin
class Openr1Math(HubSet):
    """Demonstrations for training, held-out problems for evaluation.

    Metadata: ``source``, ``subject`` (the set's problem_type) and ``verified`` (the demonstration is marked correct).
    A multiple choice whose answer is a letter is of kind ``choice``, for the verifier of that name; all others are
    ``math``. The set's question_type says what is a multiple choice; a copy without it is judged by the answer alone.
    """

    columns: ClassVar[tuple[str, ...]] = ("problem", "generations", "correctness_math_verify")
    splits: ClassVar[Mapping[str, str]] = {"train": "train", "eval": "train"}

    source: NameOrPath = "open-r1/OpenR1-Math-220k"
    """A hub id, or a directory with a copy of the set."""
    split: str | None = None
    """The set has only train."""
    config: Literal["default", "extended", "all"] = "default"
    """The set's configuration."""
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the problems kept for evaluation. Use the same in the tables for training and evaluation."""

    def parts(self, spec: DataSpec) -> list[Part]:
        """The configuration's splits."""
        return [Part(part.source, self.config, part.split) for part in super().parts(spec)]

    def problem(self, row: Row, spec: DataSpec) -> Problem | str:
        """A problem and its demonstration; for evaluation, a held-out problem with its answer instead."""
        question, answer = row.text("problem"), row.text("answer") or None
        if (hash_fraction(question) < self.held_out) != (spec.purpose == "eval"):
            return "held out for evaluation" if spec.purpose == "train" else "kept for training"
        meta = {"source": row.text("source") or None, "subject": row.text("problem_type") or None}
        name, kind = f"openr1/{self.config}/{row.number}", kind_of(row)
        if spec.purpose == "eval":
            return Problem(name, question, answer, kind, meta=meta) if answer else "no answer"
        demonstration, verified = choose_generation(generations(row))
        if demonstration is None:
            return "no generation with a thinking block"
        return Problem(name, question, answer, kind, demonstration, {**meta, "verified": verified})


def kind_of(row: Row) -> str:
    """``choice`` if the row is a multiple choice with a letter as its answer, else ``math``."""
    is_multiple_choice = row.text("question_type") in ("", "MCQ") and is_choice(row.text("answer"))
    return "choice" if is_multiple_choice else "math"


def hash_fraction(question: str) -> float:
    """Hash a text to a number in [0, 1)."""
    return int.from_bytes(hashlib.sha256(question.encode()).digest()[:6]) / 2**48


def generations(row: Row) -> list[tuple[str, bool]]:
    """A row's generations, each with whether it is marked correct; an unmarked one is not."""
    texts, marks = row.cell("generations") or [], row.cell("correctness_math_verify") or []
    if not isinstance(texts, list) or not all(text is None or isinstance(text, str) for text in texts):
        raise row.complaint("generations", "a list of texts")
    if not isinstance(marks, list):
        raise row.complaint("correctness_math_verify", "a list of booleans")
    return [(text or "", index < len(marks) and marks[index] is True) for index, text in enumerate(texts)]


def choose_generation(candidates: list[tuple[str, bool]]) -> tuple[str | None, bool]:
    """The first correct generation with a thinking block, else the first with one; and whether it is correct."""
    thinking = [(text.strip(), correct) for text, correct in candidates if thinking_part(text) is not None]
    return next((c for c in thinking if c[1]), thinking[0] if thinking else (None, False))
