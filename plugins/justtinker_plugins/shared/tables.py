"""The data tables of a run."""

from __future__ import annotations

from justtinker_core import Problem, RunContext


def problems_by_table(run: RunContext) -> dict[str, tuple[Problem, ...]]:
    """The problems that are loaded, by the name of their table in the config: ``data.train``, ``data.eval.NAME``."""
    return {"data.train": run.train_problems} | {f"data.eval.{name}": p for name, p in run.eval_problems.items()}
