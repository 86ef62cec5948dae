"""Rows that give no problem are said aloud, in one line a table."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from justtinker_core import PluginError

if TYPE_CHECKING:
    from justtinker_core.config import DataSpec

log = logging.getLogger("justtinker")


def report(spec: DataSpec, source: str, used: int, skipped: Counter[str]) -> None:
    """Say how many rows could not be used and why; PluginError if that is all of them."""
    why = "; ".join(f"{reason}: {count:,}" for reason, count in skipped.most_common())
    if not used:
        raise PluginError(f"{source} gives no problem at all ({why or 'it has no rows'})")
    if why:
        log.warning("[%s] %s: %s problems; rows left out: %s", spec.table, source, f"{used:,}", why)
