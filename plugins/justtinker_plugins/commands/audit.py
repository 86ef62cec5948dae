"""``justtinker audit``: check whether a reward stack pays hacks or refuses honest answers.

It opens the data, verifiers, metrics and rewards of a config, but no model and no backend. Rules write the responses to
real problems (`_audit.hacks`, `_audit.honest`), so an audit finds known holes and proves nothing about others.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from justtinker_core import PluginError, Problem, Scorer, data
from justtinker_core.config import RunConfig
from justtinker_core.enabling import installed
from justtinker_plugins.commands._audit import programs, topics
from justtinker_plugins.commands._audit.cases import (
    Case,
    Kind,
    cases_of,
    plain_case,
    read_cases,
    without_use,
    write_cases,
)
from justtinker_plugins.commands._audit.judging import Auditor, add_references, items_of
from justtinker_plugins.commands._audit.printing import GOLD_ADVICE, OWN_CASES, describe_verdict, print_report
from justtinker_plugins.commands._audit.results import Audit, collect_results
from justtinker_plugins.commands._cli.endings import write_json
from justtinker_plugins.commands._cli.options import plugin_option, read_config, set_option
from justtinker_plugins.shared.answers import gold_text

path = click.Path(path_type=Path)
share = click.FloatRange(0, 1)


@click.command()
@click.argument("source", metavar="CONFIG")
@set_option
@plugin_option
@click.option("--problems", default=24, show_default=True, type=click.IntRange(0), help="How many; 0: only --cases.")
@click.option("--seed", default=0, show_default=True, help="Seed of the draw of problems and responses.")
@click.option(
    "--built-in/--no-built-in", default=True, show_default=True, help="Add problems with golds that the data may lack."
)
@click.option("--step", type=click.IntRange(1), help="Step of weight schedules. Default: the last step.")
@click.option("--cases", "cases_file", metavar="FILE", type=path, help="Audit your own responses too: JSON lines.")
@click.option("--write-cases", "out", metavar="FILE", type=path, help="Write every response, to read and to edit.")
@click.option("--max-paid", default=0.0, show_default=True, type=share, help="Allowed share of paid wrong answers.")
@click.option("--max-in-full", default=0.0, show_default=True, type=share, help="Likewise, bad form paid in full.")
@click.option("--max-refused", default=0.05, show_default=True, type=share, help="Likewise, refused honest answers.")
@click.option("--show", default=5, show_default=True, type=click.IntRange(0), help="Print at most this many failures.")
@click.option("--json", "summary", type=path, help="Write the results and every failure as one JSON object.")
def audit(
    source: str, sets: tuple[str, ...], switches: tuple[str, ...], problems: int, seed: int, built_in: bool,
    step: int | None, cases_file: Path | None, out: Path | None, max_paid: float, max_in_full: float,
    max_refused: float, show: int, summary: Path | None,
) -> None:  # fmt: skip
    """Try to cheat a reward stack before a policy does: does it pay hacks, does it refuse honest answers?

    Writes responses to problems of the CONFIG's own data ([data.train], else its evaluation sets) and to built-in
    ones, whose golds the data may lack, and computes their rewards. Samples nothing. Exits with code 1 if a larger
    share of a battery failed than --max-… allows.
    """
    limits: dict[Kind, float] = {"wrong": max_paid, "sloppy": max_in_full, "honest": max_refused, "number": 0.0}
    own_cases = read_cases(cases_file) if cases_file else []
    if not problems and not own_cases:
        raise click.UsageError("--problems 0 leaves nothing to audit: add --cases FILE")
    config = read_config(source, sets, switches, only_plugins=True)
    step = step or max(config.run.steps, 1)
    with Scorer(config) as scorer:
        auditor = Auditor(scorer, step, config.sampling.max_tokens)
        drawn, kinds = draw_problems(config, problems, seed, built_in)
        added = topics.draw_problems(kinds, seed) if built_in else []
        results = run_audit(auditor, drawn, added, own_cases, seed, out)
    note = f"weights as of step {step:,} ({scorer.step_needed})" if scorer.step_needed else ""
    print_report(Console(highlight=False), results, limits, show, note)
    if summary is not None:
        write_json(summary, {"config": config.run.name, "step": step, **results.summary(limits)})
    if results.exceeding(limits):
        raise SystemExit(1)


def draw_problems(config: RunConfig, n: int, seed: int, built_in: bool) -> tuple[list[Problem], set[str]]:
    """Draw problems that have an answer, from the training table or else from the evaluation sets.

    Returns them and the kinds of all. Of programs, no answer need be known if there are `built_in` ones.
    """
    if not n:
        return [], set()
    plugins, options = installed(config), config.plugin_options
    specs = [spec for spec in config.data if spec.purpose == "train"] or list(config.data)
    if not specs:
        raise PluginError(f"the config has no data to write responses to: add [data.train], or use {OWN_CASES}")
    loaded = [p for spec in specs for p in data.load(spec, plugins, options.get(spec.use, {}))]
    known, kinds = [p for p in loaded if has_answer(p)], {p.kind for p in loaded}
    if not known and not (built_in and programs.KIND in kinds):
        has, cure = ("an answer", "use data with answers")
        if programs.KIND in kinds:
            has, cure = ("a program that may be right", "put one into a column solution")
        raise PluginError(f"no problem of [{specs[0].table}] has {has}: {cure}, or {OWN_CASES}")
    return random.Random(f"audit {seed}").sample(known, min(n, len(known))), kinds


def has_answer(problem: Problem) -> bool:
    """Return whether a problem has a gold or, if its answer is a program, a program that may be right."""
    return bool(programs.solutions_of(problem) if problem.kind == programs.KIND else gold_text(problem.answer))


def run_audit(
    auditor: Auditor,
    problems: Sequence[Problem],
    built_in: Sequence[Problem],
    own_cases: Sequence[Case],
    seed: int,
    out: Path | None,
) -> Audit:
    """Make all cases and judge them; write them to `out` if given."""
    start = time.perf_counter()
    generated, audited = make_all_cases(auditor, problems, seed)
    added, left_out = make_built_in_cases(auditor, built_in, seed)
    golds = [gold_text(problem.answer) for problem in problems[:3]]
    cases = [*generated, *added, *(add_references(case, auditor, golds, seed) for case in own_cases)]
    if out is not None:
        write_cases(out, cases)
    with progress_bar() as bar:
        judged = list(bar.track(auditor.judge_all(cases), len(cases)))
    distinct = len({each.case.problem.id for each in judged} - {problem.id for problem in built_in})
    tried, seconds = len(built_in) - len(left_out), time.perf_counter() - start
    unused = auditor.left_out | without_use({problem.kind for problem in (*problems, *built_in)})
    return Audit(collect_results(judged, audited, unused), distinct, tried, left_out, seconds)


def make_all_cases(auditor: Auditor, problems: Sequence[Problem], seed: int) -> tuple[list[Case], int]:
    """Make the cases of all problems, and count the problems whose plain right answer the stack pays.

    Only these get all batteries. Any other gives one case, its right answer, which fails.

    Raises:
        PluginError: the stack pays the right answer to no problem.
    """
    cases: list[Case] = []
    unpaid: list[Case] = []
    for problem, others in with_other_golds(problems):
        if item := auditor.make_item(problem, others, seed):
            cases += cases_of(item, leave_out=auditor.left_out)
        else:
            unpaid.append(plain_case(next(items_of(problem, others, seed))))
    if unpaid and not cases:
        first = auditor.judge(unpaid[0])
        raise PluginError(
            f"for none of {len(unpaid)} problems does the stack pay the plain answer more than a wrong one, so there "
            f"is nothing to compare with. Problem {first.case.problem.id!r}: {describe_verdict(first)}. {GOLD_ADVICE}"
        )
    return [*cases, *unpaid], len(problems) - len(unpaid)


def make_built_in_cases(auditor: Auditor, problems: Sequence[Problem], seed: int) -> tuple[list[Case], list[Problem]]:
    """Make the cases of built-in problems, and list those whose plain right answer the stack does not pay."""
    items = [(problem, auditor.make_item(problem, others, seed)) for problem, others in with_other_golds(problems)]
    cases = [
        case
        for problem, item in items
        if item
        for case in cases_of(item, () if problem.kind == programs.KIND else topics.BATTERIES, auditor.left_out)
    ]
    return cases, [problem for problem, item in items if item is None]


def with_other_golds(problems: Sequence[Problem]) -> Iterator[tuple[Problem, list[str]]]:
    """Yield each problem with the golds of the three after it."""
    golds = [gold_text(problem.answer) for problem in problems]
    for i, problem in enumerate(problems):
        yield problem, [golds[(i + k) % len(golds)] for k in range(1, 4)]


def progress_bar() -> Progress:
    """Make a progress bar on standard error, shown only in a terminal."""
    console = Console(stderr=True)
    columns = (BarColumn(20), MofNCompleteColumn(), TextColumn("responses"), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
