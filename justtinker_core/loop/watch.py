"""Warn of hook calls that take very long, and name the plugin. Watches from a thread and ends no call."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from justtinker_core.plugins import Call, Plugins

log = logging.getLogger("justtinker")

SLOW = 60.0
"""Seconds after which a call is reported as slow."""
NAMED_AFTER = 5.0
"""Seconds after which Ctrl-C names a call."""
MAY_BE_SLOW = ("open_backend", "collect_batch")
"""Hooks that wait for sampling, training or a model, which may take minutes."""


def slow_calls(plugins: Plugins, step: int, seconds: float) -> dict[tuple[str, str], str]:
    """Plugin and hook -> a sentence about their call, for calls that have gone on for so many seconds."""
    now = time.monotonic()
    calls = [
        (call, now - plugin_time_began(call))
        for call in list(plugins.under_way.values())
        if call.hook not in MAY_BE_SLOW
    ]
    return {(c.found.name, c.hook): describe(c, took, step) for c, took in calls if took >= seconds}


def plugin_time_began(call: Call) -> float:
    """When the plugin's own time began: in an episode, after the policy's last turn."""
    return max(call.begun, getattr(call.arguments.get("policy"), "turn_ended", 0.0))


def describe(call: Call, took: float, step: int) -> str:
    """Which plugin has been in which hook for how long, and with which problem."""
    group, stats = call.arguments.get("group"), call.arguments.get("stats")
    problem = group.problem if group else call.arguments.get("problem")
    where = f"step {getattr(group or stats, 'step', step)}" if step else "before the first step"
    where += f", problem {problem.id!r}" if problem else ""
    return f"plugin {call.found.name!r} ({call.found.package}) has been in {call.hook} for {took:.0f} s ({where})"


def watch(plugins: Plugins, step: Callable[[], int], over: threading.Event) -> threading.Thread:
    """Start a thread that, until `over` is set, logs one warning per plugin and hook whose call is slow.

    `step` returns the current step.
    """

    def look() -> None:
        warned: set[tuple[str, str]] = set()
        while not over.wait(SLOW / 6):
            for key, text in slow_calls(plugins, step(), SLOW).items():
                if key not in warned:
                    log.warning("%s; waiting (logged once)", text)
                    warned.add(key)

    thread = threading.Thread(target=look, name="watch", daemon=True)
    thread.start()
    return thread
