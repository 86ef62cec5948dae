"""Call a reward function of TRL's form, in a worker or in this process. Nothing here knows a group."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace
from typing import Any, NoReturn

from justtinker_core import PluginError
from justtinker_core.errors import nearest
from justtinker_plugins.shared.foreign import awaited, load_object
from justtinker_plugins.shared.pool.pool import Result

TABLE = "[plugins.trl_reward]"
"""Where the mistake is if a function cannot be used at all: with it an error begins."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a function is asked about."""

    where: str
    """The problem, for errors."""
    prompt: Any
    completions: tuple[Any, ...]
    ids: tuple[Any, ...] | None
    """The tokens of each completion; None: not even their number is known."""
    columns: Mapping[str, Any]
    """The problem's cells."""
    step: int

    def alone(self, index: int) -> Batch:
        """Return the batch with only one of its completions."""
        ids = None if self.ids is None else (self.ids[index],)
        return replace(self, completions=(self.completions[index],), ids=ids)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments as TRL gives them: for each completion a prompt and a cell of each column."""
        size = len(self.completions)
        columns = {name: [cell] * size for name, cell in self.columns.items()}
        ids = {} if self.ids is None else {"completion_ids": list(self.ids)}
        own = {"prompts": [self.prompt] * size, "completions": list(self.completions), **ids}
        state = SimpleNamespace(global_step=max(self.step - 1, 0))
        return {**columns, **own, "trainer_state": state, "log_extra": ignore, "log_metric": ignore}


class Uncounted(Sequence[int]):
    """The tokens of a response of which only the number is known."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: Any) -> NoReturn:
        raise PluginError(
            "it looks into completion_ids, but of these responses only the text is known, not the tokens: it can "
            "judge in a run, not outside"
        )


def ignore(name: str, value: Any) -> None:
    """Drop what a function logs."""


def call(where: str, arguments: str | None, batch: Batch | None) -> tuple[str, list[Any]]:
    """Ask a function. Returns what is wrong with it, '' if nothing, and what it gave: numbers, None.

    `arguments`, in JSON: the function's maker is called with them first. Without a batch, only load the function;
    without completions, only look whether it can be called. Raises whatever the function raises.
    """
    try:
        function = function_of(where, arguments)
        given = accepted(function, batch, where, arguments is None) if batch else {}
    except PluginError as error:
        return f"{TABLE} {error}", []
    if batch is None:
        return "", []
    try:
        return "", values_of(function(**given), len(batch.completions)) if batch.completions else []
    except PluginError as error:
        return f"{where}: {error}", []


def call_here(*args: Any) -> Result:
    """Ask a function in this process, with a worker's result."""
    try:
        return Result("ok", call(*args))
    except Exception as error:
        return Result("error", detail=f"{type(error).__name__}: {error}")


@cache
def function_of(where: str, arguments: str | None) -> Any:
    """Load a function, or make it, once a process."""
    function = load_object(where, "function")
    if arguments is not None:
        given = json.loads(arguments)
        try:
            function = function(**given)
        except Exception as error:
            raise PluginError(f"{where} cannot be called with {given} ({type(error).__name__}: {error})") from error
    if not callable(function):
        raise PluginError(f"{where}: expected a function, got {function!r:.60}")
    return function


def accepted(function: Any, batch: Batch, where: str, may_be_maker: bool) -> dict[str, Any]:
    """Return those arguments that the function takes. PluginError if it wants others."""
    given = batch.arguments()
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some callables do not tell
        return given
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
    if may_be_maker and not takes_all and not {"prompts", "completions", "completion_ids"} & {p.name for p in named}:
        raise PluginError(
            f"{where}: it takes no completions: it seems to make the reward function; give its arguments in `arguments`"
        )
    for name in [p.name for p in named if p.default is p.empty and p.name not in given]:
        if name == "completion_ids":
            raise PluginError(
                f"{where}: it wants completion_ids, but of these responses only the text is known ({batch.where})"
            )
        raise PluginError(
            f"{where}: it wants the column {name!r} (`columns = {{{name} = ...}}` gives it another by that name), "
            f"which {batch.where} does not have{nearest(name, list(batch.columns))}"
        )
    return given if takes_all else {name: given[name] for name in given if name in {p.name for p in named}}


def values_of(answer: Any, size: int) -> list[Any]:
    """Return what a function gave as a list of as many things as there are completions."""
    if inspect.isawaitable(answer):
        answer = asyncio.run_coroutine_threadsafe(awaited(answer), loop_of(os.getpid())).result()
    values = answer.tolist() if hasattr(answer, "tolist") else answer
    if not isinstance(values, list | tuple):
        raise PluginError(f"expected a list of {size} numbers, one a completion, got {answer!r:.60}")
    if len(values) != size:
        raise PluginError(f"expected {size} numbers, one a completion, got {len(values)}")
    return list(values)


@cache
def loop_of(pid: int) -> asyncio.AbstractEventLoop:
    """Return the loop of a process for async functions; as in TRL, a single one, in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name=f"trl-reward-{pid}", daemon=True).start()
    return loop
