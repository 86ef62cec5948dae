"""The checks that verifiers and rewards have in common.

A plugin is asked as the core asks it: by the core's own functions, with their checks of length, type and range, and
from a thread that is not the main one (but for texts that may hang it: those it gets where it can be stopped).
"""

from __future__ import annotations

import copy
import dataclasses
import gc
import inspect
import math
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

from justtinker_core.errors import PluginError
from justtinker_core.hookspecs import implements
from justtinker_core.plugins import Plugins, marked
from justtinker_core.testing import _hostile
from justtinker_core.testing._builders import make_rollout
from justtinker_core.testing._report import MOST, Failure, Report, described, place, short
from justtinker_core.testing._running import enabled
from justtinker_core.types import Group, Verdict
from justtinker_core.weights import RewardOptions

Ask = Callable[[Plugins, Group], Sequence[Any]]
"""One answer a rollout, as the core sees it: a verdict, or the terms of a reward."""

Compare = Callable[[Sequence[Group], Sequence[Sequence[Any]]], None]
"""A check that is given groups and their answers."""
THREADS = 8
CROWD = 0.3
"""Seconds for which they ask, twice for every group at least; ten times as long where they do not meet."""
MEETINGS = 20
"""Calls of each thread during which another one came in; a busy machine may let one thread at a time run for long."""


class HungError(BaseException):
    """The plugin did not come back. No Exception, so that nobody on the way takes it for one of his own."""


class Battery:
    """The checks of one plugin, on groups for which it has an answer."""

    def __init__(
        self, function: str, hook: str, wanted: str, plugin: Any, ask: Ask, seconds: float, patience: float
    ) -> None:
        self.given, self.wanted, self._ask = plugin, wanted, ask
        self.seconds, self.patience = seconds, patience
        self.call = in_a_thread
        cls = plugin if inspect.isclass(plugin) else type(plugin)
        if not implements(cls, hook):
            there = ", ".join(marked(cls)) or "none at all"
            raise AssertionError(f"{function}: {cls.__name__} has no method {hook!r} marked @hookimpl; it has {there}")
        self._spare = None if inspect.isclass(plugin) else spare(plugin)
        self._made: list[Plugins] = []
        self.plugins = self.active(plugin)
        self.owns_things = implements(cls, "finish_run")
        """Processes, perhaps: copies cost something."""
        self.report = Report(f"{function}: {cls.__name__} ({cls.__module__})")

    def active(self, plugin: Any) -> Plugins:
        """It alone, at weight 1."""
        a = enabled(plugin)
        plugins = Plugins([replace(a, reward=RewardOptions()) if a.reward else a])
        if a.instance is not self.given:
            self._made.append(plugins)
        return plugins

    def fresh(self) -> Plugins:
        """The plugin as it was before it was asked anything; the same one, if there is no way to copy it."""
        if inspect.isclass(self.given):
            return self.active(self.given)
        return self.plugins if self._spare is None else self.active(spare(self._spare))

    def close(self) -> None:
        """Let the copies end what they have started."""
        for plugins in self._made:
            plugins.tell("finish_run", run=None, status="finished")

    def ask(self, group: Group, plugins: Plugins | None = None) -> Sequence[Any]:
        """Its answers for a group. PluginError as in a run, HungError if there is none in time."""
        answers: Sequence[Any] = self.call(lambda: self._ask(plugins or self.plugins, group), self.patience)
        return answers

    def demand(self, checks: Callable[[Battery], None]) -> None:
        """Make the checks; AssertionError with all that failed."""
        __tracebackhide__ = True
        try:
            checks(self)
        except HungError as error:
            with self.report.check(
                "patience", "A call comes back. The checks after this one were not made."
            ) as failures:
                wanted = f"an answer within {self.patience:g} s"
                failures.append(Failure(str(error), wanted, "none", "Bound what one response can cost."))
        finally:
            self.close()
        self.report.demand()

    # Each of these is one check

    def answers(self, groups: Sequence[Group], hint: str) -> list[Sequence[Any]] | None:
        """Answers of the right length, type and range at all; without them nothing else is tried."""
        before = copy.deepcopy(groups)
        found: list[Sequence[Any]] = []
        with self.report.check("answers", "It has a valid answer for ordinary input.") as failures:
            for group in groups:
                answer = self.tried(group, failures, f"Mend this first; the other checks wait for it. {hint}")
                found += [answer] if answer is not None else []
        self.leaves_input(before, groups)
        return None if failures else found

    def leaves_input(self, before: Sequence[Group], after: Sequence[Group]) -> None:
        """What it was given has not changed."""
        fix = "Copy before you change: the same objects go on to other plugins and into the records."
        with self.report.check("input", "What it is given is the same afterwards.") as failures:
            for old, new in zip(before, after, strict=True):
                for f in dataclasses.fields(Group):
                    was, now = getattr(old, f.name), getattr(new, f.name)
                    if was != now:
                        failures.append(Failure(f"{f.name} of a group", f"{was!r:.200}", f"{now!r:.200}", fix))

    def tried(self, group: Group, failures: list[Failure], fix: str, plugins: Plugins | None = None) -> Any:
        """Its answers, or None and a failure."""
        try:
            return self.ask(group, plugins)
        except PluginError as error:
            failures.append(Failure(self.culprit(group, plugins), self.wanted, str(error), fix))
            return None

    def culprit(self, group: Group, plugins: Plugins | None) -> str:
        """The rollout that alone has no answer either; the last such one, as odd ones are added at the end."""
        size = len(group.rollouts)
        for index in reversed(range(size)):
            if size == 1 or isinstance(caught(partial(self.ask, permuted(group, [index]), plugins)), PluginError):
                return place(group, index)
        return f"{size} responses (each alone has an answer): {', '.join(short(r.text, 20) for r in group.rollouts)}"

    def compare(
        self,
        group: Group,
        wanted: Sequence[Any],
        found: Sequence[Any] | None,
        failures: list[Failure],
        how: str,
        fix: str,
    ) -> None:
        """A failure for the first rollout whose answer is another one."""
        for index, (old, new) in enumerate(zip(wanted, found or (), strict=False)):
            if not same(old, new):
                failures.append(Failure(f"{place(group, index)}, {how}", described(old), described(new), fix))
                return

    def same_answers(self, groups: Sequence[Group], wanted: Sequence[Sequence[Any]], *more: Compare) -> None:
        """The checks that compare answers, `more` of them the caller's; none that would fail for a reason known."""
        if not self.repeats(groups, wanted):
            self.leave_out("memory", "order", "threads", "pickle")
            return
        for check in (self.remembers_nothing, self.follows_order, *more, self.pickles):
            check(groups, wanted)
        if self.report.good("memory"):
            self.threads(groups, wanted)
        else:
            self.leave_out("threads")

    def leave_out(self, *checks: str) -> None:
        """These would only say again what has failed."""
        self.report.left_out |= dict.fromkeys(checks, "for a reason told above")

    def repeats(self, groups: Sequence[Group], wanted: Sequence[Sequence[Any]]) -> bool:
        """Asked again at once, it says the same."""
        fix = "Use no randomness, clock or counter; or seed it by the text that is judged."
        with self.report.check("repeat", "Asked the same again, it answers the same.") as failures:
            for group, old in zip(groups, wanted, strict=True):
                for again in ("a second", "a third"):
                    self.compare(group, old, self.tried(group, failures, fix), failures, f"asked {again} time", fix)
        return not failures

    def remembers_nothing(self, groups: Sequence[Group], wanted: Sequence[Sequence[Any]]) -> None:
        """A fresh copy for each group, or one that is asked in the opposite order, says the same."""
        fix = "Keep nothing on self that later answers depend on; a cache's key must hold everything that decides."
        plugins = self.fresh()
        with self.report.check("memory", "An answer does not depend on what was asked before.") as failures:
            for group, old in reversed(list(zip(groups, wanted, strict=True))):
                plugins = plugins if self.owns_things else self.fresh()
                how = (
                    "asked after other groups" if self.owns_things else "asked of a copy that was asked nothing before"
                )
                self.compare(group, old, self.tried(group, failures, fix, plugins), failures, how, fix)

    def follows_order(self, groups: Sequence[Group], wanted: Sequence[Sequence[Any]]) -> None:
        """Permuting the rollouts permutes the answers."""
        fix = "Give each answer at its rollout's place; nothing may depend on which rollout comes first."
        with self.report.check("order", "Rollouts in another order get their answers in that order.") as failures:
            for group, old in zip(groups, wanted, strict=True):
                size = len(group.rollouts)
                for name, places in (("in reverse", range(size)[::-1]), ("moved by one", [*range(1, size), 0])):
                    moved = permuted(group, places)
                    found = self.tried(moved, failures, fix) if size > 1 else None
                    how = f"the group's rollouts {name}"
                    self.compare(moved, [old[i] for i in places], found, failures, how, fix)

    def threads(self, groups: Sequence[Group], wanted: Sequence[Sequence[Any]]) -> None:
        """Several threads that ask at once get the answers that one gets."""
        fix = "Keep what a call works with in local variables, or guard it with a lock."
        plugins, gate, door = self.fresh(), threading.Barrier(THREADS), count()
        with self.report.check("threads", "Several threads may ask at a time.") as failures:

            def ask_all(first: int) -> list[tuple[int, Any]]:
                gate.wait(self.patience)
                begun, met, odd = time.monotonic(), 0, []
                for number in count(first):
                    i, came = number % len(groups), next(door)
                    found = caught(partial(self._ask, plugins, groups[i]))
                    met += next(door) > came + 1
                    if isinstance(found, PluginError) or not all(map(same, wanted[i], found)):
                        odd.append((i, found))
                    taken = time.monotonic() - begun
                    enough = taken > CROWD and (met >= MEETINGS or taken > min(10 * CROWD, self.patience / 4))
                    if odd or (enough and number - first >= 2 * len(groups)):
                        break
                return odd

            for i, found in together([partial(ask_all, n) for n in range(THREADS)], self.patience):
                if isinstance(found, PluginError):
                    failures.append(Failure(place(groups[i], 0), "an answer, as without threads", str(found), fix))
                else:
                    self.compare(groups[i], wanted[i], found, failures, f"asked from {THREADS} threads at once", fix)

    def pickles(self, groups: Sequence[Group], wanted: Sequence[Sequence[Any]]) -> None:
        """It can be sent to a process of its own, and answers the same there."""
        cls = type(next(iter(self.plugins.active.values())).instance)
        if "<locals>" in cls.__qualname__:
            self.report.left_out["pickle"] = "its class is inside a function, where nothing pickles"
        elif self.owns_things:
            self.report.left_out["pickle"] = "it has finish_run, so it may own what cannot travel"
        else:
            self._pickles(groups, wanted)

    def _pickles(self, groups: Sequence[Group], wanted: Sequence[Sequence[Any]]) -> None:
        fix = "Keep locks, files, pools and lambdas out of its attributes (or leave them out in __getstate__)."
        (a,) = self.plugins.active.values()
        with self.report.check("pickle", "It can be sent to another process.") as failures:
            try:
                plugins = self.active(pickle.loads(pickle.dumps(a.instance)))
            except Exception as error:
                found = f"{type(error).__name__}: {error}"
                failures.append(Failure("pickle.loads(pickle.dumps(plugin))", "a copy", found, fix))
                return
            for group, old in zip(groups, wanted, strict=True):
                self.compare(group, old, self.tried(group, failures, fix, plugins), failures, "asked of a copy", fix)

    def survives(self, name: str, rule: str, groups: Mapping[str, Group], fix: str) -> dict[str, Sequence[Any]]:
        """Its answers to groups that are odd in a way that has a name, as far as they are valid."""
        found, self.call = {}, in_time
        with self.report.check(name, rule) as failures:
            for what, group in groups.items():
                before = len(failures)
                try:
                    answer = self.tried(group, failures, fix)
                except HungError:
                    raise HungError(f"{what}: {place(group, -1)}") from None
                if len(failures) > before:
                    failures[-1] = replace(failures[-1], given=f"{what}: {failures[-1].given}")
                else:
                    found[what] = answer
        return found

    def speed(self, base: Group) -> None:
        """CPU seconds of this process for one long response: bounded, and in proportion to its length."""
        self.call = in_time
        with self.report.check("speed", "Long responses cost little, and in proportion.") as failures:
            for shape in _hostile.SHAPES:
                spent: dict[int, float] = {}
                for size in _hostile.SIZES:
                    spent[size] = self._cpu_seconds(base, shape, size)
                    if trouble := self.too_slow(spent):
                        failures.append(Failure(f"{shape}, {size:,} characters in one response", *trouble))
                        break
                if len(failures) == MOST:
                    break

    def too_slow(self, spent: Mapping[int, float]) -> tuple[str, str, str] | None:
        """What was wanted and found, and the fix, if times by size are too long or grow too fast."""
        *_, last = spent
        said = ", ".join(f"{seconds:.3f} s for {size // 1000} k" for size, seconds in list(spent.items())[-4:])
        if spent[last] > self.seconds:
            fix = "Cap the length that is looked at, or raise `seconds` if it has to be so."
            return f"at most {self.seconds:g} CPU seconds (best of several)", said, fix
        early = last // 8
        grows = early in spent and spent[last] > max(24 * spent[early], 3 * spent[last // 2])  # not by a threshold
        if grows and spent[last] > 0.1:
            fix = "Something is done again for each character: a nested loop, a regular expression that tries again."
            return "8 times the text in about 8 times the time (up to 24), once it matters (0.1 s)", said, fix
        return None

    def _cpu_seconds(self, base: Group, shape: str, size: int) -> float:
        """The best of two; of one, if that is far below any limit or so long that no accident explains it."""
        best = math.inf
        for salt in range(2):
            group = with_text(base, _hostile.text_of(shape, size, salt))
            try:
                best = min(best, self.call(partial(self._timed, group), self.patience))
            except HungError:
                raise HungError(f"{shape}, {size:,} characters in one response") from None
            if not 0.01 < best < 3:
                break
        return best

    def _timed(self, group: Group) -> float:
        collecting = gc.isenabled()
        gc.disable()  # all that the tests before have left would be charged to whoever fills the last straw
        try:
            begun = time.thread_time()
            with suppress(PluginError):  # a matter of other checks
                self._ask(self.plugins, group)
            return time.thread_time() - begun
        finally:
            if collecting:
                gc.enable()


def spare(plugin: Any) -> Any:
    """A copy of a plugin, not used yet; None if there is no way to make one."""
    with suppress(Exception):
        if dataclasses.is_dataclass(plugin) and not isinstance(plugin, type):
            return replace(plugin)
        return copy.deepcopy(plugin)
    return None


class Call(threading.Thread):
    """A call in a thread of its own, as the loop makes it. A daemon: one that hangs does not outlive the tests."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call: Callable[[], Any] = call
        self._future: Future[Any] = Future()
        self.start()

    def run(self) -> None:
        """Make the call."""
        try:
            self._future.set_result(self._call())
        except BaseException as error:
            self._future.set_exception(error)

    def result(self, patience: float) -> Any:
        """What it returned or raised; HungError if it takes too long."""
        if not wait([self._future], patience).done:
            raise HungError("an ordinary group")
        return self._future.result()


def in_a_thread(call: Callable[[], Any], patience: float) -> Any:
    """What a call returns or raises in a thread of its own; HungError if it takes too long."""
    return Call(call).result(patience)


def in_time(call: Callable[[], Any], patience: float) -> Any:
    """The same in this thread, where a signal can end what never lets another thread run, as a regular expression does.

    Where there is no such signal, or this is not the main thread, in a thread of its own after all.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        return in_a_thread(call, patience)

    def ring(number: int, frame: Any) -> None:
        raise HungError("an ordinary group")

    handler, begun = signal.signal(signal.SIGALRM, ring), time.monotonic()
    left, interval = signal.setitimer(signal.ITIMER_REAL, patience)
    try:
        return call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:  # somebody else's, such as pytest-timeout's
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - begun), 1e-3), interval)


def together(calls: Sequence[Callable[[], Sequence[Any]]], patience: float) -> list[Any]:
    """What calls that run at the same time return, one after the other; threads change places as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        return [answer for call in list(map(Call, calls)) for answer in call.result(patience)]
    finally:
        sys.setswitchinterval(interval)


def caught(call: Callable[[], Any]) -> Any:
    """What a call returns, or the PluginError that it raises."""
    try:
        return call()
    except PluginError as error:
        return error


def same(old: Any, new: Any) -> bool:
    """Whether two answers say the same; the last digits of a sum may depend on its order."""
    if isinstance(old, Verdict):
        return (old.outcome, old.answer, old.vote) == (new.outcome, new.answer, new.vote)
    return old.keys() == new.keys() and all(
        a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9))
        for a, b in ((old[term], new[term]) for term in old)
    )


def permuted(group: Group, places: Sequence[int]) -> Group:
    """The group with its rollouts, and what belongs to each, in another order."""

    def pick(values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(values[place] for place in places) if values else ()

    measures = {name: pick(values) for name, values in group.measures.items()}
    return replace(group, rollouts=pick(group.rollouts), verdicts=pick(group.verdicts), measures=measures)


def with_text(group: Group, text: str) -> Group:
    """The group with this text in its last rollout, of as many tokens as one expects."""
    return replace(group, rollouts=(*group.rollouts[:-1], make_rollout(text, tokens=-(-len(text) // 4))))
