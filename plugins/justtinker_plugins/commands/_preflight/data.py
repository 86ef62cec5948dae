"""The notes of ``justtinker check`` on the data: skipped rows, golds that cannot be graded, and training problems that
are also in an evaluation set. Notes stop no run; `checks` holds what does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from rich.markup import escape

from justtinker_core import Problem, Rollout, Verdict
from justtinker_core.run import Run
from justtinker_core.types import DataSpec
from justtinker_plugins.commands._preflight.checks import is_sampled, loaded_tables
from justtinker_plugins.commands._preflight.warnings import costs
from justtinker_plugins.shared.overlap import Overlap, overlaps

MAX_GOLDS = 2000
"""How many golds of a table to try, at most."""
MAX_EXAMPLES = 3
AS_TEXT = "text"
"""The rung of a verdict on a gold that the verifier cannot read."""


def skipped_rows(run: Run, spec: DataSpec) -> str:
    """Why rows of a table are not problems of the run, with counts."""
    return escape("; ".join(f"{reason}: {count:,}" for reason, count in run.skipped[spec.table].most_common()))


def data_notes(run: Run) -> Iterator[str]:
    """Lines about golds that cannot be graded, and about training problems that are in an evaluation set."""
    for spec, problems in loaded_tables(run):
        if is_sampled(run, spec):
            yield from (f"{spec.table}: {line}" for line in gold_lines(run, problems))
    yield from overlap_lines(list(overlaps(run.train_problems, run.eval_problems)), len(run.train_problems))


def gold_lines(run: Run, problems: Sequence[Problem]) -> list[str]:
    """Describe the golds that cannot be graded, and count those that only the same text answers; no lines if none."""
    found = list(poorly_graded(run, problems[:MAX_GOLDS])) if run.plugins.who("verify") else []
    tried = f"the first {MAX_GOLDS:,}" if len(problems) > MAX_GOLDS else f"{len(problems):,}"
    lines = []
    if bad := [(problem, verdict) for problem, verdict in found if verdict.outcome == "unscored"]:
        lines += [
            f"{len(bad)} of {tried} golds cannot be graded: answers are unscored, or correct only as the same text"
        ]
        lines += [f"  {problem.id}: {problem.answer} ({verdict.reason})" for problem, verdict in bad[:MAX_EXAMPLES]]
        lines += [f"  … and {len(bad) - MAX_EXAMPLES} more"] if len(bad) > MAX_EXAMPLES else []
    if as_text := [problem for problem, verdict in found if verdict.outcome != "unscored"]:
        lines.append(
            f"{len(as_text)} of {tried} golds can only be compared as text: a right answer in another form counts as "
            f"wrong ({as_text[0].id}: {as_text[0].answer})"
        )
    return lines


def poorly_graded(run: Run, problems: Sequence[Problem]) -> Iterator[tuple[Problem, Verdict]]:
    """Problems for which a wrong answer is unscored, or wrong only as a text, with its verdict."""
    wrong = [Rollout((), (), (), "<think>Checking.</think>\\boxed{not the answer}")]
    for problem in problems:
        if problem.answer is not None and not costs(run, problem):
            verdicts = run.plugins.first("verify", problem=problem, rollouts=wrong)
            if verdicts is not None and (verdicts[0].outcome == "unscored" or verdicts[0].rung == AS_TEXT):
                yield problem, verdicts[0]


def overlap_lines(found: Sequence[Overlap], train_count: int) -> list[str]:
    """Describe the training problems that are also in an evaluation set; no lines if there are none."""
    if not found:
        return []
    sets = dict.fromkeys(each.set for each in found)
    counts = ", ".join(f"{name} ({sum(each.set == name for each in found)})" for name in sets)
    lines = [
        f"{len({each.train.id for each in found}):,} of {train_count:,} training problems are also in an evaluation "
        f"set, word for word or nearly so: {counts}. To drop them: -p decontaminate"
    ]
    for each in islice(sorted(found, key=lambda each: -each.share), MAX_EXAMPLES):
        question = first_characters(each.train.question)
        lines.append(f"  {each.train.id} is {each.share:.0%} of {each.set}'s {each.eval.id}: {question}")
    return lines


def first_characters(text: str, most: int = 100) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]} …"
