"""How long a call takes, and whether times by size are too long or grow too fast."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from justtinker_core.errors import PluginError


def cpu_seconds(call: Callable[[], Any]) -> float:
    """Return the CPU seconds of a call in this thread."""
    collecting = gc.isenabled()
    gc.disable()  # or collecting the garbage of earlier tests would count as the plugin's time
    try:
        begun = time.thread_time()
        with suppress(PluginError):  # other checks report it
            call()
        return time.thread_time() - begun
    finally:
        if collecting:
            gc.enable()


def too_slow(spent: Mapping[int, float], seconds: float) -> tuple[str, str, str] | None:
    """Return what was expected, what was found, and the fix, if times by size are too long or grow too fast."""
    *_, last = spent
    found = ", ".join(f"{took:.3f} s for {size // 1000} k" for size, took in list(spent.items())[-4:])
    if spent[last] > seconds:
        fix = "Cap the length that you look at, or raise `seconds` if it must take so long."
        return f"at most {seconds:g} CPU seconds (best of several)", found, fix
    early = last // 8
    grows = early in spent and spent[last] > max(24 * spent[early], 3 * spent[last // 2])  # not by a threshold
    if grows and spent[last] > 0.1:
        fix = "Something is repeated for each character: a nested loop, or a regular expression that backtracks."
        return "8 times the text in about 8 times the time (up to 24), once it matters (0.1 s)", found, fix
    return None
