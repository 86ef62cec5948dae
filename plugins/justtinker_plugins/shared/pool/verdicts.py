"""Verdicts on answers for which a worker returned nothing."""

from __future__ import annotations

from justtinker_core import Verdict
from justtinker_plugins.shared.pool.pool import Result


def verdict_without_value(answer: str, result: Result) -> Verdict | None:
    """Call an answer that takes too much wrong, and one whose worker was lost unscored; None if there is a value."""
    if result.status == "ok":
        return None
    if result.status in ("cpu_limit", "memory"):
        return Verdict("incorrect", answer, "limit", f"too much for a worker: {result.detail}")
    return Verdict("unscored", answer, "failed", f"the worker failed ({result.status}): {result.detail}")
