"""The report of a failed battery: for each check what was given, wanted and found, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from justtinker_core.types import Group, Verdict

MOST = 3
"""Examples of one check."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that is wrong."""

    given: str
    wanted: str
    found: str
    fix: str


@dataclass
class Report:
    """What the checks of one battery have found."""

    title: str
    failures: dict[str, list[Failure]] = field(default_factory=dict)
    """Check, with its rule -> what broke it."""
    passed: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """Check -> why it was not made."""

    @contextmanager
    def check(self, name: str, rule: str) -> Iterator[list[Failure]]:
        """The list that takes a check's failures."""
        failures: list[Failure] = []
        try:
            yield failures
        finally:
            if failures:
                self.failures[f"{name}: {rule}"] = failures
        if not failures:
            self.passed.append(name)

    def good(self, name: str) -> bool:
        """Whether a check was made and passed."""
        return name in self.passed

    def demand(self) -> None:
        """AssertionError with everything that failed, if anything did."""
        __tracebackhide__ = True
        if self.failures:
            raise AssertionError(str(self))

    def __str__(self) -> str:
        total = len(self.failures) + len(self.passed)
        lines = [f"{self.title} fails {len(self.failures)} of {total} checks"]
        for name, failures in self.failures.items():
            lines += ["", name, *examples(failures)]
        lines += ["", f"passed: {', '.join(self.passed) or 'none'}"]
        for why in dict.fromkeys(self.left_out.values()):
            names = ", ".join(name for name, reason in self.left_out.items() if reason == why)
            lines.append(f"not tried: {names} ({why})")
        return "\n".join(lines)


def examples(failures: Sequence[Failure]) -> list[str]:
    """The lines of a check's first failures, each fix after the last that it mends."""
    lines, shown = [], failures[:MOST]
    for failure, later in zip(shown, [*shown[1:], None], strict=True):
        lines += [f"    given   {failure.given}", f"    wanted  {failure.wanted}", f"    found   {failure.found}"]
        if later is None or later.fix != failure.fix:
            lines.append(f"    fix     {failure.fix}")
    return lines + ([f"    and {len(failures) - MOST} more like this"] if len(failures) > MOST else [])


def short(text: str | None, most: int = 70) -> str:
    """A text as Python writes it, cut in the middle."""
    if text is None or len(text) <= most:
        return ascii(text) if text is not None and not text.isprintable() else repr(text)
    return f"{ascii(text[: most // 2])[:most]} … {ascii(text[-most // 4 :])[:most]} ({len(text):,} characters)"


def place(group: Group, index: int) -> str:
    """One rollout of a group, in words."""
    size = len(group.rollouts)
    which = f"rollout {index % size} of {size}" if size > 1 else "the only rollout"
    problem = f"problem {group.problem.id!r}, gold {short(group.problem.answer)}"
    return f"{short(group.rollouts[index].text)} ({which}; {problem})"


def described(answer: Any) -> str:
    """A verdict, or the terms of a reward, in words."""
    if isinstance(answer, Verdict):
        return ", ".join(
            [answer.outcome, f"answer {short(answer.answer)}"]
            + [f"{k} {short(v)}" for k in ("rung", "reason") if (v := getattr(answer, k))]
        )
    return ", ".join(f"{term} = {value}" for term, value in answer.items()) or "no term"
