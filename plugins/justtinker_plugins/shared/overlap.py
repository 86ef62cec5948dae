"""Which training problems are evaluation problems, word for word or nearly so.

Two questions are the same if they differ in white space and case only. One is nearly another if so many of the
evaluation question's n-grams stand in it: n words (letters and digits) in a row, 8 and half of them by default, much as
Lambert et al. 2024 (Tülu 3, arXiv:2411.15124) match. Nothing is decided about meaning: a problem told in other words is
not found, and one template with two sets of numbers may be. What stands in more than half of a set's questions is an
instruction around them (verl's Parquet has one) and does not count.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from justtinker_core import Problem, RunContext

Words = tuple[str, ...]

FEW = 5
"""Questions that may have an n-gram in common, however small their set is."""
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Overlap:
    """A training problem, and the problem of an evaluation set that it is most like."""

    train: Problem
    set: str
    """Of the evaluation problem."""
    eval: Problem
    share: float
    """Of the evaluation question's n-grams; 1.0 for the same words."""


def overlaps(
    train: Sequence[Problem], evals: Mapping[str, Sequence[Problem]], n: int = 8, share: float = 0.5
) -> Iterator[Overlap]:
    """Every training problem that overlaps with a problem of an evaluation set, in order, once for each such set."""
    index = Index([(name, problem) for name, problems in evals.items() for problem in problems], n)
    for problem in train:
        for number, found in index.nearest(problem.question):
            if found >= share:
                yield Overlap(problem, *index.problems[number], found)


class Index:
    """Evaluation problems by their words and by their n-grams."""

    def __init__(self, problems: Sequence[tuple[str, Problem]], n: int) -> None:
        self.problems, self._n = problems, n
        self._whole: defaultdict[str, list[int]] = defaultdict(list)
        self._grams: defaultdict[Words, list[int]] = defaultdict(list)
        self._sizes: list[int] = []
        every = [ngrams(problem.question, n) for _, problem in problems]
        sets = Counter(name for name, _ in problems)
        counts = Counter((name, gram) for (name, _), grams in zip(problems, every, strict=True) for gram in grams)
        for number, ((name, problem), grams) in enumerate(zip(problems, every, strict=True)):
            self._whole[plain(problem.question)].append(number)
            own = [gram for gram in grams if counts[name, gram] <= max(FEW, sets[name] / 2)]
            self._sizes.append(len(own))
            for gram in own:
                self._grams[gram].append(number)

    def nearest(self, question: str) -> list[tuple[int, float]]:
        """Of each set the problem that a question is most like, and the share of its n-grams in that, by share."""
        shared = self._grams.keys() & ngrams(question, self._n)
        counts = Counter(number for gram in shared for number in self._grams[gram])
        shares = {number: count / self._sizes[number] for number, count in counts.items()}
        shares |= dict.fromkeys(self._whole.get(plain(question), ()), 1.0)
        of_set: dict[str, int] = {}
        for number in sorted(shares, key=lambda number: (-shares[number], number)):
            of_set.setdefault(self.problems[number][0], number)
        return [(number, shares[number]) for number in of_set.values()]


def plain(text: str) -> str:
    """A text without what does not make it another."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def ngrams(text: str, n: int) -> set[Words]:
    """Every n words in a row."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return set(zip(*(words[i:] for i in range(n)), strict=False))


def asked_again(
    run: RunContext,
    plugin: str,
    what: str,
    name: Callable[[Problem], Hashable],
    fix: str = "give both tables the same options",
) -> list[str]:
    """A complaint for each evaluation set that shares problems with training, by a name; None: another's problem."""
    trained = set(map(name, run.train_problems)) - {None}
    return [
        f"[data.eval.{table}] asks {shared} {what} that [data.train] trains on; {fix} (or once, in [plugins.{plugin}])"
        for table, problems in run.eval_problems.items()
        if (shared := len(trained & set(map(name, problems))))
    ]
