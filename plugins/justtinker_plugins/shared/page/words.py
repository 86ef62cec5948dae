"""Say in plain words why a verdict came out as it did."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HOW = {
    "string": "written like the expected answer",
    "text": "the same text as the expected answer",
    "rational": "equal as numbers",
    "gate": "equal in form",
    "probe": "equal as expressions",
    "sympy": "equal, says computer algebra (sympy)",
    "any box": "one of the boxes holds the expected answer",
    "boxed": "the box holds the expected answer",
    "whole": "the whole response is the expected answer",
}
"""What the bundled verifiers call their checks -> what an answer that passed one is."""


def why_of(verdict: Mapping[str, Any]) -> str:
    """Say why a recorded verdict is what it is; '' if its verifier did not say.

    >>> why_of({"outcome": "correct", "rung": "rational (Answer:)", "reason": ""})
    "equal as numbers; read after 'Answer:', not from a box"
    """
    rung, reason = verdict.get("rung") or "", verdict.get("reason") or ""
    check, _, place = rung.removesuffix(")").partition(" (")
    counted = rung if re.match(r"\d+ of \d+ ", rung) else ""
    how = HOW.get(check) or counted or (f"decided by {check}" if check else "")
    text = ": ".join(filter(None, (counted, reason))) if reason else how
    return f"{text}; read after {place!r}, not from a box" if place and place not in HOW else text
