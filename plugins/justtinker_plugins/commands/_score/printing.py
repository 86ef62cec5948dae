"""What a scoring prints: a table of terms for each reward stack, their numbers side by side, and the changed samples.

A stack is called A (``--config``) or B (``--against``) everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from justtinker_plugins.shared.terminal import VERDICTS, count_of, ends, plain_table

Summary = Mapping[str, Any]
LETTERS = {"config": "A", "against": "B"}


def print_report(
    console: Console, summary: Summary, stacks: Mapping[str, str], changes: Sequence[Mapping[str, Any]]
) -> None:
    """Print the tables and the most changed samples. `stacks` is what to call the stack of each side."""
    rollouts, groups = summary["rollouts"], summary["groups"]
    console.print(f"{count_of(rollouts, 'rollout')} in {count_of(groups, 'group')}", highlight=False)
    if known := summary["recorded"]["rewards"]:
        console.print(f"{summary['recorded']['equal']:,} of {known:,} rewards are as recorded", highlight=False)
    if left_out := summary.get("left_out"):
        total = f"of {count_of(groups, 'group')}"
        lacks = (f"{name} (no {it['lacks']} in {it['groups']:,} {total})" for name, it in sorted(left_out.items()))
        console.print(Text(f"metrics left out because records lack data: {', '.join(lacks)}"), soft_wrap=True)
    sides = {side: name for side, name in stacks.items() if side in summary}
    for side, name in sides.items():
        console.print()
        console.print(Text(f"{LETTERS[side]}: {name}" if len(sides) > 1 else name, style="bold"), soft_wrap=True)
        console.print(terms_table(summary[side]))
    console.print()
    console.print(numbers_table({LETTERS[side]: summary[side] for side in sides}))
    if "difference" in summary:
        console.print()
        console.print(Text("A against B", style="bold"))
        console.print(difference_table(summary))
    for number, change in enumerate(changes, 1):
        print_change(console, number, change)


def terms_table(side: Summary) -> Table:
    """Make a table with a row per reward term."""
    table = plain_table("term", "raw", "weighted", "applies", "touches")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, term in side["terms"].items():
        shares = (f"{term[key]:.1%}" for key in ("applies", "touches"))
        table.add_row(Text(name), f"{term['raw']:+.4f}", f"{term['weighted']:+.4f}", *shares)
    return table


def numbers_table(sides: Mapping[str, Summary]) -> Table:
    """Make a table of the numbers that belong to no single term, with a column per stack."""
    table = plain_table("", *(sides if len(sides) > 1 else [""]))
    table.show_header = len(sides) > 1
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row("reward", *(f"{side['reward']:.4f}" for side in sides.values()))
    table.add_row("accuracy", *(f"{side['accuracy']:.1%}" for side in sides.values()))
    for outcome in VERDICTS:
        table.add_row(f"{outcome} answers", *(f"{side['verdicts'][outcome]:,}" for side in sides.values()))
    table.add_row("advantage > 0", *(f"{side['positive_advantage']:.1%}" for side in sides.values()))
    table.add_row("groups without signal", *(f"{side['groups_without_signal']:.1%}" for side in sides.values()))
    table.add_row("groups dropped", *(f"{1 - side['groups_kept']:.1%}" for side in sides.values()))
    return table


def difference_table(summary: Mapping[str, Any]) -> Table:
    """Make a table of how far the two stacks differ."""
    difference, groups, samples = summary["difference"], summary["groups"], summary["rollouts"]
    table = Table.grid(padding=(0, 2))

    def add_count(name: str, key: str, total: int) -> None:
        table.add_row(name, f"{difference[key]:,} of {total:,}", f"{difference[key] / max(total, 1):.1%}")

    add_count("groups with a pair in reverse order", "inverted_groups", groups)
    add_count("groups ranked differently, ties included", "reranked_groups", groups)
    add_count("advantages with the opposite sign", "sign_flips", samples)
    add_count("advantages with another sign, zero included", "sign_changes", samples)
    add_count("rewards that differ", "rewards", samples)
    add_count("verdicts that differ", "verdicts", samples)
    if difference["left_out_by_one"]:
        add_count("graded under one stack only", "left_out_by_one", samples)
    if difference["kendall_tau"] is not None:
        table.add_row("Kendall's tau, mean over groups", f"{difference['kendall_tau']:.3f}", "")
    return table


def print_change(console: Console, number: int, change: Mapping[str, Any]) -> None:
    """Print a sample that the two stacks judge differently."""
    a, b = change["config"], change["against"]
    location = f"{Path(change['file']).name}, line {change['line']}, rollout {change['rollout']}"
    console.print()
    console.print(Text(f"{number}. {location}", style="bold"))
    if "text" not in change:
        console.print("   (the file is gone)")
    else:
        question, gold = ends(change["question"], 30), ends(change["answer"] or "none", 10)
        console.print(Text(f"   {question}   gold {gold}"))
        console.print(Text(f"   {ends(change['text'], 100)}", style="dim"))
    terms = {name: (a["terms"].get(name), b["terms"].get(name)) for name in {**a["terms"], **b["terms"]}}
    numbers = [(name, (a[name], b[name])) for name in ("reward", "advantage")]
    numbers += [(name, pair) for name, pair in terms.items() if pair[0] != pair[1]]
    parts = [f"{name} {short_number(x)} -> {short_number(y)}" for name, (x, y) in numbers]
    console.print(Text(f"   A -> B: {', '.join(parts)}"))


def short_number(value: Any) -> str:
    """Format a number, a list of numbers or None in a few characters."""
    return "none" if value is None else "per token" if isinstance(value, list) else f"{value:.3g}"
