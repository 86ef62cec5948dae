"""``justtinker audit``: what a reward stack would pay a policy that cheats, and refuse one that does not.

It opens the verifiers, metrics and rewards of a config, as `score` does, and its data; no model, no backend. The
responses are made by rules from real problems (`_audit_hacks`, `_audit_honest`), so it finds holes that somebody has
thought of. It proves nothing about others.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from justtinker_core import PluginError, Problem, data
from justtinker_core.config import RunConfig
from justtinker_core.run import installed
from justtinker_plugins.commands._audit.cases import (
    KINDS,
    Case,
    Kind,
    cases_of,
    plain_case,
    read_cases,
    record_of,
    write_cases,
)
from justtinker_plugins.commands._audit.honest import the_plain_answer
from justtinker_plugins.commands._audit.items import VOICES, item_of, name_of
from justtinker_plugins.commands._audit.judging import Auditor, Judged, Row, compared, offenders, rows_of
from justtinker_plugins.commands._cli.endings import write_json
from justtinker_plugins.commands._cli.options import plugin_option, read_config, set_option
from justtinker_plugins.commands._cli.stack import Stack
from justtinker_plugins.shared.answers import gold_text
from justtinker_plugins.shared.terminal import ends, one_line, plain_table

FORM = ("format", "redundancy")
"""The rewards that fine bad form."""
PLAIN = name_of(the_plain_answer)
OWN = "--problems 0 --cases FILE"
FAILED: Mapping[Kind, str] = {"wrong": "paid", "sloppy": "in full", "honest": "refused", "number": "otherwise"}
path = click.Path(path_type=Path)
share = click.FloatRange(0, 1)


@click.command()
@click.argument("source", metavar="CONFIG")
@set_option
@plugin_option
@click.option("--problems", default=24, show_default=True, type=click.IntRange(0), help="How many; 0: only --cases.")
@click.option("--seed", default=0, show_default=True, help="Of the draw of problems and responses.")
@click.option("--step", type=click.IntRange(1), help="Where weights are schedules. Default: the last step.")
@click.option("--cases", "cases_file", metavar="FILE", type=path, help="Responses of your own, as JSON lines.")
@click.option("--write-cases", "out", metavar="FILE", type=path, help="Write every response, to look at and to edit.")
@click.option("--max-paid", default=0.0, show_default=True, type=share, help="Share of a battery of wrong answers.")
@click.option("--max-in-full", default=0.0, show_default=True, type=share, help="Likewise, of right ones in bad form.")
@click.option("--max-refused", default=0.05, show_default=True, type=share, help="Likewise, of honest ones.")
@click.option("--show", default=5, show_default=True, type=click.IntRange(0), help="Most failures to print.")
@click.option("--json", "summary", type=path, help="What is printed, and every failure, as one JSON object.")
def audit(
    source: str, sets: tuple[str, ...], switches: tuple[str, ...], problems: int, seed: int, step: int | None,
    cases_file: Path | None, out: Path | None, max_paid: float, max_in_full: float, max_refused: float, show: int,
    summary: Path | None,
) -> None:  # fmt: skip
    """Try to cheat a reward stack before a policy does: would hacks be paid, would honest answers be refused?

    Makes responses to problems of the CONFIG's own data ([data.train], else its evaluation sets) and gives them its
    rewards. Nothing is sampled. Exit code 1: of some battery more failed than --max-… allows.
    """
    limits: dict[Kind, float] = {"wrong": max_paid, "sloppy": max_in_full, "honest": max_refused, "number": 0.0}
    read = read_cases(cases_file) if cases_file else []
    if not problems and not read:
        raise click.UsageError("--problems 0 leaves nothing to audit without --cases")
    wanted = read_config(source, sets, switches)
    stack = Stack(wanted)
    step = step or max(wanted.run.steps, 1)
    try:
        auditor = Auditor(stack, step, wanted.sampling.max_tokens)
        found = run_audit(auditor, draw(wanted, problems, seed), read, seed, out)
    finally:
        stack.close()
    note = f"weights are those of step {step:,} ({stack.step_needed})" if stack.step_needed else ""
    report(Console(highlight=False), found, limits, show, note)
    if summary is not None:
        write_json(summary, {"config": wanted.run.name, "step": step, **found.summary(limits)})
    if found.above(limits):
        raise SystemExit(1)


@dataclass(frozen=True)
class Audit:
    """What an audit found."""

    rows: Sequence[Row]
    problems: int
    seconds: float

    @property
    def responses(self) -> int:
        """How many were judged."""
        return sum(len(row.judged) for row in self.rows)

    def above(self, limits: Mapping[Kind, float]) -> list[Row]:
        """Batteries of which too many failed."""
        return [row for row in self.rows if row.above(limits)]

    def summary(self, limits: Mapping[Kind, float]) -> dict[str, Any]:
        """As JSON."""
        return {
            "problems": self.problems,
            "responses": self.responses,
            "limits": dict(limits),
            "passed": not self.above(limits),
            "batteries": [row.summary() for row in self.rows],
            "failures": [failure(each) for each in offenders(self.rows)],
        }


def failure(judged: Judged) -> dict[str, Any]:
    """One case that failed, as JSON."""
    verdict = judged.verdict
    said = {"outcome": verdict.outcome, "answer": verdict.answer, "rung": verdict.rung, "reason": verdict.reason}
    numbers = {"reward": judged.reward, "worth": judged.worth, "terms": dict(judged.terms)}
    return {**record_of(judged.case), "verdict": said, **numbers}


def draw(wanted: RunConfig, n: int, seed: int) -> list[Problem]:
    """Problems that have an answer: of the training table, else of the evaluation sets."""
    if not n:
        return []
    found, options = installed(wanted), wanted.plugin_options
    specs = [spec for spec in wanted.data if spec.purpose == "train"] or list(wanted.data)
    if not specs:
        raise PluginError(
            "the config has no data to make responses for: add [data.train], or use --problems 0 and --cases"
        )
    known = [p for spec in specs for p in data.load(spec, found, options.get(spec.use, {})) if gold_text(p.answer)]
    if not known:
        raise PluginError(f"no problem of [{specs[0].table}] has an answer: name a set that has, or use --cases")
    return random.Random(f"audit {seed}").sample(known, min(n, len(known)))


def run_audit(
    auditor: Auditor, problems: Sequence[Problem], read: Sequence[Case], seed: int, out: Path | None
) -> Audit:
    """Make all cases and judge them."""
    begun = time.perf_counter()
    made, audited = all_cases(auditor, problems, seed)
    golds = [gold_text(problem.answer) for problem in problems[:3]]
    cases = [*made, *(compared(case, auditor, golds, seed) for case in read)]
    if out is not None:
        write_cases(out, cases)
    with progress() as bar:
        judged = list(bar.track(auditor.judge_all(cases), len(cases)))
    asked = len({each.case.problem.id for each in judged})
    return Audit(rows_of(judged, audited), asked, time.perf_counter() - begun)


def all_cases(auditor: Auditor, problems: Sequence[Problem], seed: int) -> tuple[list[Case], int]:
    """The responses to all problems, and how many problems can be audited: their plain right answer must be paid.

    Of the others only that answer is a case, which fails. PluginError if there is no problem but such.
    """
    golds = [gold_text(problem.answer) for problem in problems]
    cases: list[Case] = []
    unpaid: list[Case] = []
    for place, problem in enumerate(problems):
        others = [golds[(place + k) % len(golds)] for k in range(1, 4)]
        if item := auditor.item(problem, others, seed):
            cases += cases_of(item)
        else:
            unpaid.append(plain_case(item_of(problem, others, VOICES[0], seed)))
    if unpaid and not cases:
        first = auditor.judge(unpaid[0])
        raise PluginError(
            f"of {len(unpaid)} problems the right answer, plainly given, is never paid more than a wrong one, so there "
            f"is nothing to compare with. Problem {first.case.problem.id!r}: {said_of(first)}. Where the gold is no "
            f"right answer, give such problems a kind of their own, and responses of your own: {OWN}"
        )
    return [*cases, *unpaid], len(problems) - len(unpaid)


def progress() -> Progress:
    """A bar on the terminal's error stream."""
    console = Console(stderr=True)
    columns = (BarColumn(20), MofNCompleteColumn(), TextColumn("responses"), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)


# What is printed


def report(console: Console, found: Audit, limits: Mapping[Kind, float], show: int, note: str) -> None:
    """The tables, the worst failures, and a sentence."""
    console.print(f"{found.responses:,} responses to {found.problems:,} problems, {found.seconds:.1f} s")
    if note:
        console.print(note)
    for kind, title in KINDS.items():
        if rows := [row for row in found.rows if row.kind == kind]:
            console.print(Text(f"\n{title}", style="bold"))
            console.print(table_of(rows, kind, limits))
    for number, judged in enumerate(islice(offenders(found.rows), show), 1):
        print_failure(console, number, judged)
    console.print()
    console.print(Text(verdict_on(found, limits)), soft_wrap=True)


def table_of(rows: Sequence[Row], kind: Kind, limits: Mapping[Kind, float]) -> Table:
    """A row a battery. Worth is 0 for what a wrong answer earns and 1 for what a plain right one does."""
    table = plain_table("battery", "tried", FAILED[kind], "worth", "unscored", "n/a")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        if not row.judged:
            table.add_row(Text(row.name), "n/a", "", "", "", f"{row.not_for}", style="dim")
            continue
        style = "red" if row.above(limits) else "yellow" if row.failed else ""
        worth = "" if row.worth is None else f"{row.worth:.2f}"
        counts = [f"{n:,}" if n else "" for n in (row.unscored, row.not_for)]
        table.add_row(Text(row.name), f"{len(row.judged):,}", f"{row.failed:,}", worth, *counts, style=style)
    return table


def print_failure(console: Console, number: int, judged: Judged) -> None:
    """One case that failed, with its text."""
    case = judged.case
    worth = "nobody knows" if judged.worth is None else f"{judged.worth:.2f}"
    console.print()
    console.print(Text(f"{number}. {case.name}: reward {judged.reward:.3g}, worth {worth}", style="bold"))
    question, gold = one_line(case.problem.question, 80), one_line(case.problem.answer or "none", 30)
    console.print(Text(f"   {question}   gold: {gold}   ({case.place or case.problem.id})"))
    console.print(Text(f"   {ends(case.response, 100)}", style="dim"), soft_wrap=True)
    console.print(Text(f"   {said_of(judged)}"), soft_wrap=True)


def said_of(judged: Judged) -> str:
    """The verdict and the reward terms in a line."""
    verdict = judged.verdict
    why = ", ".join(filter(None, (verdict.rung, verdict.reason)))
    terms = ", ".join(f"{name} {value:+.3g}" for name, value in judged.terms.items()) or "no term applies"
    answer = "" if verdict.answer is None else f" {one_line(verdict.answer, 40)!r}"
    return f"{verdict.outcome}{answer}{f' ({why})' if why else ''}; {terms}"


def verdict_on(found: Audit, limits: Mapping[Kind, float]) -> str:
    """Whether the stack passes, and if not, why."""
    if not (above := found.above(limits)):
        return "The stack passes."
    said = []
    for kind in KINDS:
        if rows := [row for row in above if row.kind == kind]:
            names = ", ".join(f"{row.name} ({row.failed} of {len(row.judged)})" for row in rows)
            said.append(f"{FAILED[kind]}: {names}")
    verdict = "The stack fails. " + ". ".join(line[0].upper() + line[1:] for line in said) + "."
    asked = {term for row in found.rows for judged in row.judged for term in judged.terms}
    missing = [f"-p {name}" for name in FORM if name not in asked]
    if missing and any(row.kind == "sloppy" for row in above):
        verdict += f" Bad form costs something with {' '.join(missing)}."
    if any(row.name == PLAIN for row in above):
        verdict += (
            " The plain answer is the gold: where that need be no right answer, give such problems a kind of their "
            f"own, and responses of your own: {OWN}."
        )
    return verdict
