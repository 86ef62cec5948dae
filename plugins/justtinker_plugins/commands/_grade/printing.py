"""What a grading prints: outcomes, terms, reasons, and how far it agrees with labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from justtinker_core.types import OUTCOMES
from justtinker_plugins.commands._grade.tally import Disagreement
from justtinker_plugins.shared.terminal import VERDICTS, count_of, ends, one_line, plain_table

Summary = Mapping[str, Any]
REASONS = 5


def print_report(console: Console, found: Summary, seconds: float, disagreements: Sequence[Disagreement]) -> None:
    """Print all tables, then the disagreements with the labels."""
    n = found["responses"]
    heading = f"{count_of(n, 'response')} in {count_of(found['groups'], 'group')}"
    console.print(f"{heading}, {seconds:.1f} s, {n / max(seconds, 1e-9):,.0f} a second\n", highlight=False)
    console.print(outcomes_table(found))
    console.print()
    console.print(terms_table(found))
    if found["reasons"]:
        console.print()
        console.print(reasons_table(found))
    if labels := found.get("labels"):
        console.print()
        console.print(labels_table(labels))
        accuracy, kappa = map(ratio, (labels["accuracy"], labels["kappa"]))
        console.print(f"accuracy {accuracy}, Cohen's kappa {kappa} (unscored ones left out)", highlight=False)
        if kinds := labels.get("by_kind"):
            console.print()
            console.print(kinds_table(kinds))
        if (all_ := labels["label_correct"]["incorrect"] + labels["label_incorrect"]["correct"]) > len(disagreements):
            some = f"{len(disagreements):,} of " if disagreements else ""
            more = "more with --show" if disagreements else "none shown, as --show is 0"
            console.print(f"{some}{count_of(all_, 'disagreement')}, {more}", highlight=False)
    for number, each in enumerate(disagreements, 1):
        print_disagreement(console, number, each)


def right_aligned(*columns: str) -> Table:
    """Make a table whose columns but the first hold numbers."""
    table = plain_table(*columns)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def outcomes_table(found: Summary) -> Table:
    """Make a table of how many responses got which verdict."""
    table = right_aligned("verdict", "responses", "share")
    for outcome, style in VERDICTS.items():
        n = found["verdicts"][outcome]
        table.add_row(Text(outcome, style=style), f"{n:,}", f"{n / found['responses']:.1%}")
    return table


def terms_table(found: Summary) -> Table:
    """Make a table with a row for each reward term; raw means over the responses to which it applies."""
    table = right_aligned("term", "weight", "mean", "applies to")
    for name, term in found["terms"].items():
        table.add_row(Text(name), f"{term['weight']:g}", number(term["mean"]), f"{term['applies']:,}")
    scored = found["responses"] - found["verdicts"]["unscored"]
    table.add_row("total, weighted", "", number(found["mean_total"]), f"{scored:,}")
    return table


def number(value: float | None) -> str:
    """Format a mean; a dash if there is none."""
    return "-" if value is None else f"{value:+.4f}"


def reasons_table(found: Summary) -> Table:
    """Make a table of the most frequent reasons."""
    table = plain_table("verdict", "responses", "most frequent reasons")
    table.columns[1].justify = "right"
    for each in found["reasons"][:REASONS]:
        style = VERDICTS[each["outcome"]]
        table.add_row(Text(each["outcome"], style=style), f"{each['responses']:,}", Text(one_line(each["reason"], 60)))
    if more := sum(each["responses"] for each in found["reasons"][REASONS:]):
        table.add_row("", f"{more:,}", Text("others", style="dim"))
    return table


def labels_table(labels: Summary) -> Table:
    """Make a table of labels against verdicts."""
    table = right_aligned("label", *OUTCOMES)
    for name in ("correct", "incorrect"):
        table.add_row(name, *(f"{labels[f'label_{name}'][outcome]:,}" for outcome in OUTCOMES))
    return table


def ratio(value: float | None) -> str:
    """Format an accuracy or a kappa."""
    return "undefined" if value is None else f"{value:.3f}"


def kinds_table(kinds: Mapping[str, Summary]) -> Table:
    """Make a table of the agreement on each kind of problems."""
    table = right_aligned("kind", "labelled", "unscored", "accuracy", "kappa")
    for kind, found in kinds.items():
        unscored = found["label_correct"]["unscored"] + found["label_incorrect"]["unscored"]
        numbers = (ratio(found["accuracy"]), ratio(found["kappa"]))
        table.add_row(Text(kind), f"{found['labelled']:,}", f"{unscored:,}", *numbers)
    return table


def print_disagreement(console: Console, number: int, found: Disagreement) -> None:
    """Print a response whose verdict is not its label, shortened."""
    record = found.record
    place = f"{Path(record['file']).name}, row {record['row']}" + (
        f", response {record['index']}" if record["index"] else ""
    )
    label = "correct" if found.label else "incorrect"
    why = ", ".join(filter(None, (record["rung"], record["reason"])))
    console.print()
    console.print(Text(f"{number}. {one_line(place, 60)}: {record['outcome']}, the label says {label}", style="bold"))
    console.print(Text(f"   {ends(found.question, 30)}"), soft_wrap=True)
    console.print(Text(f"   gold {ends(found.gold or 'none', 30)}"), soft_wrap=True)
    console.print(Text(f"   {ends(found.text, 34)}", style="dim"), soft_wrap=True)
    console.print(Text(f"   {one_line(why, 72)}"), soft_wrap=True)
