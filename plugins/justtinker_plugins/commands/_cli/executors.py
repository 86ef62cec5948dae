"""The executor of a config for commands that judge without a run: ``-p ray`` on their command line is enough."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace

from justtinker_core import Scorer
from justtinker_core.answers import instance_of
from justtinker_core.discovery import look_up
from justtinker_core.enabling import installed, open_plugins
from justtinker_core.hookspecs import implements


@contextmanager
def executor_of(scorer: Scorer) -> Iterator[Executor | None]:
    """Open the executor that a scorer's config enables, None if it enables none; shut it down afterwards."""
    found = installed(scorer.config)
    able = [
        name
        for name in scorer.config.enable
        if look_up(name, found).role in ("executors", "local") and implements(found[name].load(), "grading_executor")
    ]
    if not able:
        yield None
        return
    plugins = open_plugins(replace(scorer.config, enable=tuple(able)))
    status, executor = "failed", None
    try:
        executor = plugins.first("grading_executor", instance_of(Executor), run=scorer)
        yield executor
        status = "finished"
    finally:
        if executor is not None:
            executor.shutdown(wait=status == "finished", cancel_futures=status != "finished")
        plugins.tell("finish_run", run=scorer, status=status)
        plugins.close()
