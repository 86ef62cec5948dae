"""Find training problems that are also evaluation problems, word for word or nearly so.

Two questions are the same if they differ only in white space and case. A training question overlaps with an evaluation
question if it contains enough of its n-grams (n words or numbers in a row): by default half of the 8-grams, much as in
Lambert et al. 2024 (Tülu 3, arXiv:2411.15124). Meaning plays no part: a reworded problem is missed, and a template with
other numbers may be found. An n-gram in more than half of a set's questions is taken for an instruction around them
(verl's Parquet has one) and does not count.
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
"""The number of questions that may share an n-gram, even in a small set."""
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Overlap:
    """A training problem, and the problem of an evaluation set that is most like it."""

    train: Problem
    set: str
    """The name of the evaluation set."""
    eval: Problem
    share: float
    """The share of the evaluation question's n-grams in the training question; 1.0 for the same words."""


def overlaps(
    train: Sequence[Problem], evals: Mapping[str, Sequence[Problem]], n: int = 8, share: float = 0.5
) -> Iterator[Overlap]:
    """Yield training problems that overlap with a problem of an evaluation set, in order, once for each such set."""
    index = Index([(name, problem) for name, problems in evals.items() for problem in problems], n)
    for problem in train:
        for number, found in index.nearest(problem.question):
            if found >= share:
                yield Overlap(problem, *index.problems[number], found)


class Index:
    """Evaluation problems, indexed by their text and by their n-grams."""

    def __init__(self, problems: Sequence[tuple[str, Problem]], n: int) -> None:
        self.problems, self._n = problems, n
        self._whole: defaultdict[str, list[int]] = defaultdict(list)
        self._grams: defaultdict[Words, list[int]] = defaultdict(list)
        self._sizes: list[int] = []
        every = [ngrams(problem.question, n) for _, problem in problems]
        sets = Counter(name for name, _ in problems)
        counts = Counter((name, gram) for (name, _), grams in zip(problems, every, strict=True) for gram in grams)
        for number, ((name, problem), grams) in enumerate(zip(problems, every, strict=True)):
            self._whole[normalised(problem.question)].append(number)
            own = [gram for gram in grams if counts[name, gram] <= max(FEW, sets[name] / 2)]
            self._sizes.append(len(own))
            for gram in own:
                self._grams[gram].append(number)

    def nearest(self, question: str) -> list[tuple[int, float]]:
        """For each set, the index of the problem most like a question, and the share of its n-grams; greatest first."""
        shared = self._grams.keys() & ngrams(question, self._n)
        counts = Counter(number for gram in shared for number in self._grams[gram])
        shares = {number: count / self._sizes[number] for number, count in counts.items()}
        shares |= dict.fromkeys(self._whole.get(normalised(question), ()), 1.0)
        of_set: dict[str, int] = {}
        for number in sorted(shares, key=lambda number: (-shares[number], number)):
            of_set.setdefault(self.problems[number][0], number)
        return [(number, shares[number]) for number in of_set.values()]


def normalised(text: str) -> str:
    """A text without white space and differences of case."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def ngrams(text: str, n: int) -> set[Words]:
    """The set of all n words in a row."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return set(zip(*(words[i:] for i in range(n)), strict=False))


def overlap_complaints(
    run: RunContext,
    plugin: str,
    what: str,
    key: Callable[[Problem], Hashable],
    fix: str = "",
) -> list[str]:
    """Complain of each evaluation set that shares problems with training, and say what to do (`fix`).

    Problems with the same `key` are the same; those whose key is None belong to another data set.
    """
    fix = fix or f"give both tables the same options (or once, in [plugins.{plugin}])"
    trained = set(map(key, run.train_problems)) - {None}
    return [
        f"[data.eval.{table}] asks {shared} {what} that [data.train] trains on; {fix}"
        for table, problems in run.eval_problems.items()
        if (shared := len(trained & set(map(key, problems))))
    ]
