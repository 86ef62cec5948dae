"""What `verl_verifier` and `verl_reward` share: a function of verl's form, asked in processes that can be killed.

verl (0.9) calls ``compute_score(data_source=..., solution_str=..., ground_truth=..., extra_info=...)``, sync or async,
and takes a number or a dict with ``score``. The run imports nothing of it: a clean process does, and forks workers, so
a call that hangs or ends its process costs one score, and never the run.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, ClassVar

from pydantic import Field

from justtinker_core import PluginError, Problem, RunContext, hookimpl, plugin
from justtinker_core.errors import nearest
from justtinker_plugins.shared.foreign import FunctionName, awaited, load_object, number_of
from justtinker_plugins.shared.pool.kept import KeptPool
from justtinker_plugins.shared.pool.pool import Pool, Result

WORKER = "justtinker_plugins.shared.verl:call"
SAMPLE = ("data_source", "solution_str", "ground_truth", "extra_info")


@dataclass(frozen=True, slots=True)
class Score:
    """What the function said of one response."""

    value: float | None
    """None: it gave no number; `reason` says why."""
    reason: str
    pred: str | None = None
    """The answer that it read, if its dict has ``pred``, as verl's own functions call it."""


@plugin
class VerlFunction:
    """The base of the plugins that ask a function of verl's form."""

    table: ClassVar[str]
    """The plugin's table in a config: with it an error begins if the function cannot be used at all."""
    function: Annotated[FunctionName, Field(examples=["verl.utils.reward_score:default_compute_score"])]
    """``package.module:name``, or ``folder/file.py:name``, relative to the config. Sync or async."""
    data_source: str | None = None
    """What the function is told as ``data_source``. Default: what each problem's metadata says."""
    data_source_column: str = "data_source"
    """The metadata that holds it."""
    ground_truth_column: str | None = None
    """The metadata that holds the ``ground_truth``. Default: the problem's answer."""
    extra_info_column: str = "extra_info"
    """The metadata that holds ``extra_info``, a table. A problem without it hands over all of its metadata. The
    function always finds the question in it, as ``question``."""
    key: str = "score"
    """Which entry counts if the function gives a dict."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """More arguments for the function: verl's ``reward_kwargs``."""
    limit: Annotated[float, Field(gt=0)] = 10.0
    """CPU seconds for one call. One that only waits may take five times as long, and once more, alone, ten times."""
    memory: Annotated[int, Field(ge=1 << 28)] = 1 << 34
    """Bytes of address space that a worker may use, the function's packages included."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """Worker processes, started when first needed. Default: one per core, at most 8."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._workers = KeptPool(self._make_pool)
        self._is_checked = False

    def ask(self, problem: Problem, responses: Sequence[str]) -> list[Score]:
        """Ask for the score of each response, all at the same time.

        What goes wrong in the function leaves a response without a number. PluginError if the function cannot be
        loaded or called like this, if it gives neither a number nor None, or if the metadata lacks something.
        """
        source, truth, extra = self.sample_of(problem)
        pool = self._checked_pool()
        asked = [pool.submit(self.function, self.kwargs, self.key, (source, t, truth, extra)) for t in responses]
        return [score_of(self.function, future.result()) for future in asked]

    def sample_of(self, problem: Problem) -> tuple[str, Any, dict[str, Any]]:
        """Return data_source, ground_truth and extra_info for a problem. PluginError if its metadata lacks them."""
        source, truth, meta = self.data_source, problem.answer, problem.meta
        if source is None:
            say = ", or give the same to all problems with `data_source`"
            source = self._cell(problem, self.data_source_column, "data_source_column", say)
        if self.ground_truth_column is not None:
            truth = self._cell(problem, self.ground_truth_column, "ground_truth_column")
        extra = meta.get(self.extra_info_column, meta)
        if not isinstance(extra, Mapping):
            where = f"problem {problem.id!r}, metadata {self.extra_info_column!r}"
            raise PluginError(f"{where}: expected a table, got {extra!r:.60}")
        return source, truth, {"question": problem.question, **extra}

    def _cell(self, problem: Problem, name: str, option: str, otherwise: str = "") -> Any:
        if name not in problem.meta:
            hint = nearest(name, list(problem.meta))
            end = "" if hint.endswith("?") else "."
            raise PluginError(f"problem {problem.id!r} has no metadata {name!r}{hint}{end} Set `{option}`{otherwise}")
        return problem.meta[name]

    def _checked_pool(self) -> Pool:
        pool = self._workers.get()
        with self._lock:
            if not self._is_checked:
                loaded = pool.submit(self.function, self.kwargs, self.key, None).result()
                try:
                    score_of(self.function, loaded)
                except PluginError as error:
                    raise PluginError(f"{self.table} {error}") from None
                self._is_checked = True
        return pool

    def _make_pool(self) -> Pool:
        warm_up: tuple[Any, ...] = (self.function, {}, self.key, None)
        return Pool(WORKER, workers=self.workers, limit=self.limit, memory=self.memory, warm_up=warm_up)

    @hookimpl
    def preflight(self, run: RunContext) -> list[str]:
        """Complain if the function cannot be called, or if the first problem of a data set lacks metadata."""
        complaints = []
        for problem in [*run.train_problems[:1], *(problems[0] for problems in run.eval_problems.values() if problems)]:
            try:
                self.sample_of(problem)
                self._checked_pool()
            except PluginError as error:
                complaints.append(str(error))
        return list(dict.fromkeys(complaints))

    @hookimpl
    def finish_run(self) -> None:
        """Stop the workers."""
        self._workers.close()


def score_of(function: str, result: Result) -> Score:
    """Read a worker's result. PluginError if the worker says that the function cannot be used like this."""
    function = function.rpartition("/")[2]  # a folder in every verdict is of no use
    if result.status != "ok":
        return Score(None, f"{function} failed ({result.status}): {result.detail}")
    wrong, value, pred = result.value
    if wrong:
        raise PluginError(wrong)
    if value is None or math.isnan(value):
        return Score(None, f"{function} gave {'no number' if value is None else 'NaN'}", pred)
    return Score(value, f"{function} gave {value:g}", pred)


# -- in a worker --------------------------------------------------------------------------------


def call(
    where: str, kwargs: Mapping[str, Any], key: str, sample: tuple[Any, ...] | None
) -> tuple[str, float | None, str | None]:
    """Ask the function; return what is wrong with it ("" if nothing), its number, and its ``pred``.

    Without a sample, only load the function and look at its arguments.
    """
    try:
        function = function_of(where)
        given = dict(zip(SAMPLE, sample or [None] * len(SAMPLE), strict=True)) | dict(kwargs)
        check_arguments(function, given, where)
        if sample is None:
            return "", None, None
    except PluginError as error:
        return str(error), None, None
    answer = function(**given)
    if inspect.isawaitable(answer):
        answer = asyncio.run(awaited(answer))
    try:
        return "", *read_answer(answer, key, where)
    except PluginError as error:
        return str(error), None, None


@cache
def function_of(where: str) -> Any:
    """Load a function once a process."""
    return load_object(where, "function")


def check_arguments(function: Any, given: Mapping[str, Any], where: str) -> None:
    """Raise PluginError if the function does not take verl's arguments."""
    try:
        inspect.signature(function).bind(**given)
    except ValueError:  # some built-in functions do not tell
        return
    except TypeError as error:
        raise PluginError(
            f"function: {where} cannot be called as verl does, with {', '.join(given)}: {error}"
        ) from error


def read_answer(answer: Any, key: str, where: str) -> tuple[float | None, str | None]:
    """Return the number that counts, and the answer that the function read."""
    if not isinstance(answer, Mapping):
        return number_of(answer, where), None
    if key not in answer:
        raise PluginError(f"{where}: its dict has no {key!r}{nearest(key, list(answer))}; `key` says which counts")
    pred = answer.get("pred")
    return number_of(answer[key], f"{where}, {key!r}"), pred if isinstance(pred, str) else None
