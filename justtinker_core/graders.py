"""Where groups are judged: on threads, on the event loop of the plugins, or on an executor of a plugin."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import partial
from typing import Any

from justtinker_core.errors import PluginError
from justtinker_core.grading import GroupError
from justtinker_core.plugins import Plugins
from justtinker_core.sampling import submit, threads
from justtinker_core.types import Group

Grade = Callable[[Group], Future[Group]]
"""Submits a group to be judged."""
Judging = Callable[[Group], Coroutine[Any, Any, Group]]
"""Judges a group, for the event loop of the plugins."""


@contextmanager
def graders(plugins: Plugins, judging: Judging) -> Iterator[Grade]:
    """Judge groups together on the event loop if a hook is a coroutine, otherwise in threads.

    Whatever still waits when the context is left is cancelled.
    """
    if not plugins.coroutines:

        def judge(group: Group) -> Group:
            return plugins.wait_for(judging(group))

        with threads(plugins.grading.threads, "judge") as pool:
            yield partial(submit, pool, judge)
        return
    places, under_way = asyncio.Semaphore(plugins.grading.groups), set[Future[Group]]()

    async def in_place(group: Group) -> Group:
        async with places:
            return await judging(group)

    def grade(group: Group) -> Future[Group]:
        future = plugins.loop.submit(in_place(group))
        under_way.add(future)
        future.add_done_callback(under_way.discard)
        return future

    try:
        yield grade
    finally:
        for future in list(under_way):
            future.cancel()


def on_executor(executor: Executor, name: str, judge: Callable[[Group], Group]) -> Grade:
    """Judge groups on an executor; whatever fails but a plugin is a GroupError that names the executor."""
    return partial(submit_to, executor, name, judge)


def submit_to(executor: Executor, name: str, judge: Callable[[Group], Group], group: Group) -> Future[Group]:
    """Submit a group to an executor."""
    judged: Future[Group] = Future()

    def failure(error: BaseException) -> BaseException:
        if isinstance(error, PluginError) or not isinstance(error, Exception):
            return error
        return GroupError(f"{name} failed: {type(error).__name__}: {error}", group)

    def pass_on(done: Future[Group]) -> None:
        try:
            judged.set_result(done.result())
        except BaseException as error:
            judged.set_exception(failure(error))

    try:
        executor.submit(judge, group).add_done_callback(pass_on)
    except Exception as error:
        raise failure(error) from error
    return judged


def judged_in_order(groups: Iterable[Group], grade: Grade, ahead: int) -> Iterator[Group]:
    """Judge groups and yield them in order. At most `ahead` are under way, so memory does not grow with them."""
    waiting: deque[Future[Group]] = deque()
    for group in groups:
        waiting.append(grade(group))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
