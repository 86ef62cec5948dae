"""Whether an evaluation asks what is trained on. Nothing is dropped here: the run does not start."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from justtinker_core import Problem

if TYPE_CHECKING:
    from justtinker_core.run import Run


def asked_again(
    run: Run,
    plugin: str,
    what: str,
    name: Callable[[Problem], Hashable],
    fix: str = "give both tables the same options",
) -> list[str]:
    """A complaint for each evaluation set that shares problems with training, by a name; None: another's problem."""
    trained = set(map(name, run.train_problems)) - {None}
    return [
        f"[data.eval.{table}] asks {shared} {what} that [data.train] trains on; {fix} (or once, in [plugins.{plugin}])"
        for table, problems in run.eval_problems.items()
        if (shared := len(trained & set(map(name, problems))))
    ]
