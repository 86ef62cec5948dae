"""Hook calls that take very long: a plugin that hangs is told by its name. Looks on from a thread; ends nothing."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from justtinker_core.plugins import Call

if TYPE_CHECKING:
    from justtinker_core.run import Run

log = logging.getLogger("justtinker")

SLOW = 60.0
"""Seconds after which there is a warning of a call."""
WORTH_A_WORD = 5.0
"""Seconds after which it is named to whoever presses Ctrl-C."""
PATIENT = ("open_backend", "collect_batch")
"""Hooks that wait for sampling, training or a model, which may take minutes."""


def slow(run: Run, seconds: float) -> dict[tuple[str, str], str]:
    """Plugin and hook -> what is to be said of a call that has gone on for so long."""
    now = time.monotonic()
    calls = [(call, now - since(call)) for call in list(run.plugins.under_way.values()) if call.hook not in PATIENT]
    return {(c.found.name, c.hook): told(c, took, run.step) for c, took in calls if took >= seconds}


def since(call: Call) -> float:
    """When a plugin was last given the word: an episode gets it back after each turn of the policy."""
    return max(call.begun, getattr(call.arguments.get("policy"), "since", 0.0))


def told(call: Call, took: float, step: int) -> str:
    """Who has been where for how long, and with which problem."""
    group, stats = call.arguments.get("group"), call.arguments.get("stats")
    problem = group.problem if group else call.arguments.get("problem")
    where = f"step {getattr(group or stats, 'step', step)}" if step else "before the first step"
    where += f", problem {problem.id!r}" if problem else ""
    return f"plugin {call.found.name!r} ({call.found.package}) has been in {call.hook} for {took:.0f} s ({where})"


def watch(run: Run, over: threading.Event) -> None:
    """Until it is over, warn of a plugin that takes very long in a hook: once a hook."""

    def look() -> None:
        said: set[tuple[str, str]] = set()
        while not over.wait(SLOW / 6):
            for key, text in slow(run, SLOW).items():
                if key not in said:
                    log.warning("%s; waiting (said once)", text)
                    said.add(key)

    threading.Thread(target=look, name="watch", daemon=True).start()
