"""The active plugins of a run: import, configure and register them, and ask them one by one. Knows none by name."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pluggy

from justtinker_core import event_loop, hookspecs
from justtinker_core.config import GradingSection
from justtinker_core.discovery import Found, find
from justtinker_core.errors import PluginError, nearest
from justtinker_core.event_loop import EventLoop
from justtinker_core.hookspecs import SPECS, attribute_of, hooks_of, implements
from justtinker_core.options import configure, dump, option_names
from justtinker_core.paths import locate
from justtinker_core.weights import RewardOptions, take_reward_options

T = TypeVar("T")
log = logging.getLogger("justtinker")

EXACTLY_ONE = {"open_backend": "backends", "collect_batch": "algorithms", "advantages": "advantages"}
MAY_WAIT = ("verify", "measure", "score")
"""The hooks that may be coroutines."""
ASKS = (__file__, event_loop.__file__)
"""The files of the core that call plugins' functions."""
AT_LEAST_ONE = {"build_prompt": "prompts", "verify": "verifiers", "score": "rewards"}


def marked_methods(cls: type[Any]) -> list[str]:
    """List the methods of a class that are marked @hookimpl, whether or not such a hook exists."""
    return [name for name in dir(cls) if implements(cls, name)]


def plugin_mistakes(instance: Any) -> list[str]:
    """List what is wrong with a plugin's hooks. `optionalhook` allows hooks that only other versions have."""
    mistakes: list[str] = []
    for hook in marked_methods(type(instance)):
        method = getattr(instance, hook)
        if hook in SPECS:
            mistakes += method_mistakes(hook, method)
        elif not method.justtinker_impl["optionalhook"]:
            mistakes.append(f"no hook is called {hook!r}{nearest(hook, SPECS)}")
    most = attribute_of(instance, "concurrency")
    if has_coroutines(instance) and not (isinstance(most, int) and most >= 0):
        mistakes.append(f"concurrency: expected a number of calls, or 0 for no limit, got {most!r}")
    return mistakes or ([] if hooks_of(type(instance)) else ["it has no method marked @hookimpl"])


def has_coroutines(instance: Any) -> bool:
    """Return whether a plugin has a hook that is a coroutine."""
    return any(inspect.iscoroutinefunction(getattr(instance, hook, None)) for hook in MAY_WAIT)


def method_mistakes(hook: str, method: Any) -> Iterator[str]:
    """Yield what is wrong with a method that implements a hook."""
    if inspect.iscoroutinefunction(method) and hook not in MAY_WAIT:
        yield f"{hook} is a coroutine; only {', '.join(MAY_WAIT[:-1])} and {MAY_WAIT[-1]} may be one"
    if inspect.isasyncgenfunction(method):
        yield f"{hook} is an asynchronous generator; return the answer instead of yielding"
    if method.justtinker_impl["wrapper"] or method.justtinker_impl["hookwrapper"]:
        yield f"{hook} is a wrapper; hooks are asked one by one, so none can wrap"
    known = inspect.signature(SPECS[hook]).parameters
    for name, parameter in inspect.signature(method).parameters.items():
        if name not in known and parameter.default is parameter.empty and "VAR" not in parameter.kind.name:
            yield f"{hook} has no argument {name!r}{nearest(name, known)}"


@dataclass(frozen=True, slots=True)
class Active:
    """A plugin that a run has enabled."""

    found: Found
    instance: Any
    reward: RewardOptions | None

    def dump(self) -> dict[str, Any]:
        """Return all options of the plugin as a config table, defaults included."""
        return {**dump(self.instance), **(dump(self.reward) if self.reward else {})}


def activate(found: Found, options: Mapping[str, Any], table: str = "") -> Active:
    """Import one plugin and fill its options from its table. `weight` and `mode` of a reward belong to the core."""
    table = table or f"plugins.{found.name}"
    cls = found.load()
    if not inspect.isclass(cls):
        raise PluginError(f"plugin {found.name!r} ({found.value}) is not a class")
    reward, own, others = None, dict(options), []
    if implements(cls, "score"):
        reward, own = take_reward_options(attribute_of(cls, "default_weight"), table, own)
        others = option_names(RewardOptions)
    try:
        own = locate_all(cls, own)
        return Active(found, configure(cls, table, own, others, attribute_of(cls, "other_names")), reward)
    except PluginError:
        raise
    except Exception as error:
        raise PluginError(f"plugin {found.name!r} cannot be set up from [{table}]: {error}") from error


def locate_all(cls: type[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Locate the paths of a plugin's options, and of the tables among them that `use` another plugin."""
    located = locate(cls, options)
    for key, value in located.items():
        if isinstance(value, dict):
            used = find().get(value["use"]) if isinstance(value.get("use"), str) else None
            with suppress(PluginError):  # whoever uses that plugin says better what is wrong with it
                located[key] = locate_all(used.load() if used else object, value)
    return located


class Call(NamedTuple):
    """A hook call under way."""

    found: Found
    hook: str
    arguments: Mapping[str, Any]
    begun: float


class Plugins:
    """The active plugins of one run, in the config's order, and the ways to ask them."""

    def __init__(self, active: Sequence[Active], grading: GradingSection | None = None) -> None:
        self.active = {a.found.name: a for a in active}
        self.grading = grading or GradingSection()
        self.loop = EventLoop(self.grading.threads)
        """Where coroutines run. Nothing runs on it if no hook is one."""
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self._logged: set[tuple[str, str]] = set()
        self.under_way: dict[int, Call] = {}
        self.terms: dict[str, str] = {}
        """Each reward term that was given so far -> the plugin that gives it."""
        for a in reversed(active):  # pluggy asks the last registered first
            self._register(a)

    def _register(self, a: Active) -> None:
        if mistakes := plugin_mistakes(a.instance):
            raise PluginError("\n".join(f"plugin {a.found.name!r} ({a.found.value}): {what}" for what in mistakes))
        self.manager.register(a.instance, name=a.found.name)

    def who(self, hook: str) -> list[str]:
        """Return the names of the active plugins that implement a hook, in call order."""
        return [impl.plugin_name for impl in reversed(getattr(self.manager.hook, hook).get_hookimpls())]

    def reads(self, what: str, step: int) -> list[str]:
        """Return the names of the active plugins that read this, by their ``reads``; not of rewards that weigh 0."""
        idle = {name for name, a in self.active.items() if a.reward is not None} - self.weights(step).keys()
        return [
            name for name, a in self.active.items() if what in attribute_of(a.instance, "reads") and name not in idle
        ]

    @property
    def coroutines(self) -> bool:
        """Whether a hook of an active plugin is a coroutine."""
        return any(has_coroutines(a.instance) for a in self.active.values())

    def ask(self, name: str, hook: str, convert: Callable[[Any], Any] | None = None, /, **arguments: Any) -> Any:
        """Ask one plugin and convert its answer. If either raises, a PluginError names the plugin and the line."""
        answer = self.answer(name, hook, convert, **arguments)
        return self.loop.run(answer) if inspect.iscoroutinefunction(self._impl(name, hook).function) else drive(answer)

    async def answer(
        self, name: str, hook: str, convert: Callable[[Any], Any] | None = None, /, **arguments: Any
    ) -> Any:
        """Like `ask`, for coroutines. A plain function is called in a thread if this one runs the event loop."""
        impl = self._impl(name, hook)
        async with self._limit(name) if self.loop.is_here() else nullcontext():
            call = Call(self.active[name].found, hook, arguments, time.monotonic())
            self.under_way[id(call)] = call
            try:
                answer = await self._call(impl.function, [arguments[argument] for argument in impl.argnames])
                return answer if convert is None or answer is None else convert(answer)
            except PluginError:
                raise
            except (Exception, SystemExit, asyncio.CancelledError) as error:  # sys.exit() of a library is its failure
                if isinstance(error, asyncio.CancelledError) and self.loop.is_cancelling():
                    raise
                raise PluginError(failure_text(call.found, hook, error)) from error
            finally:
                del self.under_way[id(call)]

    async def _call(self, function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
        if inspect.iscoroutinefunction(function):
            return await function(*arguments)
        answer = await self.loop.in_thread(function, *arguments) if self.loop.is_here() else function(*arguments)
        if inspect.iscoroutine(answer):
            answer.close()
            raise TypeError("it returned a coroutine; write the hook with 'async def'")
        return answer

    def _impl(self, name: str, hook: str) -> Any:
        return next(i for i in getattr(self.manager.hook, hook).get_hookimpls() if i.plugin_name == name)

    def _limit(self, name: str) -> asyncio.Semaphore | nullcontext[None]:
        """What lets only so many calls of a plugin be under way at once."""
        most = attribute_of(self.active[name].instance, "concurrency")
        return self.loop.limit(name, most) if most else nullcontext()

    def first(self, hook: str, convert: Callable[[Any], Any] | None = None, /, **arguments: Any) -> Any:
        """Ask the plugins in turn; return the first answer that is not None, or None."""
        answers = (self.ask(name, hook, convert, **arguments) for name in self.who(hook))
        return next((answer for answer in answers if answer is not None), None)

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine that calls `answer`: on the event loop if a hook is a coroutine, otherwise in this thread."""
        return self.loop.run(work) if self.coroutines else drive(work)

    def observe(self, name: str, hook: str, convert: Callable[[Any], Any] | None = None, /, **arguments: Any) -> Any:
        """Ask an observer. If it raises, log that once and return None."""
        try:
            return self.ask(name, hook, convert, **arguments)
        except PluginError as error:
            if (name, hook) not in self._logged:
                self._logged.add((name, hook))
                log.warning("%s (logged once; the run goes on)", error)
            return None

    def tell(self, hook: str, **arguments: Any) -> None:
        """Call a hook of all observers."""
        for name in self.who(hook):
            self.observe(name, hook, **arguments)

    def require(self, hook: str, why: str) -> None:
        """Raise a PluginError unless the right number of active plugins implements the hook."""
        who = self.who(hook)
        role = EXACTLY_ONE.get(hook) or AT_LEAST_ONE.get(hook, "")
        if not who:
            choices = ", ".join(f.name for f in find().values() if f.role == role)
            raise PluginError(
                f"no active plugin implements {hook}, which {why} needs; enable one"
                + (f" of the {role}: {choices}" if choices else "")
            )
        if hook in EXACTLY_ONE and len(who) > 1:
            others = f"disable the others, e.g. with -p no:{who[0]}"
            raise PluginError(f"expected one plugin to implement {hook}, got {' and '.join(who)}; {others}")

    def close(self, again: bool = False) -> None:
        """End the event loop, and cancel what waits on it. `again`: plugins may still be asked afterwards."""
        self.loop.close(again)

    def weights(self, step: int) -> dict[str, float]:
        """Return the weights of reward plugins at a step; without those that weigh 0 and are not observed."""
        weights = {name: a.reward.at(step) for name, a in self.active.items() if a.reward is not None}
        return {name: weight for name, weight in weights.items() if weight is not None}


def drive(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing, in this thread."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise RuntimeError("a plain function waited on an event loop")


def failure_text(found: Found, hook: str, error: BaseException) -> str:
    """Say whose hook raised what, and where: the last line in the plugin's own file, and the line that raised."""
    lines = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    lines = lines[max(i for i, (file, _) in enumerate(lines) if file in ASKS) + 1 :]
    where = ""
    if lines and Path(lines[0][0]).parent != Path(__file__).parent:  # else the core refused the answer
        own = [line for line in lines if line[0] == lines[0][0]]
        at, *beyond = (f"{Path(file).name}:{number}" for file, number in dict.fromkeys((own[-1], lines[-1])))
        where = f" at {at}" + (f" (in {beyond[0]})" if beyond else "")
    return f"plugin {found.name!r} ({found.package}) failed in {hook}{where}: {type(error).__name__}: {error}"
