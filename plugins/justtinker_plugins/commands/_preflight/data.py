"""What ``justtinker check`` says of the data: how much there is, what was left out, which golds nobody can grade, and
which training problems stand in an evaluation set. It says; what stands in a run's way is for `check` to decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from rich.markup import escape

from justtinker_core import Problem, Rollout, Verdict
from justtinker_core.run import Run
from justtinker_core.types import DataSpec
from justtinker_plugins.commands._preflight import checks
from justtinker_plugins.shared.overlap import Overlap, overlaps

GOLDS = 2000
"""So many golds of a table are tried."""
SHOWN = 3


def left_out(run: Run, spec: DataSpec) -> str:
    """Why rows of a table are no problems of the run, with counts."""
    return escape("; ".join(f"{reason}: {count:,}" for reason, count in run.skipped[spec.table].most_common()))


def data_notes(run: Run) -> Iterator[str]:
    """Lines about golds that cannot be graded and about training problems that are evaluated on."""
    for spec, problems in checks.tables(run):
        if checks.samples(run, spec):
            yield from (f"{spec.table}: {line}" for line in gold_lines(run, problems))
    yield from overlap_lines(list(overlaps(run.train_problems, run.eval_problems)), len(run.train_problems))


def gold_lines(run: Run, problems: Sequence[Problem]) -> list[str]:
    """Which golds cannot be graded, so that every answer to them is unscored; nothing if there is none."""
    bad = list(bad_golds(run, problems[:GOLDS])) if run.plugins.who("verify") else []
    if not bad:
        return []
    of = f"the first {GOLDS:,}" if len(problems) > GOLDS else f"{len(problems):,}"
    lines = [f"{len(bad)} of {of} golds cannot be graded; answers to them are unscored, or right only as the same text"]
    lines += [f"  {problem.id}: {problem.answer} ({said.reason})" for problem, said in bad[:SHOWN]]
    return lines + ([f"  … and {len(bad) - SHOWN} more"] if len(bad) > SHOWN else [])


def bad_golds(run: Run, problems: Sequence[Problem]) -> Iterator[tuple[Problem, Verdict]]:
    """Problems whose verifier cannot say that a wrong answer is wrong, with what it says instead."""
    wrong = [Rollout((), (), (), "<think>Checking.</think>\\boxed{not the answer}")]
    for problem in problems:
        if problem.answer is not None:
            verdicts = run.plugins.first("verify", problem=problem, rollouts=wrong)
            if verdicts is not None and verdicts[0].outcome == "unscored":
                yield problem, verdicts[0]


def overlap_lines(found: Sequence[Overlap], of: int) -> list[str]:
    """Which training problems stand in an evaluation set; nothing if none does."""
    if not found:
        return []
    sets = dict.fromkeys(each.set for each in found)
    counted = ", ".join(f"{name} ({sum(each.set == name for each in found)})" for name in sets)
    lines = [
        f"{len({each.train.id for each in found}):,} of {of:,} training problems stand in an evaluation set, "
        f"word for word or nearly so: {counted}. To leave them out: -p decontaminate"
    ]
    for each in islice(sorted(found, key=lambda each: -each.share), SHOWN):
        lines.append(
            f"  {each.train.id} is {each.share:.0%} of {each.set}'s {each.eval.id}: {short(each.train.question)}"
        )
    return lines


def short(text: str, most: int = 100) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]} …"
