"""What an audit prints: a table for each kind of answer, the worst failures and the conclusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from rich.console import Console
from rich.table import Table
from rich.text import Text

from justtinker_plugins.commands._audit.cases import KINDS, Kind
from justtinker_plugins.commands._audit.honest import the_plain_answer
from justtinker_plugins.commands._audit.items import battery_name
from justtinker_plugins.commands._audit.judging import JudgedCase
from justtinker_plugins.commands._audit.results import Audit, BatteryResult, worst_failures
from justtinker_plugins.shared.terminal import count_of, ends, one_line, plain_table

FORM_REWARDS = ("format", "redundancy")
"""The rewards that fine bad form."""
PLAIN_ANSWER = battery_name(the_plain_answer)
OWN_CASES = "--problems 0 --cases FILE"
GOLD_ADVICE = (
    "The plain answer is the gold (of programs, a solution: perhaps a test is wrong); if a gold need not be a right "
    f"answer, give such problems a kind of their own and audit your own responses: {OWN_CASES}"
)
FAILED: Mapping[Kind, str] = {"wrong": "paid", "sloppy": "in full", "honest": "refused", "number": "unexpected"}
"""The name of each table's column of failures."""


def print_report(console: Console, results: Audit, limits: Mapping[Kind, float], show: int, note: str) -> None:
    """Print the tables, the worst failures and the conclusion."""
    built_in = f" and {results.built_in:,} built-in ones" if results.built_in else ""
    console.print(
        f"{count_of(results.responses, 'response')} to {count_of(results.problems, 'problem')}{built_in}, "
        f"{results.seconds:.1f} s"
    )
    if note:
        console.print(note)
    if results.left_out:
        golds = one_line(", ".join(str(problem.answer) for problem in results.left_out), 200)
        left_out = count_of(len(results.left_out), "built-in problem")
        text = Text(f"left out {left_out}, whose gold the stack does not pay: {golds}")
        console.print(text, soft_wrap=not console.is_terminal)
    for kind, title in KINDS.items():
        if batteries := [battery for battery in results.batteries if battery.kind == kind]:
            console.print(Text(f"\n{title}", style="bold"))
            console.print(battery_table(batteries, kind, limits))
    for number, judged in enumerate(islice(worst_failures(results.batteries), show), 1):
        print_failure(console, number, judged)
    console.print()
    console.print(Text(conclude(results, limits)), soft_wrap=not console.is_terminal)


def battery_table(batteries: Sequence[BatteryResult], kind: Kind, limits: Mapping[Kind, float]) -> Table:
    """Make a table with a row per battery."""
    table = plain_table("battery", "tried", FAILED[kind], "worth", "unscored", "n/a")
    for column in table.columns[1:]:
        column.justify = "right"
    for battery in batteries:
        name, tried = Text(battery.name), len(battery.judged)
        if not tried:
            table.add_row(name, "n/a", "", "", "", f"{battery.inapplicable}", style="dim")
            continue
        style = "red" if battery.exceeds(limits) else "yellow" if battery.failed else ""
        worth = "" if battery.worth is None else f"{battery.worth:.2f}"
        counts = [f"{n:,}" if n else "" for n in (battery.unscored, battery.inapplicable)]
        table.add_row(name, f"{tried:,}", f"{battery.failed:,}", worth, *counts, style=style)
    return table


def print_failure(console: Console, number: int, judged: JudgedCase) -> None:
    """Print a case that failed, with its text."""
    case = judged.case
    worth = "unknown" if judged.worth is None else f"{judged.worth:.2f}"
    console.print()
    console.print(Text(f"{number}. {case.name}: reward {judged.reward:.3g}, worth {worth}", style="bold"))
    question, gold = one_line(case.problem.question, 80), one_line(case.problem.answer or "none", 30)
    console.print(Text(f"   {question}   gold: {gold}   ({case.location or case.problem.id})"))
    if case.opened:
        console.print(f"   the prompt ends with {case.opened!r}", markup=False)
    console.print(Text(f"   {ends(case.response, 100)}", style="dim"), soft_wrap=True)
    console.print(Text(f"   {describe_verdict(judged)}"), soft_wrap=True)


def describe_verdict(judged: JudgedCase) -> str:
    """Describe the verdict and the reward terms in one line."""
    verdict = judged.verdict
    why = ", ".join(filter(None, (verdict.rung, verdict.reason)))
    terms = ", ".join(f"{name} {value:+.3g}" for name, value in judged.terms.items()) or "no term applies"
    answer = "" if verdict.answer is None else f" {one_line(verdict.answer, 40)!r}"
    return f"{verdict.outcome}{answer}{f' ({why})' if why else ''}; {terms}"


def conclude(results: Audit, limits: Mapping[Kind, float]) -> str:
    """State whether the stack passes, and if not, why and what to do."""
    if not (exceeding := results.exceeding(limits)):
        return "The stack passes."
    parts = ["The stack fails."]
    for kind in KINDS:
        if batteries := [battery for battery in exceeding if battery.kind == kind]:
            names = ", ".join(f"{battery.name} ({battery.failed} of {len(battery.judged)})" for battery in batteries)
            parts.append(f"{FAILED[kind].capitalize()}: {names}.")
    terms = {term for battery in results.batteries for judged in battery.judged for term in judged.terms}
    missing = [f"-p {name}" for name in FORM_REWARDS if name not in terms]
    if missing and any(battery.kind == "sloppy" for battery in exceeding):
        parts.append(f"To fine bad form, add {' '.join(missing)}.")
    if any(battery.name == PLAIN_ANSWER for battery in exceeding):
        parts.append(f"{GOLD_ADVICE}.")
    return " ".join(parts)
