r"""What `check` looks at, and `train` and `eval` before they begin, beside the plugins' own `preflight`: disk, prompts,
lengths, verifiers. It asks plugins what a run would ask them, about a few real problems, and samples nothing.

A gold is spoken in several ways, because verifiers read different ones: in a box after a thinking block, bare, after
``####`` and after ``Answer:``. One that is accepted is enough.
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
from justtinker_core.run import Run
from justtinker_core.types import DataSpec
from justtinker_plugins.commands._preflight.warnings import warnings

log = logging.getLogger("justtinker")

TRIED = 8
"""Problems of a set whose golds are tried."""
ROOM = 256 * 2**20
"""Bytes: less than that a run soon fills with rollouts and checkpoints."""
GOLDS = ("<think>Checking.</think>\\boxed{{{gold}}}", "{gold}", "#### {gold}", "Answer: {gold}")
WRONG = ("not the answer", "-98765.4321")
WORDS = ("math", "number", "text", "choice")
"""Kinds of problems whose gold is itself a right answer; of others (programs, say) only their verifier knows."""


def checks(place: Path) -> tuple[Callable[[Run], None], ...]:
    """What a run in that directory is checked for; each raises a PluginError with all that it finds, or warns."""

    def disk(run: Run) -> None:
        complain(disk_complaints(place))

    def problems(run: Run) -> None:
        complain(c for spec, some in tables(run) for c in table_complaints(run, spec, some))

    def doubts(run: Run) -> None:
        if run.ready:
            some = tried(run.train_problems)
            for text in warnings(run, some, {problem.id: spoken(problem) for problem in some}):
                log.warning("%s", text)

    return disk, problems, doubts


def complain(complaints: Iterable[str]) -> None:
    """Raise them all, each once."""
    if said := list(dict.fromkeys(complaints)):
        raise PluginError("\n".join(said))


def tables(run: Run) -> list[tuple[DataSpec, Sequence[Problem]]]:
    """The data tables whose problems could be loaded."""
    loaded = {"data.train": run.train_problems} | {f"data.eval.{n}": p for n, p in run.eval_problems.items()}
    return [(spec, loaded[spec.table]) for spec in run.config.data if loaded.get(spec.table)]


def disk_complaints(place: Path) -> Iterator[str]:
    """Whether the directory, or the one in which it will be made, can be written to and has room."""
    parent = next(p for p in (place.absolute(), *place.absolute().parents) if p.exists())
    try:
        tempfile.TemporaryFile(dir=parent).close()
    except OSError as error:
        yield f"cannot write in {parent}: {error.strerror}; name another place with --dir"
    free = shutil.disk_usage(parent).free
    if free < ROOM:
        yield (
            f"only {free // 2**20} MiB are free in {parent}, where the run keeps its records and rollouts: "
            "make room, or name another place with --dir"
        )


def table_complaints(run: Run, spec: DataSpec, problems: Sequence[Problem]) -> Iterator[str]:
    """What is wrong with a set for this run: prompts, lengths, golds."""
    try:
        if samples(run, spec):
            if run.ready:
                yield from length_complaints(run, spec, problems)
            if run.plugins.who("verify") and not run.plugins.who("rollout"):
                yield from gold_complaints(run, spec, problems)
    except PluginError as error:
        yield f"[{spec.table}] {error}"


def samples(run: Run, spec: DataSpec) -> bool:
    """Whether the run samples answers to the problems of a set: all but what is only imitated."""
    algorithms = [run.plugins.active[name].instance for name in run.plugins.who("collect_batch")]
    return spec.purpose == "eval" or any("verify" in getattr(a, "needs", ()) for a in algorithms)


def budget(run: Run, spec: DataSpec) -> tuple[int, str]:
    """Most tokens of a response to a problem of a set, and the table that says so."""
    own = run.config.evaluation.max_tokens
    return (own, "evaluation") if spec.purpose == "eval" and own else (run.config.sampling.max_tokens, "sampling")


def length_complaints(run: Run, spec: DataSpec, problems: Sequence[Problem]) -> Iterator[str]:
    """Whether the first problem leaves room for a whole response, and the longest for any."""
    (response, table), most = budget(run, spec), run.backend.context_length
    prompt = len(run.prompt(problems[0]).tokens)
    if prompt + response > most:
        yield (
            f"[{spec.table}] prompt ({prompt} tokens) and response ([{table}] max_tokens = {response}) need "
            f"{prompt + response} tokens; the model has {most}: lower max_tokens"
        )
    longest = max(problems, key=lambda problem: len(problem.question))
    prompt = len(run.prompt(longest).tokens)
    if prompt >= most:
        yield (
            f"[{spec.table}] the prompt of problem {longest.id!r} has {prompt} tokens, all that the model has ({most}) "
            "or more: leave such problems out (sets of the hub: max_characters)"
        )


def tried(problems: Sequence[Problem]) -> list[Problem]:
    """A few of the problems that have an answer, from all over the set."""
    golds = [problem for problem in problems if problem.answer is not None]
    return golds[:: max(1, -(-len(golds) // TRIED))]


def gold_complaints(run: Run, spec: DataSpec, problems: Sequence[Problem]) -> Iterator[str]:
    """Whether the verifiers accept golds and nothing that is none."""
    refused, some = [], tried(problems)
    for problem in some:
        said = speak(run, problem)
        if said is None:
            yield f"[{spec.table}] {unverified(problem, run.plugins)}"
            return
        for text in said.wrong:
            yield f"[{spec.table}] the verifier accepts {text!r} as the answer to problem {problem.id!r}: take another"
        if not said.accepted and problem.kind in WORDS:
            refused.append(
                f"[{spec.table}] the verifier accepts none of {len(some)} golds that were tried; it calls that of "
                f"problem {problem.id!r} ({problem.answer}) {said.reason}: enable another verifier, or mend the "
                "answers; if a right answer need not be the gold, give the problems a kind of their own (kind = 'NAME' "
                "in the data table)"
            )
    if some and len(refused) == len(some):
        yield refused[0]


def spoken(problem: Problem) -> list[tuple[str, str]]:
    """The gold and a wrong answer, in each of the ways."""
    return [(form.format(gold=problem.answer), form.format(gold=WRONG[0])) for form in GOLDS]


@dataclass(frozen=True, slots=True)
class Said:
    """What the verifiers say of a problem's own gold and of wrong answers."""

    accepted: bool
    """The gold, spoken in one of the ways."""
    reason: str
    """Of the gold in a box."""
    wrong: list[str]
    """Wrong answers that are accepted."""


def speak(run: Run, problem: Problem) -> Said | None:
    """Have the gold and wrong answers judged; None if no verifier takes the problem."""
    texts = [*(form.format(gold=problem.answer) for form in GOLDS), *(GOLDS[0].format(gold=wrong) for wrong in WRONG)]
    rollouts = [Rollout((), (), (), text) for text in texts]
    verdicts = verify(problem, rollouts, run.plugins)
    if verdicts is None:
        return None
    right = [verdict.outcome == "correct" for verdict in verdicts]
    first = verdicts[0]
    reason = f"{first.outcome} ({first.reason})" if first.reason else first.outcome
    wrong = [text for text, accepted in zip(WRONG, right[len(GOLDS) :], strict=True) if accepted]
    return Said(any(right[: len(GOLDS)]), reason, wrong)


def accepted(run: Run, problems: Sequence[Problem]) -> str:
    """How many of the golds that were tried the verifiers accept, in words."""
    said = [speak(run, problem) for problem in tried(problems)] if run.plugins.who("verify") else []
    return f"{sum(bool(s and s.accepted) for s in said)} of {len(said)}" if said else "-"
