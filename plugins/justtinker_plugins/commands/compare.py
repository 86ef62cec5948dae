"""``justtinker compare``: is one evaluation better than another? Paired by problem, from the recorded rollouts.

Much of what makes two numbers differ is which problems are hard; that is the same on both sides and cancels. So the
interval of the difference is narrower than two intervals side by side suggest. Nothing is sampled or judged again.
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
from justtinker_plugins.shared.terminal import plain_table

Z = 1.959964
NOT_SETTINGS = ("problems", "stage")


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--data", "only", metavar="NAME", help="Only this set, [data.eval.NAME]; default: all that both have.")
def compare(a: str, b: str, only: str | None) -> None:
    """Compare two evaluations problem by problem: what B gains on A, with a 95 % interval.

    A and B are directories of runs or of evaluations (the newest of each set counts), or DIR@STEP.
    """
    (where_a, evals_a), (where_b, evals_b) = evaluations(a), evaluations(b)
    shared = [name for name in evals_a if name in evals_b]
    if only is not None:
        for where, evals in ((where_a, evals_a), (where_b, evals_b)):
            if only not in evals:
                raise PluginError(f"{where} has no evaluation of {only!r}{nearest(only, evals)}")
        shared = [only]
    if not shared:
        raise PluginError(f"no set was evaluated in both: {', '.join(evals_a)} in A, {', '.join(evals_b)} in B")
    console = Console()
    for name in shared:
        show(console, (where_a, evals_a[name]), (where_b, evals_b[name]))


def show(console: Console, a: tuple[Path, EvalStats], b: tuple[Path, EvalStats]) -> None:
    """Print the comparison of one set."""
    pairs = list(matched(eval_groups(*a), eval_groups(*b)))
    name = a[1].name
    if not pairs:
        raise PluginError(f"{name}: no problem has the same id and question in A and B")
    console.print(f"[bold]{escape(name)}[/bold], {len(pairs)} problems", highlight=False, soft_wrap=True)
    for letter, (where, stats) in (("A", a), ("B", b)):
        k, weights = stats.settings.get("samples", 1), evaluated_weights(where) or f"step {stats.step}"
        console.print(f"{letter}: {where}, {weights}, {k} a problem", markup=False, highlight=False, soft_wrap=True)
    for note in notes(a[1], b[1], len(pairs)):
        console.print(f"[yellow]{escape(note)}[/yellow]", highlight=False, soft_wrap=True)
    console.print(difference_table(pairs))
    console.print(f"{verdict(pairs)}\n", highlight=False, soft_wrap=True)


Pair = tuple[Record, Record]


def matched(a: Sequence[Record], b: Sequence[Record]) -> Iterator[Pair]:
    """The records of problems with the same id and question on both sides."""
    others = {(g["problem"]["id"], g["problem"]["question"]): g for g in b}
    for group in a:
        if other := others.get((group["problem"]["id"], group["problem"]["question"])):
            yield group, other


def notes(a: EvalStats, b: EvalStats, shared: int) -> list[str]:
    """What makes the two not quite comparable."""
    said = []
    counts = [int(stats.settings["problems"]) for stats in (a, b)]
    if counts != [shared, shared]:
        said.append(f"only the {shared} problems that both have count; A has {counts[0]}, B has {counts[1]}")
    for key in sorted({*a.settings, *b.settings} - set(NOT_SETTINGS)):
        if (values := [stats.settings.get(key) for stats in (a, b)])[0] != values[1]:
            said.append(f"sampled differently: {key} is {values[0]} in A and {values[1]} in B")
    return said


def difference_table(pairs: Sequence[Pair]) -> object:
    """Every metric that both sides have: means over the shared problems, and the paired difference."""
    table = plain_table("", "A", "B", "B - A", "95 % interval")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, values, weight in metrics(pairs):
        scale, form = (100, ".1f") if is_rate(name) else (1, ".4g")
        means = [scale * float(np.mean([pair[side] for pair in values])) for side in (0, 1)]
        gain, low, high = (scale * x for x in paired_interval([b - a for a, b in values], weight))
        table.add_row(name, *(f"{m:{form}}" for m in means), f"{gain:+{form}}", f"{low:+{form}} to {high:+{form}}")
    table.caption, table.caption_justify = "rates in per cent", "left"
    return table


def is_rate(name: str) -> bool:
    """Whether a metric is a share."""
    return name == "accuracy" or "@" in name or name.endswith("_rate")


def metrics(pairs: Sequence[Pair]) -> Iterator[tuple[str, list[tuple[float, float]], float]]:
    """Name, one number a problem for A and B, and the weight of the pseudo-problems (see `paired_interval`).

    What is 0 for every problem of both is left out, save what says how good they are: most of it counts troubles.
    """
    k = min(len(group["rollouts"]) for pair in pairs for group in pair)
    yield "accuracy", [(share_right(a), share_right(b)) for a, b in pairs], 2 / k
    if k > 1:
        yield f"pass@{k}", [(right_once(a, k), right_once(b, k)) for a, b in pairs], 2.0
    if all(len(group["rollouts"]) == k > 1 for pair in pairs for group in pair):  # a vote of fewer is another number
        yield f"majority@{k}", [(elected(a), elected(b)) for a, b in pairs], 2.0
    names = dict.fromkeys(n for pair in pairs for group in pair for row in group["rollouts"] for n in row["measures"])
    for name in ("truncated_rate", "tokens", *names):
        if np.any(values := columns(pairs, name)):
            yield name, values, 2 / k if is_rate(name) else 0.0


def share_right(group: Record) -> float:
    """The share of a problem's samples that is correct; unscored is not."""
    return float(np.mean([row["verdict"]["outcome"] == "correct" for row in group["rollouts"]]))


def right_once(group: Record, k: int) -> float:
    """pass@k of a problem."""
    n = len(group["rollouts"])
    return pass_at(k, n, round(share_right(group) * n))


def elected(group: Record) -> float:
    """majority@k of a problem."""
    return majority([Verdict(**row["verdict"]) for row in group["rollouts"]])


def columns(pairs: Sequence[Pair], name: str) -> list[tuple[float, float]]:
    """The mean of a measure for every problem that has it on both sides."""
    found = []
    for pair in pairs:
        sides = [[v for row in group["rollouts"] if (v := value(row, name)) is not None] for group in pair]
        if all(sides):
            found.append((float(np.mean(sides[0])), float(np.mean(sides[1]))))
    return found


def value(row: Record, name: str) -> float | None:
    """One number of a recorded rollout."""
    own = {"truncated_rate": row["truncated"], "tokens": row["tokens"]}
    found = own[name] if name in own else row["measures"].get(name)
    return None if found is None else float(found)


def paired_interval(differences: Sequence[float], weight: float) -> tuple[float, float, float]:
    """Mean of the differences (one a problem) and its 95 % interval.

    The variance is that of the problems' differences, so samples of one problem count as what they are. For rates,
    pseudo-problems of that weight are added, half of them one of +1 and one of -1, the others of 0: with one sample a
    problem (weight 2) it is the interval of Agresti & Min (2005, Statistics in Medicine 24, 729-740), which holds
    where few problems differ; where none does, the weight is 2. docs/evaluation.md reports how often it holds.
    """
    d = np.asarray(differences, float)
    if weight and not d.any():
        weight = 2.0
    n, total = len(d), len(d) + weight
    centre = d.sum() / total
    variance = max(((d**2).sum() + weight / 2) / total - centre**2, 0.0) * n / max(n - 1, 1)
    half, most = Z * math.sqrt(variance / total), 1.0 if weight else math.inf
    return float(d.mean()), max(float(centre - half), -most), min(float(centre + half), most)


def verdict(pairs: Sequence[Pair]) -> str:
    """The difference in accuracy in a sentence."""
    _, values, weight = next(metrics(pairs))
    gains = [b - a for a, b in values]
    _, low, high = paired_interval(gains, weight)
    better, worse = sum(g > 0 for g in gains), sum(g < 0 for g in gains)
    counted = f"(B does better on {better}, worse on {worse}, as well on {len(gains) - better - worse})"
    if low <= 0 <= high:
        return f"No difference in accuracy can be told from chance {counted}."
    return f"B is {'better' if low > 0 else 'worse'} than A {counted}."
