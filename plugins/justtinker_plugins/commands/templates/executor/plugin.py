"""Executor `my_plugin`: judges many groups at a time, for verifiers and rewards that wait for a server."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor

from justtinker_core import RunContext, hookimpl, plugin


@plugin
class MyPlugin:
    """Judges groups on threads of its own. Any `concurrent.futures.Executor` will do, over several machines too."""

    threads: int = 32
    """Groups that are judged at a time."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError(f"threads = {self.threads}: expected 1 or more")

    @hookimpl
    def grading_executor(self, run: RunContext) -> Executor:
        """Core submits one picklable call a group, and shuts the executor down when the run ends."""
        return ThreadPoolExecutor(self.threads, thread_name_prefix="my_plugin")
