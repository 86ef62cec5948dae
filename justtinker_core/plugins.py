"""The active plugins of a run: imported, configured, registered, and asked one by one. Knows no plugin by name."""

from __future__ import annotations

import inspect
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pluggy

from justtinker_core import hookspecs
from justtinker_core.discovery import Found, find
from justtinker_core.errors import PluginError, nearest
from justtinker_core.hookspecs import SPECS, attribute_of, hooks_of, implements
from justtinker_core.options import configure, dump, option_names
from justtinker_core.weights import RewardOptions, take_reward_options

log = logging.getLogger("justtinker")

EXACTLY_ONE = {"open_backend": "backends", "collect_batch": "algorithms", "advantages": "advantages"}
AT_LEAST_ONE = {"build_prompt": "prompts", "verify": "verifiers", "score": "rewards"}


def marked(cls: type[Any]) -> list[str]:
    """The methods of a class that are marked as hooks, those that are none too."""
    return [name for name in dir(cls) if implements(cls, name)]


def misfits(instance: Any) -> list[str]:
    """What is wrong with the hooks of a plugin. `optionalhook` is for those of other versions."""
    said: list[str] = []
    for hook in marked(type(instance)):
        method = getattr(instance, hook)
        if hook in SPECS:
            said += misfit(hook, method)
        elif not method.justtinker_impl["optionalhook"]:
            said.append(f"no hook is called {hook!r}{nearest(hook, SPECS)}")
    return said or ([] if hooks_of(type(instance)) else ["it has no method marked @hookimpl"])


def misfit(hook: str, method: Any) -> Iterator[str]:
    """What is wrong with a method that is to be a hook."""
    if inspect.iscoroutinefunction(method):
        yield f"{hook} is a coroutine; hooks are plain functions"
    if method.justtinker_impl["wrapper"] or method.justtinker_impl["hookwrapper"]:
        yield f"{hook} is a wrapper; hooks are asked one by one, so none can wrap"
    known = inspect.signature(SPECS[hook]).parameters
    for name, wanted in inspect.signature(method).parameters.items():
        if name not in known and wanted.default is wanted.empty and "VAR" not in wanted.kind.name:
            yield f"{hook} is given no {name!r}{nearest(name, known)}"


@dataclass(frozen=True, slots=True)
class Active:
    """A plugin that a run has enabled."""

    found: Found
    instance: Any
    reward: RewardOptions | None

    def dump(self) -> dict[str, Any]:
        """All its options as a config table, defaults included."""
        return {**dump(self.instance), **(dump(self.reward) if self.reward else {})}


def activate(found: Found, options: Mapping[str, Any], table: str = "") -> Active:
    """Import one plugin and fill its options from its table; `weight` and `mode` of a reward are core's."""
    table = table or f"plugins.{found.name}"
    cls = found.load()
    if not inspect.isclass(cls):
        raise PluginError(f"plugin {found.name!r} ({found.value}) is no class")
    reward, own, others = None, dict(options), []
    if implements(cls, "score"):
        reward, own = take_reward_options(attribute_of(cls, "default_weight"), table, own)
        others = option_names(RewardOptions)
    try:
        return Active(found, configure(cls, table, own, others, attribute_of(cls, "other_names")), reward)
    except PluginError:
        raise
    except Exception as error:
        raise PluginError(f"plugin {found.name!r} cannot be set up from [{table}]: {error}") from error


class Call(NamedTuple):
    """A hook call that is under way."""

    found: Found
    hook: str
    arguments: Mapping[str, Any]
    begun: float


class Plugins:
    """The active plugins of one run, in the config's order, and the questions one can ask them."""

    def __init__(self, active: Sequence[Active]) -> None:
        self.active = {a.found.name: a for a in active}
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self._complained: set[tuple[str, str]] = set()
        self.under_way: dict[int, Call] = {}
        for a in reversed(active):  # pluggy asks the last registered first
            self._register(a)

    def _register(self, a: Active) -> None:
        if said := misfits(a.instance):
            raise PluginError("\n".join(f"plugin {a.found.name!r} ({a.found.value}): {what}" for what in said))
        self.manager.register(a.instance, name=a.found.name)

    def who(self, hook: str) -> list[str]:
        """Names of the active plugins that implement a hook, in call order."""
        return [impl.plugin_name for impl in reversed(getattr(self.manager.hook, hook).get_hookimpls())]

    def ask(self, name: str, hook: str, convert: Callable[[Any], Any] | None = None, /, **arguments: Any) -> Any:
        """One plugin's answer, converted. PluginError names plugin and place if it raises or can't be converted."""
        impl = next(i for i in getattr(self.manager.hook, hook).get_hookimpls() if i.plugin_name == name)
        call = Call(self.active[name].found, hook, arguments, time.monotonic())
        self.under_way[id(call)] = call
        try:
            answer = impl.function(*(arguments[argument] for argument in impl.argnames))
            return answer if convert is None or answer is None else convert(answer)
        except PluginError:
            raise
        except (Exception, SystemExit) as error:  # a library's sys.exit() must not end a run without a word
            raise PluginError(failure(call.found, hook, error)) from error
        finally:
            del self.under_way[id(call)]

    def first(self, hook: str, convert: Callable[[Any], Any] | None = None, /, **arguments: Any) -> Any:
        """The first answer that is not None, or None."""
        answers = (self.ask(name, hook, convert, **arguments) for name in self.who(hook))
        return next((answer for answer in answers if answer is not None), None)

    def observe(self, name: str, hook: str, convert: Callable[[Any], Any] | None = None, /, **arguments: Any) -> Any:
        """The answer of an observer: if it raises, that is logged once and survived."""
        try:
            return self.ask(name, hook, convert, **arguments)
        except PluginError as error:
            if (name, hook) not in self._complained:
                self._complained.add((name, hook))
                log.warning("%s (said once; the run goes on)", error)
            return None

    def tell(self, hook: str, **arguments: Any) -> None:
        """Tell all observers."""
        for name in self.who(hook):
            self.observe(name, hook, **arguments)

    def require(self, hook: str, why: str) -> None:
        """PluginError unless the right number of active plugins implements the hook."""
        who = self.who(hook)
        role = EXACTLY_ONE.get(hook) or AT_LEAST_ONE.get(hook, "")
        if not who:
            choices = ", ".join(f.name for f in find().values() if f.role == role)
            raise PluginError(
                f"no active plugin implements {hook}, which {why} needs; enable one"
                + (f" of the {role}: {choices}" if choices else "")
            )
        if hook in EXACTLY_ONE and len(who) > 1:
            raise PluginError(f"{' and '.join(who)} both implement {hook}, which takes one; disable the others")

    def weights(self, step: int) -> dict[str, float]:
        """Reward plugin -> its weight at a step; plugins that weigh nothing and are not observed are left out."""
        weights = {name: a.reward.at(step) for name, a in self.active.items() if a.reward is not None}
        return {name: weight for name, weight in weights.items() if weight is not None}


def failure(found: Found, hook: str, error: BaseException) -> str:
    """Whose hook raised what, and where: the last line in the hook's own file, and the one beyond that gave up."""
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)][1:]
    where = ""
    if places and Path(places[0][0]).parent != Path(__file__).parent:  # there, its answer was refused
        own = [place for place in places if place[0] == places[0][0]]
        at, *beyond = (f"{Path(file).name}:{line}" for file, line in dict.fromkeys((own[-1], places[-1])))
        where = f" at {at}" + (f" (in {beyond[0]})" if beyond else "")
    return f"plugin {found.name!r} ({found.package}) failed in {hook}{where}: {type(error).__name__}: {error}"
