"""Executor `my_plugin`: judge many groups at once, for verifiers and rewards that wait for a server."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor

from justtinker_core import RunContext, hookimpl, plugin


@plugin
class MyPlugin:
    """Judge groups on threads of its own. Any `concurrent.futures.Executor` works, even one over several machines."""

    threads: int = 32
    """How many groups to judge at once."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError(f"threads = {self.threads}: expected 1 or more")

    @hookimpl
    def grading_executor(self, run: RunContext) -> Executor:
        """Return the executor. The core submits one picklable call a group, and shuts it down when the run ends."""
        return ThreadPoolExecutor(self.threads, thread_name_prefix="my_plugin")
