"""The metrics of an evaluation, each rate with an interval that is clustered by problem.

``accuracy`` is avg@k: the share of a problem's samples that are correct, averaged over problems. pass@k and majority@k
tell what k samples are worth together. docs/evaluation.md has the formulas and how to read them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from justtinker_core.types import Group, Verdict

ROWS = range(2, 31)
"""How many rows a breakdown may have."""


def summarise(groups: Sequence[Group]) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Return the metrics over all rollouts, and the 95 % interval of each metric that is a rate.

    An unscored rollout counts as not correct, so accuracy is a lower bound; `unscored_rate` says how many there are.
    """
    columns: dict[str, list[list[float]]] = {
        "accuracy": [[float(v.outcome == "correct") for v in g.verdicts] for g in groups],
        "unscored_rate": [[float(v.outcome == "unscored") for v in g.verdicts] for g in groups],
        "truncated_rate": [[float(r.truncated) for r in g.rollouts] for g in groups],
        "mean_response_tokens": [[float(r.response_tokens) for r in g.rollouts] for g in groups],
        **dict(joint_columns([g.verdicts for g in groups])),
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


def joint_columns(verdicts: Sequence[Sequence[Verdict]]) -> Iterator[tuple[str, list[list[float]]]]:
    """Yield pass@k and majority@n: one number per problem, repeated for each of its samples."""
    n = min(map(len, verdicts), default=0)
    if n < 2:
        return
    correct = [sum(v.outcome == "correct" for v in of_problem) for of_problem in verdicts]
    for k in sorted({n, *(2**i for i in range(n.bit_length()))}):
        yield f"pass@{k}", [[pass_at(k, len(v), c)] * n for v, c in zip(verdicts, correct, strict=True)]
    yield f"majority@{n}", [[majority(of_problem)] * n for of_problem in verdicts]


def pass_at(k: int, n: int, correct: int) -> float:
    """Return the chance that k samples, drawn without replacement from n, include one of the c correct ones.

    This is the unbiased estimator 1 - C(n-c, k) / C(n, k) of Chen et al. 2021 (arXiv:2107.03374).

    >>> pass_at(2, 4, 1)
    0.5
    """
    return 1 - math.comb(n - correct, k) / math.comb(n, k)


def majority(verdicts: Sequence[Verdict]) -> float:
    """Return the chance that the most frequent answer is correct, with ties broken at random.

    This is self-consistency (Wang et al. 2022, arXiv:2203.11171). Rollouts that are unscored or have no answer do not
    vote. Answers are equal if their `Verdict.vote` is.

    >>> majority([Verdict("correct", "1"), Verdict("incorrect", "2"), Verdict("incorrect")])
    0.5
    """
    ballots = [(v.vote or v.answer, v.outcome == "correct") for v in verdicts if v.outcome != "unscored"]
    votes = Counter(answer for answer, _ in ballots if answer)
    most = [answer for answer, count in votes.items() if count == max(votes.values())]
    return float(np.mean([c for answer, c in ballots if answer in most])) if most else 0.0


def breakdown(groups: Sequence[Group]) -> dict[str, dict[str, dict[str, float]]]:
    """Return key of the metadata -> its values -> problems, accuracy and its interval (low, high).

    It uses the keys that all problems have, if the values are texts or whole numbers, and few enough to group by.
    """
    tables = {}
    for key in sorted(set[str].intersection(*(set(g.problem.meta) for g in groups))) if groups else ():
        values = [g.problem.meta[key] for g in groups]
        names = set(map(str, values))
        if (
            len(names) in ROWS
            and 2 * len(names) <= len(groups)
            and all(isinstance(v, str | int | None) for v in values)
        ):
            ordered = sorted(names, key=numbers_first)
            tables[key] = {n: accuracy_row([g for g in groups if str(g.problem.meta[key]) == n]) for n in ordered}
    return tables


def numbers_first(name: str) -> tuple[float, str]:
    """Return a sort key: whole numbers by their size, then texts."""
    return float(name) if re.fullmatch(r"-?\d+", name) else math.inf, name


def accuracy_row(groups: Sequence[Group]) -> dict[str, float]:
    """Return how many problems there are, and how many of their answers are correct."""
    correct = [[float(v.outcome == "correct") for v in g.verdicts] for g in groups]
    low, high = clustered_interval(correct)
    return {"problems": len(groups), "accuracy": float(np.mean(np.concatenate(correct))), "low": low, "high": high}


def clustered_interval(clusters: Sequence[Sequence[float]], z: float = 1.959964) -> tuple[float, float]:
    """Return the 95 % interval of a rate whose samples come in clusters (the samples of one problem).

    This is Wilson's score interval at the effective sample size p(1-p)/variance of the clustered mean (Miller 2024,
    arXiv:2411.00640, for the variance; Korn & Graubard 1998 for the effective size). The effective size is at most the
    number of samples. At rates of 0 and 1 it is the number of clusters, so the interval never has zero width.
    """
    values = np.concatenate([np.asarray(c, float) for c in clusters])
    p, n = float(values.mean()), len(clusters)
    residuals = np.array([np.sum(np.asarray(c) - p) for c in clusters])
    variance = float(np.sum(residuals**2)) / len(values) ** 2 * (n / (n - 1) if n > 1 else 1.0)
    size = float(n) if p in (0, 1) else min(p * (1 - p) / variance if variance > 0 else math.inf, len(values))
    centre = (p + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * math.sqrt(p * (1 - p) / size + z * z / (4 * size * size))
    return max(0.0, centre - half), min(1.0, centre + half)
