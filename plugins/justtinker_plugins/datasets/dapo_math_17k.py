"""DAPO-Math-17k: ``BytedTsinghua-SIA/DAPO-Math-17k``, 1.79 million rows: about a hundred copies of 17,400 problems.

Every problem is wrapped in the same instruction and the same reminder about ``Answer:``; both are stripped, since a run
has its own prompt. Copies are found by the whole problem that is left (cutting the raw text at 200 characters leaves
11,384 problems, because different ones begin alike). A problem whose copies disagree on the answer is left out, since
nobody knows which is right. Memory holds the problems, never the rows. If the set cannot be reached,
``open-r1/DAPO-Math-17k-Processed`` takes its place, with the same ids and a warning. Yu et al., 2025
(arXiv:2503.14476).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from justtinker_core import DataSpec, NameOrPath, Problem, plugin
from justtinker_plugins.datasets._hub import HubSet, Row

BEFORE = (
    "Solve the following math problem step by step. The last line of your response should be of the form Answer: "
    "$Answer (without quotes) where $Answer is the answer to the problem."
)
AFTER = 'Remember to put your answer on its own line after "Answer:".'


@plugin
class DapoMath17k(HubSet):
    """Problems with integer answers; metadata: ``source`` and ``index``, as in the set."""

    columns: ClassVar[tuple[str, ...]] = ("prompt", "reward_model", "data_source", "extra_info")
    splits: ClassVar[Mapping[str, str]] = {"train": "train", "eval": "train"}
    fallback: ClassVar[tuple[str, str | None] | None] = ("open-r1/DAPO-Math-17k-Processed", "all")

    source: NameOrPath = "BytedTsinghua-SIA/DAPO-Math-17k"
    """A hub id, or a directory with a copy of the set."""
    split: str | None = None
    """The set has only train."""

    def usable(self, rows: Iterable[Row], spec: DataSpec) -> Iterator[tuple[Row, Problem]]:
        """The first copy of every problem whose copies agree."""
        first: dict[str, tuple[Row, Problem]] = {}
        disputed = dict[str, int]()
        for row, problem in super().usable(rows, spec):
            known = first.setdefault(problem.id, (row, problem))[1]
            if known is not problem:
                self.skipped["a copy of an earlier row"] += 1
            if known.answer != problem.answer:
                disputed[problem.id] = 1
        for name in disputed:
            del first[name]
            self.skipped["its copies disagree on the answer"] += 1
        yield from first.values()

    def problem(self, row: Row, spec: DataSpec) -> Problem | str:
        """The problem without its wrapper; its id is a hash of its text."""
        question, answer = unwrapped(prompt_text(row)), row.text("reward_model.ground_truth").strip()
        if not answer:
            return "no answer"
        if BEFORE[:46] in question or AFTER[:46] in question:
            return "wrapped in an unknown instruction"
        name = hashlib.sha256(" ".join(question.split()).encode()).hexdigest()[:16]
        meta = {"source": row.text("data_source"), "index": row.cell("extra_info.index")}
        return Problem(f"dapo/{name}", question, answer, meta=meta)


def prompt_text(row: Row) -> str:
    """The text of a prompt: a list of one message or, in the fallback, a text."""
    prompt: Any = row.cell("prompt")
    if not isinstance(prompt, list):
        return row.text("prompt")
    if len(prompt) != 1 or not isinstance(prompt[0], dict) or not isinstance(prompt[0].get("content"), str):
        raise row.complaint("prompt", "a text or one message with a text as content")
    return str(prompt[0]["content"])


def unwrapped(prompt: str) -> str:
    """Strip the instruction before the problem and the reminder after it."""
    return prompt.strip().removeprefix(BEFORE).removesuffix(AFTER).strip()
