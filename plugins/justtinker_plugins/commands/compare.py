"""``justtinker compare``: test whether one evaluation is better than another, problem by problem, from its records.

Much of the noise in an accuracy is which problems are hard. That is the same on both sides and cancels, so the interval
of the difference is narrower than two separate intervals suggest. The command samples and judges nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.markup import escape

from justtinker_core import PluginError
from justtinker_core.errors import nearest
from justtinker_core.evaluation.stats import majority, pass_at
from justtinker_core.types import EvalStats, Verdict
from justtinker_plugins.shared.records.evaluations import Record, eval_groups, evaluations
from justtinker_plugins.shared.records.origin import evaluated_weights
from justtinker_plugins.shared.terminal import count_of, plain_table

Z = 1.959964
NOT_SETTINGS = ("problems", "stage")


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--data", "only", metavar="NAME", help="Only this set, [data.eval.NAME]. Default: all that both have.")
def compare(a: str, b: str, only: str | None) -> None:
    """Compare two evaluations problem by problem: what B gains on A, with a 95 % interval.

    A and B are directories of runs or of evaluations, of which the newest evaluation of each set counts, or DIR@STEP.
    """
    (dir_a, evals_a), (dir_b, evals_b) = evaluations(a), evaluations(b)
    shared = [name for name in evals_a if name in evals_b]
    if only is not None:
        for directory, evals in ((dir_a, evals_a), (dir_b, evals_b)):
            if only not in evals:
                raise PluginError(f"{directory} has no evaluation of {only!r}{nearest(only, evals)}")
        shared = [only]
    if not shared:
        raise PluginError(f"A and B have no set in common: A has {', '.join(evals_a)}; B has {', '.join(evals_b)}")
    console = Console()
    for name in shared:
        print_comparison(console, (dir_a, evals_a[name]), (dir_b, evals_b[name]))


def print_comparison(console: Console, a: tuple[Path, EvalStats], b: tuple[Path, EvalStats]) -> None:
    """Print the comparison of one set."""
    pairs = list(match_problems(eval_groups(*a), eval_groups(*b)))
    name = a[1].name
    if not pairs:
        raise PluginError(f"{name}: no problem has the same id and question in A and B")
    console.print(f"[bold]{escape(name)}[/bold], {count_of(len(pairs), 'problem')}", highlight=False, soft_wrap=True)
    for letter, (path, stats) in (("A", a), ("B", b)):
        k, weights = stats.settings.get("samples", 1), evaluated_weights(path) or f"step {stats.step}"
        console.print(f"{letter}: {path}, {weights}, {k} per problem", markup=False, highlight=False, soft_wrap=True)
    for note in notes_on_settings(a[1], b[1], len(pairs)):
        console.print(f"[yellow]{escape(note)}[/yellow]", highlight=False, soft_wrap=True)
    console.print(difference_table(pairs))
    console.print(f"{conclude(pairs)}\n", highlight=False, soft_wrap=True)


Pair = tuple[Record, Record]


def match_problems(a: Sequence[Record], b: Sequence[Record]) -> Iterator[Pair]:
    """Yield the records of problems with the same id and question on both sides."""
    others = {(group["problem"]["id"], group["problem"]["question"]): group for group in b}
    for group in a:
        if other := others.get((group["problem"]["id"], group["problem"]["question"])):
            yield group, other


def notes_on_settings(a: EvalStats, b: EvalStats, shared: int) -> list[str]:
    """List what makes the two evaluations less comparable."""
    notes = []
    counts = [int(stats.settings["problems"]) for stats in (a, b)]
    if counts != [shared, shared]:
        notes.append(f"compares only the {shared} problems in both; A has {counts[0]}, B has {counts[1]}")
    for key in sorted({*a.settings, *b.settings} - set(NOT_SETTINGS)):
        if (values := [stats.settings.get(key) for stats in (a, b)])[0] != values[1]:
            notes.append(f"sampled differently: {key} is {values[0]} in A and {values[1]} in B")
    return notes


def difference_table(pairs: Sequence[Pair]) -> object:
    """Make a table of the metrics: means over the shared problems, and the paired difference."""
    table = plain_table("", "A", "B", "B - A", "95 % interval")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, values, weight in metric_columns(pairs):
        scale, form = (100, ".1f") if is_rate(name) else (1, ".4g")
        means = [scale * float(np.mean([pair[side] for pair in values])) for side in (0, 1)]
        gain, low, high = (scale * x for x in paired_interval([b - a for a, b in values], weight))
        table.add_row(name, *(f"{m:{form}}" for m in means), f"{gain:+{form}}", f"{low:+{form}} to {high:+{form}}")
    table.caption, table.caption_justify = "rates in per cent", "left"
    return table


def is_rate(name: str) -> bool:
    """Return whether a metric is a share."""
    return name == "accuracy" or "@" in name or name.endswith("_rate")


def metric_columns(pairs: Sequence[Pair]) -> Iterator[tuple[str, list[tuple[float, float]], float]]:
    """Yield each metric: its name, its values (A, B) per problem, and the weight that `paired_interval` takes.

    Metrics that are 0 throughout are left out, since most of them count troubles; accuracy, pass@k and majority@k stay.
    """
    k = min(len(group["rollouts"]) for pair in pairs for group in pair)
    yield "accuracy", [(accuracy_of(a), accuracy_of(b)) for a, b in pairs], 2 / k
    if k > 1:
        yield f"pass@{k}", [(pass_rate(a, k), pass_rate(b, k)) for a, b in pairs], 2.0
    if all(len(group["rollouts"]) == k > 1 for pair in pairs for group in pair):  # fewer votes give another metric
        yield f"majority@{k}", [(majority_of(a), majority_of(b)) for a, b in pairs], 2.0
    names = dict.fromkeys(n for pair in pairs for group in pair for row in group["rollouts"] for n in row["measures"])
    for name in ("truncated_rate", "tokens", *names):
        if np.any(values := measure_means(pairs, name)):
            yield name, values, 2 / k if is_rate(name) else 0.0


def accuracy_of(group: Record) -> float:
    """Return the share of a problem's samples that are correct; unscored ones are not."""
    return float(np.mean([row["verdict"]["outcome"] == "correct" for row in group["rollouts"]]))


def pass_rate(group: Record, k: int) -> float:
    """Return a problem's pass@k."""
    n = len(group["rollouts"])
    return pass_at(k, n, round(accuracy_of(group) * n))


def majority_of(group: Record) -> float:
    """Return a problem's majority@k."""
    return majority([Verdict(**row["verdict"]) for row in group["rollouts"]])


def measure_means(pairs: Sequence[Pair], name: str) -> list[tuple[float, float]]:
    """Return the means of a measure for every problem that has it on both sides."""
    means = []
    for pair in pairs:
        sides = [[v for row in group["rollouts"] if (v := measure_of(row, name)) is not None] for group in pair]
        if all(sides):
            means.append((float(np.mean(sides[0])), float(np.mean(sides[1]))))
    return means


def measure_of(row: Record, name: str) -> float | None:
    """Return a measure of a recorded rollout; None if it has none of this name."""
    common = {"truncated_rate": row["truncated"], "tokens": row["tokens"]}
    value = common[name] if name in common else row["measures"].get(name)
    return None if value is None else float(value)


def paired_interval(differences: Sequence[float], weight: float) -> tuple[float, float, float]:
    """Return the mean of the differences (one per problem) and its 95 % interval.

    The variance is taken over problems, so several samples of one problem do not count as independent. For rates,
    `weight` pseudo-problems are added: half of them differ, one quarter by +1 and one by -1, the rest by 0. With one
    sample per problem (weight 2), this is the interval of Agresti & Min (2005, Statistics in Medicine 24, 729-740),
    which holds even if few problems differ; if none does, the weight is 2. docs/evaluation.md reports its coverage.
    """
    d = np.asarray(differences, float)
    if weight and not d.any():
        weight = 2.0
    n, total = len(d), len(d) + weight
    centre = d.sum() / total
    variance = max(((d**2).sum() + weight / 2) / total - centre**2, 0.0) * n / max(n - 1, 1)
    half, most = Z * math.sqrt(variance / total), 1.0 if weight else math.inf
    return float(d.mean()), max(float(centre - half), -most), min(float(centre + half), most)


def conclude(pairs: Sequence[Pair]) -> str:
    """State the difference in accuracy in a sentence."""
    _, values, weight = next(metric_columns(pairs))
    gains = [b - a for a, b in values]
    _, low, high = paired_interval(gains, weight)
    better, worse = sum(g > 0 for g in gains), sum(g < 0 for g in gains)
    counts = f"B does better on {count_of(better, 'problem')}, worse on {worse}, equally well on "
    counts += f"{len(gains) - better - worse}."
    if low <= 0 <= high:
        return f"The difference in accuracy may be chance.\n{counts}"
    return f"B is {'better' if low > 0 else 'worse'} than A.\n{counts}"
