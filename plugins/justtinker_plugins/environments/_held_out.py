"""Whether an evaluation asks what is trained on. Nothing is dropped here: the run does not start."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from justtinker_core.run import Run


def asked_again(run: Run, plugin: str, key: str) -> list[str]:
    """A complaint for each evaluation set that shares a value of `key`, of its problems' metadata, with training."""
    trained = {problem.meta.get(key) for problem in run.train_problems} - {None}
    return [
        f"[data.eval.{name}] asks {shared} {key}s that [data.train] trains on; give both tables the same options "
        f"(or once, in [plugins.{plugin}])"
        for name, problems in run.eval_problems.items()
        if (shared := len(trained & {problem.meta.get(key) for problem in problems}))
    ]
