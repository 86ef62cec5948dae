"""Verdicts on answers of many parts: how many of them are right stands in the rung."""

from __future__ import annotations

import re

from justtinker_core import Verdict


def rung_of(right: int, parts: int, what: str) -> str:
    """Write a rung, such as "3 of 5 tests"."""
    return f"{right} of {parts} {what}"


def share_of(verdict: Verdict, what: str) -> float | None:
    """Read the share of the parts that are right, from 0 to 1; 0 if none was looked at, None if it was not judged.

    >>> share_of(Verdict("incorrect", rung="3 of 5 tests"), "tests")
    0.6
    """
    if verdict.outcome == "unscored":
        return None
    found = re.fullmatch(rf"(\d+) of (\d+) {what}", verdict.rung)
    return int(found[1]) / int(found[2]) if found else 0.0
