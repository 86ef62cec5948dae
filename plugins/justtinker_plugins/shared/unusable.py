"""Golds that a verifier cannot use, found before a run instead of during it."""

from __future__ import annotations

from collections.abc import Callable, Collection

from justtinker_core import Problem, RunContext
from justtinker_plugins.shared.tables import problems_by_table


def unusable_golds(run: RunContext, kinds: Collection[str], why: Callable[[Problem], str]) -> list[str]:
    """Complain once for each data table about its first problem of these kinds for which `why` gives a reason.

    `why` returns what is wrong with a problem's gold, or "" if nothing is.
    """
    complaints = []
    for table, problems in problems_by_table(run).items():
        bad = [(problem.id, reason) for problem in problems if problem.kind in kinds and (reason := why(problem))]
        if bad:
            (name, reason), more = bad[0], f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
            complaints.append(f"[{table}] problem {name!r}: {reason}{more}; mend the data, or leave the row out")
    return complaints
