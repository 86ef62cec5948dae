"""The checks that verifiers and rewards share.

They ask a plugin as the core does: through the core's own functions, which check length, type and range, and from a
thread other than the main one. Only texts that may hang a plugin are asked in the main thread, where a signal can end
the call.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
import math
import pickle
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

from justtinker_core.errors import PluginError
from justtinker_core.hookspecs import implements
from justtinker_core.plugins import Plugins, marked_methods
from justtinker_core.testing import _hostile
from justtinker_core.testing._calls import HungError, attempt, call_at_once, call_in_thread, call_with_alarm
from justtinker_core.testing._report import MOST, Failure, Report, describe_answer, describe_rollout, shorten
from justtinker_core.testing._running import activate_given
from justtinker_core.testing._speed import cpu_seconds, too_slow
from justtinker_core.testing._variations import copy_unused, is_same, permuted, with_text
from justtinker_core.types import Group
from justtinker_core.weights import RewardOptions

Ask = Callable[[Plugins, Group], Sequence[Any]]
"""Asks plugins for a group. Returns an answer for each rollout as the core sees it: a verdict, or a reward's terms."""

Compare = Callable[[Sequence[Group], Sequence[Sequence[Any]]], None]
"""A check that gets groups and the answers to them."""
THREADS = 8
CROWD = 0.3
"""Seconds for which the threads ask, at least twice per group; up to ten times as long if too few calls overlap."""
OVERLAPS = 20
"""Calls of each thread that must overlap with others: a busy machine may run one thread at a time for long."""


class Battery:
    """The checks of one plugin, on groups for which it has an answer."""

    def __init__(
        self, function: str, hook: str, expected: str, plugin: Any, ask: Ask, seconds: float, patience: float
    ) -> None:
        self.given, self.expected, self._ask = plugin, expected, ask
        self.seconds, self.patience = seconds, patience
        self.call = call_in_thread
        cls = plugin if inspect.isclass(plugin) else type(plugin)
        if not implements(cls, hook):
            marked = ", ".join(marked_methods(cls)) or "none at all"
            raise AssertionError(f"{function}: {cls.__name__} has no method {hook!r} marked @hookimpl; it has {marked}")
        self._unused = None if inspect.isclass(plugin) else copy_unused(plugin)
        self._made: list[Plugins] = []
        self.plugins = self.activate(plugin)
        self.owns_resources = implements(cls, "finish_run")
        """The plugin may own processes, which makes copies expensive."""
        self.report = Report(f"{function}: {cls.__name__} ({cls.__module__})")

    def activate(self, plugin: Any) -> Plugins:
        """Activate a plugin alone, at weight 1."""
        a = activate_given(plugin)
        plugins = Plugins([replace(a, reward=RewardOptions()) if a.reward else a])
        if a.instance is not self.given:
            self._made.append(plugins)
        return plugins

    def fresh(self) -> Plugins:
        """Return a copy of the plugin that was never asked anything; the plugin itself if it cannot be copied."""
        if inspect.isclass(self.given):
            return self.activate(self.given)
        return self.plugins if self._unused is None else self.activate(copy_unused(self._unused))

    def close(self) -> None:
        """Let the copies release what they own."""
        for plugins in self._made:
            plugins.tell("finish_run", run=None, status="finished")

    def ask(self, group: Group, plugins: Plugins | None = None) -> Sequence[Any]:
        """Ask for answers to a group. Raises PluginError as in a run, and HungError if there is none in time."""
        answers: Sequence[Any] = self.call(lambda: self._ask(plugins or self.plugins, group), self.patience)
        return answers

    def run(self, checks: Callable[[Battery], None]) -> None:
        """Make the checks. Raises an AssertionError with all that failed."""
        __tracebackhide__ = True
        try:
            checks(self)
        except HungError as error:
            with self.report.check("patience", "A call returns. The checks after this one were not made.") as failures:
                expected = f"an answer within {self.patience:g} s"
                failures.append(Failure(str(error), expected, "none", "Bound what one response can cost."))
        finally:
            self.close()
        self.report.raise_failures()

    # The checks

    def check_answers(self, groups: Sequence[Group], hint: str) -> list[Sequence[Any]] | None:
        """Check that answers have the right length, type and range, and return them; None: no other check can work."""
        before = copy.deepcopy(groups)
        found: list[Sequence[Any]] = []
        with self.report.check("answers", "It has a valid answer for ordinary input.") as failures:
            for group in groups:
                answer = self.try_ask(group, failures, f"Fix this first; the other checks wait for it. {hint}")
                found += [answer] if answer is not None else []
        self.check_input(before, groups)
        return None if failures else found

    def check_input(self, before: Sequence[Group], after: Sequence[Group]) -> None:
        """Check that the plugin has not changed its input."""
        fix = "Copy before you change: other plugins and the records get the same objects."
        with self.report.check("input", "It does not change its input.") as failures:
            for old, new in zip(before, after, strict=True):
                for f in dataclasses.fields(Group):
                    was, now = getattr(old, f.name), getattr(new, f.name)
                    if was != now:
                        failures.append(Failure(f"{f.name} of a group", f"{was!r:.200}", f"{now!r:.200}", fix))

    def try_ask(self, group: Group, failures: list[Failure], fix: str, plugins: Plugins | None = None) -> Any:
        """Ask for answers to a group; return None and add a failure if there are none."""
        try:
            return self.ask(group, plugins)
        except PluginError as error:
            failures.append(Failure(self.culprit(group, plugins), self.expected, str(error), fix))
            return None

    def culprit(self, group: Group, plugins: Plugins | None) -> str:
        """Describe the last rollout that gets no answer alone either (the last, as odd ones are added at the end)."""
        size = len(group.rollouts)
        for index in reversed(range(size)):
            if size == 1 or isinstance(attempt(partial(self.ask, permuted(group, [index]), plugins)), PluginError):
                return describe_rollout(group, index)
        return f"{size} responses (each alone has an answer): {', '.join(shorten(r.text, 20) for r in group.rollouts)}"

    def compare(
        self,
        group: Group,
        expected: Sequence[Any],
        found: Sequence[Any] | None,
        failures: list[Failure],
        how: str,
        fix: str,
    ) -> None:
        """Add a failure for the first rollout whose answer differs."""
        for index, (old, new) in enumerate(zip(expected, found or (), strict=False)):
            if not is_same(old, new):
                given = f"{describe_rollout(group, index)}, {how}"
                failures.append(Failure(given, describe_answer(old), describe_answer(new), fix))
                return

    def check_sameness(self, groups: Sequence[Group], expected: Sequence[Sequence[Any]], *more: Compare) -> None:
        """Make the checks that compare answers, the caller's `more` included; skip those sure to fail as others did."""
        if not self.check_repeat(groups, expected):
            self.skip("memory", "order", "threads", "pickle")
            return
        for check in (self.check_memory, self.check_order, *more, self.check_pickle):
            check(groups, expected)
        if self.report.has_passed("memory"):
            self.check_threads(groups, expected)
        else:
            self.skip("threads")

    def skip(self, *checks: str) -> None:
        """Skip checks that would only repeat what has failed."""
        self.report.left_out |= dict.fromkeys(checks, "they would only repeat a failure above")

    def check_repeat(self, groups: Sequence[Group], expected: Sequence[Sequence[Any]]) -> bool:
        """Check that the plugin gives the same answers when it is asked again at once."""
        fix = "Use no randomness, clock or counter; or seed it with the text to judge."
        with self.report.check("repeat", "The same input gets the same answer.") as failures:
            for group, old in zip(groups, expected, strict=True):
                for again in ("a second", "a third"):
                    self.compare(group, old, self.try_ask(group, failures, fix), failures, f"asked {again} time", fix)
        return not failures

    def check_memory(self, groups: Sequence[Group], expected: Sequence[Sequence[Any]]) -> None:
        """Check that a fresh copy per group, or one copy asked in the opposite order, gives the same answers."""
        fix = "Keep nothing on self that later answers depend on; a cache's key must hold everything that decides."
        plugins = self.fresh()
        with self.report.check("memory", "An answer does not depend on earlier ones.") as failures:
            for group, old in reversed(list(zip(groups, expected, strict=True))):
                plugins = plugins if self.owns_resources else self.fresh()
                how = "asked after other groups" if self.owns_resources else "asked of a copy never asked before"
                self.compare(group, old, self.try_ask(group, failures, fix, plugins), failures, how, fix)

    def check_order(self, groups: Sequence[Group], expected: Sequence[Sequence[Any]]) -> None:
        """Check that permuting the rollouts permutes the answers."""
        fix = "Return each answer at its rollout's place; nothing may depend on which rollout comes first."
        with self.report.check("order", "Rollouts in another order get their answers in that order.") as failures:
            for group, old in zip(groups, expected, strict=True):
                size = len(group.rollouts)
                for name, places in (("in reverse", range(size)[::-1]), ("moved by one", [*range(1, size), 0])):
                    moved = permuted(group, places)
                    found = self.try_ask(moved, failures, fix) if size > 1 else None
                    how = f"the group's rollouts {name}"
                    self.compare(moved, [old[i] for i in places], found, failures, how, fix)

    def check_threads(self, groups: Sequence[Group], expected: Sequence[Sequence[Any]]) -> None:
        """Check that several threads at once get the same answers as one thread."""
        fix = "Keep what a call works with in local variables, or guard it with a lock."
        plugins, gate, ticks = self.fresh(), threading.Barrier(THREADS), count()
        with self.report.check("threads", "Several threads may ask at once.") as failures:

            def ask_all(first: int) -> list[tuple[int, Any]]:
                gate.wait(self.patience)
                begun, overlaps, wrong = time.monotonic(), 0, []
                for number in count(first):
                    i, entered = number % len(groups), next(ticks)
                    found = attempt(partial(self._ask, plugins, groups[i]))
                    overlaps += next(ticks) > entered + 1
                    if isinstance(found, PluginError) or not all(map(is_same, expected[i], found)):
                        wrong.append((i, found))
                    taken = time.monotonic() - begun
                    enough = taken > CROWD and (overlaps >= OVERLAPS or taken > min(10 * CROWD, self.patience / 4))
                    if wrong or (enough and number - first >= 2 * len(groups)):
                        break
                return wrong

            for i, found in call_at_once([partial(ask_all, n) for n in range(THREADS)], self.patience):
                if isinstance(found, PluginError):
                    given = describe_rollout(groups[i], 0)
                    failures.append(Failure(given, "an answer, as without threads", str(found), fix))
                else:
                    self.compare(groups[i], expected[i], found, failures, f"asked from {THREADS} threads at once", fix)

    def check_pickle(self, groups: Sequence[Group], expected: Sequence[Sequence[Any]]) -> None:
        """Check that a pickled copy gives the same answers, if the plugin can be pickled at all."""
        cls = type(next(iter(self.plugins.active.values())).instance)
        if "<locals>" in cls.__qualname__:
            self.report.left_out["pickle"] = "its class is inside a function, where nothing pickles"
        elif self.owns_resources:
            self.report.left_out["pickle"] = "it has finish_run, so it may own what cannot be pickled"
        else:
            self._check_pickled_copy(groups, expected)

    def _check_pickled_copy(self, groups: Sequence[Group], expected: Sequence[Sequence[Any]]) -> None:
        fix = "Keep locks, files, pools and lambdas out of its attributes (or leave them out in __getstate__)."
        (a,) = self.plugins.active.values()
        with self.report.check("pickle", "It can be sent to another process.") as failures:
            try:
                plugins = self.activate(pickle.loads(pickle.dumps(a.instance)))
            except Exception as error:
                found = f"{type(error).__name__}: {error}"
                failures.append(Failure("pickle.loads(pickle.dumps(plugin))", "a copy", found, fix))
                return
            for group, old in zip(groups, expected, strict=True):
                self.compare(group, old, self.try_ask(group, failures, fix, plugins), failures, "asked of a copy", fix)

    def check_survival(self, name: str, rule: str, groups: Mapping[str, Group], fix: str) -> dict[str, Sequence[Any]]:
        """Check that odd groups, given by name, get valid answers; return those that do."""
        found, self.call = {}, call_with_alarm
        with self.report.check(name, rule) as failures:
            for what, group in groups.items():
                before = len(failures)
                try:
                    answer = self.try_ask(group, failures, fix)
                except HungError:
                    raise HungError(f"{what}: {describe_rollout(group, -1)}") from None
                if len(failures) > before:
                    failures[-1] = replace(failures[-1], given=f"{what}: {failures[-1].given}")
                else:
                    found[what] = answer
        return found

    def check_speed(self, base: Group) -> None:
        """Check that the CPU seconds for one long response are bounded, and in proportion to its length."""
        self.call = call_with_alarm
        with self.report.check("speed", "Long responses cost little, and in proportion.") as failures:
            for shape in _hostile.SHAPES:
                spent: dict[int, float] = {}
                for size in _hostile.SIZES:
                    spent[size] = self._cpu_seconds(base, shape, size)
                    if failure := too_slow(spent, self.seconds):
                        failures.append(Failure(f"{shape}, {size:,} characters in one response", *failure))
                        break
                if len(failures) == MOST:
                    break

    def _cpu_seconds(self, base: Group, shape: str, size: int) -> float:
        """Measure twice and return the shorter time; once, if it is far below any limit or clearly too long."""
        best = math.inf
        for salt in range(2):
            group = with_text(base, _hostile.text_of(shape, size, salt))
            try:
                best = min(
                    best, self.call(partial(cpu_seconds, partial(self._ask, self.plugins, group)), self.patience)
                )
            except HungError:
                raise HungError(f"{shape}, {size:,} characters in one response") from None
            if not 0.01 < best < 3:
                break
        return best
