"""Which training problems are evaluation problems, word for word or nearly so.

Two questions are the same if they differ in white space and case only. One is nearly another if so many of the
evaluation question's n-grams stand in it: n words (letters and digits) in a row, 8 and half of them by default, much as
Lambert et al. 2024 (Tülu 3, arXiv:2411.15124) match. Nothing is decided about meaning: a problem told in other words is
not found, and one template with two sets of numbers may be.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from justtinker_core import Problem

Words = tuple[str, ...]

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Overlap:
    """A training problem, and the evaluation problem that it is most like."""

    train: Problem
    set: str
    """Of the evaluation problem."""
    eval: Problem
    share: float
    """Of the evaluation question's n-grams; 1.0 for the same words."""


def overlaps(
    train: Sequence[Problem], evals: Mapping[str, Sequence[Problem]], n: int = 8, share: float = 0.5
) -> Iterator[Overlap]:
    """Every training problem that overlaps with a problem of an evaluation set, in order."""
    index = Index([(name, problem) for name, problems in evals.items() for problem in problems], n)
    for problem in train:
        if (found := index.nearest(problem.question)) and found[1] >= share:
            yield Overlap(problem, *index.problems[found[0]], found[1])


class Index:
    """Evaluation problems by their words and by their n-grams."""

    def __init__(self, problems: Sequence[tuple[str, Problem]], n: int) -> None:
        self.problems, self._n = problems, n
        self._whole: dict[str, int] = {}
        self._grams: defaultdict[Words, list[int]] = defaultdict(list)
        self._sizes: list[int] = []
        for number, (_, problem) in enumerate(problems):
            self._whole.setdefault(plain(problem.question), number)
            grams = ngrams(problem.question, n)
            self._sizes.append(len(grams))
            for gram in grams:
                self._grams[gram].append(number)

    def nearest(self, question: str) -> tuple[int, float] | None:
        """The problem that a question is most like, and the share of its n-grams that stand in the question."""
        if (same := self._whole.get(plain(question))) is not None:
            return same, 1.0
        shared = self._grams.keys() & ngrams(question, self._n)
        counts = Counter(number for gram in shared for number in self._grams[gram])
        shares = [(count / self._sizes[number], -number) for number, count in counts.items()]
        return (-max(shares)[1], max(shares)[0]) if shares else None


def plain(text: str) -> str:
    """A text without what does not make it another."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def ngrams(text: str, n: int) -> set[Words]:
    """Every n words in a row."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return set(zip(*(words[i:] for i in range(n)), strict=False))
