r"""The checks that `check`, `train` and `eval` add to the plugins' own `preflight`: disk, prompts, lengths, verifiers.

They ask the run's plugins what the run would ask them, about a few real problems, and sample nothing.

Verifiers read different formats, so each gold is written in several: in a box after a thinking block, bare, after
``####`` and after ``Answer:``. A verifier passes if it accepts one of them.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from justtinker_core import PluginError, Problem, Rollout
from justtinker_core.grading import unverified, verify
from justtinker_core.hookspecs import attribute_of
from justtinker_core.run import Run
from justtinker_core.types import DataSpec
from justtinker_plugins.commands._preflight.warnings import costs, find_warnings
from justtinker_plugins.shared.kinds import GOLD_KINDS, RULE_KINDS
from justtinker_plugins.shared.tables import problems_by_table

log = logging.getLogger("justtinker")

GOLDS_TRIED = 8
"""How many golds of a data set to try, at most."""
MIN_FREE_BYTES = 256 * 2**20
"""A run soon fills less than that with rollouts and checkpoints."""
GOLD_FORMATS = ("<think>Checking.</think>\\boxed{{{gold}}}", "{gold}", "#### {gold}", "Answer: {gold}")
WRONG_ANSWERS = ("not the answer", "-98765.4321")
OPEN_KINDS = ("instructions", "regex")
"""Kinds to which any text may be a right answer, so that none is known to be wrong."""


def checks_for(run_dir: Path) -> tuple[Callable[[Run], None], ...]:
    """The checks of a run that will write to `run_dir`. Each raises one PluginError with all it finds, or warns."""

    def check_disk(run: Run) -> None:
        raise_complaints(disk_complaints(run_dir))

    def check_data(run: Run) -> None:
        raise_complaints(c for spec, problems in loaded_tables(run) for c in table_complaints(run, spec, problems))

    def warn(run: Run) -> None:
        if run.ready:
            problems = [problem for problem in problems_to_try(run.train_problems) if problem.answer is not None]
            for text in find_warnings(run, problems, {problem.id: answer_pairs(problem) for problem in problems}):
                log.warning("%s", text)

    return check_disk, check_data, warn


def raise_complaints(complaints: Iterable[str]) -> None:
    """Raise one PluginError with all complaints, without repetitions; do nothing if there are none."""
    if lines := list(dict.fromkeys(complaints)):
        raise PluginError("\n".join(lines))


def loaded_tables(run: Run) -> list[tuple[DataSpec, Sequence[Problem]]]:
    """The data tables whose problems were loaded, with these problems."""
    loaded = problems_by_table(run)
    return [(spec, loaded[spec.table]) for spec in run.config.data if loaded.get(spec.table)]


def disk_complaints(run_dir: Path) -> Iterator[str]:
    """Complain if `run_dir`, or its nearest existing parent, is not writable or has too little space."""
    parent = next(p for p in (run_dir.absolute(), *run_dir.absolute().parents) if p.exists())
    try:
        tempfile.TemporaryFile(dir=parent).close()
    except OSError as error:
        yield f"cannot write in {parent}: {error.strerror}; choose another directory with --dir"
    free = shutil.disk_usage(parent).free
    if free < MIN_FREE_BYTES:
        yield (
            f"only {free // 2**20} MiB are free in {parent}, where the run keeps its records and rollouts: "
            "free some space, or choose another directory with --dir"
        )


def table_complaints(run: Run, spec: DataSpec, problems: Sequence[Problem]) -> Iterator[str]:
    """Complain if a data set does not suit this run: its prompts, lengths or golds."""
    try:
        if is_sampled(run, spec):
            if run.ready:
                yield from length_complaints(run, spec, problems)
            if run.plugins.who("verify") and not run.plugins.who("rollout"):
                yield from gold_complaints(run, spec, problems)
    except PluginError as error:
        yield f"[{spec.table}] {error}"


def is_sampled(run: Run, spec: DataSpec) -> bool:
    """Whether the run samples responses to these problems. It does not if it only imitates demonstrations."""
    algorithms = [run.plugins.active[name].instance for name in run.plugins.who("collect_batch")]
    return spec.purpose == "eval" or any("verify" in attribute_of(a, "needs") for a in algorithms)


def response_limit(run: Run, spec: DataSpec) -> tuple[int, str]:
    """The `max_tokens` that holds for a data set, and the config table that sets it."""
    own = run.config.evaluation.max_tokens
    return (own, "evaluation") if spec.purpose == "eval" and own else (run.config.sampling.max_tokens, "sampling")


def length_complaints(run: Run, spec: DataSpec, problems: Sequence[Problem]) -> Iterator[str]:
    """Complain if the first problem leaves too little room for a full response, or the longest leaves none."""
    (response, table), context = response_limit(run, spec), run.backend.context_length
    prompt = len(run.prompt(problems[0]).tokens)
    if prompt + response > context:
        yield (
            f"[{spec.table}] prompt ({prompt} tokens) and response ([{table}] max_tokens = {response}) need "
            f"{prompt + response} tokens, but the model's context has {context}: lower max_tokens"
        )
    longest = max(problems, key=lambda problem: len(problem.question))
    prompt = len(run.prompt(longest).tokens)
    if prompt >= context:
        yield (
            f"[{spec.table}] the prompt of problem {longest.id!r} has {prompt} tokens and leaves no room for a "
            f"response, as the model's context has {context}: drop such problems (data sets of the Hub: max_characters)"
        )


def problems_to_try(problems: Sequence[Problem]) -> list[Problem]:
    """A few problems that have a gold, or need none, spread over the whole data set."""
    golds = [problem for problem in problems if problem.answer is not None or problem.kind not in GOLD_KINDS]
    return golds[:: max(1, -(-len(golds) // GOLDS_TRIED))]


def gold_complaints(run: Run, spec: DataSpec, problems: Sequence[Problem]) -> Iterator[str]:
    """Complain if the verifiers refuse every gold, or accept a wrong answer."""
    refused, tried = list[tuple[Problem, GoldTrial]](), [p for p in problems_to_try(problems) if not costs(run, p)]
    for problem in tried:
        trial = try_gold(run, problem)
        if trial is None:
            yield f"[{spec.table}] {unverified(problem, run.plugins)}"
            return
        known = problem.answer is not None and problem.kind not in OPEN_KINDS  # else any text may be right
        for text in trial.wrong_accepted if known else ():
            yield f"[{spec.table}] the verifier accepts {text!r} as the answer to problem {problem.id!r}: use another"
        if not trial.gold_accepted and problem.kind in GOLD_KINDS:
            refused.append((problem, trial))
    if tried and len(refused) == len(tried):
        yield f"[{spec.table}] {refusal(refused)}"


def refusal(refused: Sequence[tuple[Problem, GoldTrial]]) -> str:
    """Say that no gold was accepted. If none could be graded, they are not to blame, but what the verifier says."""
    (problem, trial), *_ = refused
    if all(each.ungraded for _, each in refused):
        return f"the verifier could grade none of the {len(refused)} golds tried: {trial.ungraded}"
    return (
        f"the verifier accepts none of the {len(refused)} golds tried; it calls that of problem "
        f"{problem.id!r} ({problem.answer}) {trial.boxed_verdict}: enable another verifier, or correct the golds; if a "
        "right answer may differ from the gold, give the problems a kind of their own (kind = 'NAME' in the data table)"
    )


def answer_pairs(problem: Problem) -> list[tuple[str, str]]:
    """The gold and a wrong answer, once in each format."""
    return [(form.format(gold=problem.answer), form.format(gold=WRONG_ANSWERS[0])) for form in GOLD_FORMATS]


@dataclass(frozen=True, slots=True)
class GoldTrial:
    """How the verifiers judge a problem's gold and some wrong answers."""

    gold_accepted: bool
    """Whether the gold is correct in at least one format."""
    boxed_verdict: str
    """Outcome and reason for the gold in a box."""
    ungraded: str
    """Why the gold could be judged in no format; '' if it was in one."""
    wrong_accepted: list[str]
    """Wrong answers that the verifiers call correct."""


def try_gold(run: Run, problem: Problem) -> GoldTrial | None:
    """Have the gold and the wrong answers judged; None if no verifier takes the problem."""
    texts = [form.format(gold=problem.answer or "") for form in GOLD_FORMATS]
    texts += [GOLD_FORMATS[0].format(gold=wrong) for wrong in WRONG_ANSWERS]
    verdicts = verify(problem, [Rollout((), (), (), text) for text in texts], run.plugins)
    if verdicts is None:
        return None
    correct = [verdict.outcome == "correct" for verdict in verdicts]
    boxed = verdicts[0]
    boxed_verdict = f"{boxed.outcome} ({boxed.reason})" if boxed.reason else boxed.outcome
    wrong = [text for text, right in zip(WRONG_ANSWERS, correct[len(GOLD_FORMATS) :], strict=True) if right]
    golds = verdicts[: len(GOLD_FORMATS)]
    ungraded = (boxed.reason or "no reason given") if all(v.outcome == "unscored" for v in golds) else ""
    return GoldTrial(any(correct[: len(GOLD_FORMATS)]), boxed_verdict, ungraded, wrong)


def count_accepted(run: Run, problems: Sequence[Problem]) -> str:
    """Count the golds that the verifiers accept, as ``7 of 8``; a dash if none could be tried."""
    golds = [p for p in problems_to_try(problems) if p.answer is not None and p.kind not in RULE_KINDS]
    tried = [p for p in golds if not costs(run, p)] if run.plugins.who("verify") else []
    trials = [try_gold(run, problem) for problem in tried]
    return f"{sum(bool(t and t.gold_accepted) for t in trials)} of {len(trials)}" if trials else "-"
