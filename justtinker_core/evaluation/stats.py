"""The numbers of an evaluation, each rate with an interval that is clustered by problem.

``accuracy`` is avg@k: the mean over problems of the share of their samples that are right. pass@k and majority@k say
what k samples are worth together. docs/evaluation.md has the formulas and how to read them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from justtinker_core.types import Group, Verdict

SORTS = range(2, 31)
"""A table by a key of the problems' metadata has as many rows."""


def summarise(groups: Sequence[Group]) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Metrics over all rollouts, and the 95 % interval of each that is a rate.

    An unscored rollout counts as not correct, and beside it stands how many there were: a lower bound.
    """
    columns: dict[str, list[list[float]]] = {
        "accuracy": [[float(v.outcome == "correct") for v in g.verdicts] for g in groups],
        "unscored_rate": [[float(v.outcome == "unscored") for v in g.verdicts] for g in groups],
        "truncated_rate": [[float(r.truncated) for r in g.rollouts] for g in groups],
        "mean_response_tokens": [[float(r.response_tokens) for r in g.rollouts] for g in groups],
        **dict(together([g.verdicts for g in groups])),
    }
    for name in sorted({name for g in groups for name in g.measures}):
        columns[name] = [[v for v in g.measures.get(name, ()) if v is not None] for g in groups]
    metrics, intervals = {}, {}
    for name, clusters in columns.items():
        filled = [c for c in clusters if c]
        if not filled:
            continue
        metrics[name] = float(np.mean(np.concatenate(filled)))
        if all(0 <= v <= 1 for c in filled for v in c):
            intervals[name] = list(clustered_interval(filled))
    return metrics, intervals


def together(verdicts: Sequence[Sequence[Verdict]]) -> Iterator[tuple[str, list[list[float]]]]:
    """What the samples of a problem are worth together: one number a problem, written once a sample."""
    n = min(map(len, verdicts), default=0)
    if n < 2:
        return
    correct = [sum(v.outcome == "correct" for v in of_problem) for of_problem in verdicts]
    for k in sorted({n, *(2**i for i in range(n.bit_length()))}):
        yield f"pass@{k}", [[pass_at(k, len(v), c)] * n for v, c in zip(verdicts, correct, strict=True)]
    yield f"majority@{n}", [[majority(of_problem)] * n for of_problem in verdicts]


def pass_at(k: int, n: int, correct: int) -> float:
    """Chance that k samples, drawn without replacement from n of which some are correct, hold a correct one.

    The unbiased estimator 1 - C(n-c, k) / C(n, k) of Chen et al. 2021 (arXiv:2107.03374).

    >>> pass_at(2, 4, 1)
    0.5
    """
    return 1 - math.comb(n - correct, k) / math.comb(n, k)


def majority(verdicts: Sequence[Verdict]) -> float:
    """Chance that the most frequent answer is correct, ties broken by lot (Wang et al. 2022, arXiv:2203.11171).

    Who is unscored or has no answer does not vote. Answers are equal if their `Verdict.vote` is.

    >>> majority([Verdict("correct", "1"), Verdict("incorrect", "2"), Verdict("incorrect")])
    0.5
    """
    ballots = [(v.vote or v.answer, v.outcome == "correct") for v in verdicts if v.outcome != "unscored"]
    votes = Counter(answer for answer, _ in ballots if answer)
    most = [answer for answer, count in votes.items() if count == max(votes.values())]
    return float(np.mean([c for answer, c in ballots if answer in most])) if most else 0.0


def breakdown(groups: Sequence[Group]) -> dict[str, dict[str, dict[str, float]]]:
    """Key of the metadata -> its values -> problems, accuracy and its interval (low, high).

    Keys count that all problems have, with texts or whole numbers that really sort the problems into groups.
    """
    tables = {}
    for key in sorted(set[str].intersection(*(set(g.problem.meta) for g in groups))) if groups else ():
        values = [g.problem.meta[key] for g in groups]
        sorts = Counter(map(str, values))
        if (
            len(sorts) in SORTS
            and 2 * len(sorts) <= len(groups)
            and all(isinstance(v, str | int | None) for v in values)
        ):
            ordered = sorted(sorts, key=by_number)
            tables[key] = {sort: row([g for g in groups if str(g.problem.meta[key]) == sort]) for sort in ordered}
    return tables


def by_number(sort: str) -> tuple[float, str]:
    """Whole numbers by their size, then texts."""
    return float(sort) if re.fullmatch(r"-?\d+", sort) else math.inf, sort


def row(groups: Sequence[Group]) -> dict[str, float]:
    """How many problems, and how many of their answers are correct."""
    right = [[float(v.outcome == "correct") for v in g.verdicts] for g in groups]
    low, high = clustered_interval(right)
    return {"problems": len(groups), "accuracy": float(np.mean(np.concatenate(right))), "low": low, "high": high}


def clustered_interval(clusters: Sequence[Sequence[float]], z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a rate whose samples come in clusters (the samples of one problem).

    Wilson's score interval at the effective sample size p(1-p)/variance of the clustered mean (Miller 2024,
    arXiv:2411.00640, for the variance; Korn & Graubard 1998 for the effective size). It is at most the number of
    samples; at rates of 0 and 1 the number of clusters stands in, so the interval is never of zero width.
    """
    values = np.concatenate([np.asarray(c, float) for c in clusters])
    p, n = float(values.mean()), len(clusters)
    residuals = np.array([np.sum(np.asarray(c) - p) for c in clusters])
    variance = float(np.sum(residuals**2)) / len(values) ** 2 * (n / (n - 1) if n > 1 else 1.0)
    size = float(n) if p in (0, 1) else min(p * (1 - p) / variance if variance > 0 else math.inf, len(values))
    centre = (p + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * math.sqrt(p * (1 - p) / size + z * z / (4 * size * size))
    return max(0.0, centre - half), min(1.0, centre + half)
